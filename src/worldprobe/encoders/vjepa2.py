"""V-JEPA 2 and 2.1 as encoders: hub id, local folder, the tiny one, and untrained twins of all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders import actions, checkpoint, known
from worldprobe.encoders.device import dtype_of, precision_of
from worldprobe.encoders.forward import VERSIONS, Forward, is_21
from worldprobe.encoders.lanes import side_by_side
from worldprobe.encoders.pixels import Pixels
from worldprobe.encoders.preprocess import crop_frames, sight
from worldprobe.encoders.transfer import to_device, to_host
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.execute.devices import device_for
from worldprobe.geometry import TokenGrid, View, resize_and_crop
from worldprobe.records import Clip

if TYPE_CHECKING:
    import torch
    from transformers import VJEPA2Config

Status = Literal["trained", "untrained", "floor"]
TWIN_SEED = 1


class VJEPA2Encoder:
    """The encoder half of a V-JEPA 2 model (Assran et al. 2025), or of a V-JEPA 2.1.

    The predictor is neither kept nor run; ``load_predictor`` gets it for those who want it. Every tap goes
    through the encoder's final layer norm, as the model's authors read intermediate blocks; so the last
    block's tap is transformers' ``last_hidden_state``, and residual streams that exceed float16 cannot
    overflow the store. V-JEPA 2.1 has four norms: the blocks that they belong to go through their own, all others
    through the last one; ``origin["norms"]`` says which. It takes a single frame as a picture.
    """

    def __init__(
        self,
        model: Any,
        *,
        name: str,
        revision: str,
        status: Status,
        device: str = "auto",
        precision: str = "auto",
        predictor: Callable[[], Any] | None = None,
        action_predictor: Callable[[], Any] | None = None,
        origin: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._predictor, self._action_predictor = predictor, action_predictor
        self.name = name
        self.status: Status = status
        self.twin = None if name.startswith("random:") else f"random:{name}"
        self.device = device_for("cpu" if device == known.ELSEWHERE else device)
        self.precision = precision_of(precision, "cuda" if device == known.ELSEWHERE else self.device)
        version = VERSIONS[self.precision]
        self.revision = hashlib.sha256(f"{revision} {self.precision} {version}".encode()).hexdigest()
        self.origin = {**origin, "precision": self.precision, "forward": version}
        config = model.config
        self.blocks = int(config.num_hidden_layers)
        self.tubelet = int(config.tubelet_size)
        self.width = int(config.hidden_size)
        self.crop = int(config.crop_size)
        self.sight = sight(self.crop)
        self.patch = int(config.patch_size)
        self.parameters = sum(p.numel() for p in model.encoder.parameters())
        self.forward = Forward(model.encoder, device=self.device, dtype=dtype_of(self.precision))
        self._pictures = is_21(config)
        # The blocks whose tokens, joined on d, the predictor reads.
        self._levels = (self.blocks - 1,)
        if is_21(config):
            self._levels = tuple(config.hierarchical_layers[-config.num_distillation_outputs :])
            self.origin["norms"] = self.forward.norms
        self.levels = len(self._levels)

    @property
    def pixels(self) -> Pixels:
        """How frames become its input."""
        return Pixels((self.crop, self.crop), "crop", short=int(self.crop * 256 / 224))

    def view(self, width: int, height: int) -> View:
        """What the model sees of a frame of this size in px."""
        return resize_and_crop(width, height, crop=self.crop)[1]

    def preprocess(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Source frames uint8 [n, h, w, 3] to uint8 [n, 3, crop, crop]."""
        return crop_frames(frames, crop=self.crop)

    def grid(self, frames: int) -> TokenGrid:
        """The token grid of a clip of ``frames`` frames.

        Raises:
            ConfigError: an odd number, whose last frame the model would drop without a word.
        """
        side = self.crop // self.patch
        if frames == 1 and self._pictures:
            return TokenGrid(1, side, side, 1, self.patch)
        if frames < self.tubelet or frames % self.tubelet:
            raise ConfigError(
                f"{self.name} joins {self.tubelet} frames to a token, {frames} frames a clip do not divide. "
                f"Use --frames {max(self.tubelet, frames // self.tubelet * self.tubelet)}."
            )
        return TokenGrid(frames // self.tubelet, side, side, self.tubelet, self.patch)

    def flop(self, frames: int) -> float:
        """Operations of a clip's matrix products, multiplications and additions counted apart."""
        grid = self.grid(frames)
        return self.forward.flop(grid.tokens, tubelet=grid.tubelet)

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """Tokens at each block's output, float16 [b, t', h', w', d], all blocks in one pass.

        Raises:
            ConfigError: clips whose size is not the model's (its positions would be wrong), or a block
                that the model does not have.
        """
        if outside := [block for block in blocks if not 0 <= block < self.blocks]:
            raise ConfigError(f"{self.name} has blocks 0 to {self.blocks - 1}, asked for {outside}")
        pixels = np.stack([clip.pixels for clip in clips])
        grid = self._fitting(pixels.shape)
        outputs = side_by_side(self.forward, to_device(pixels, self.device), set(blocks))
        shape = (len(clips), grid.time, grid.height, grid.width, self.width)
        return to_host({block: tokens.reshape(shape) for block, tokens in outputs.items()})

    def tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """The tokens that the predictor reads, as computed, of clips uint8 [b, t, 3, crop, crop].

        Returns:
            [b, t', s, levels d], s = h' x w': the last block's, after those of V-JEPA 2.1's other levels.

        Raises:
            ConfigError: as ``encode``.
        """
        import torch

        grid = self._fitting(pixels.shape)
        found = side_by_side(self.forward, pixels.to(self.device), set(self._levels))
        joined = torch.cat([found[block] for block in self._levels], -1)
        return joined.reshape(len(pixels), grid.time, grid.height * grid.width, -1)

    def load_predictor(self) -> Any:
        """The predictor of the same checkpoint, in fp32 on the CPU; loaded anew, strictly.

        Raises:
            RegistryError: there is none, or its weights do not fit.
        """
        return self._made_with(self._predictor)

    def load_action_predictor(self) -> Any:
        """V-JEPA 2-AC's predictor of the same checkpoint, in fp32 on the CPU; loaded anew, strictly.

        Raises:
            RegistryError: there is none, or its weights do not fit.
        """
        return self._made_with(self._action_predictor)

    def _made_with(self, load: Callable[[], Any] | None) -> Any:
        if load is None:
            raise RegistryError(f"{self.name} was made without a predictor. Load it by its name.")
        return load()

    def _fitting(self, shape: Sequence[int]) -> TokenGrid:
        """The grid of clips [b, t, 3, h, w], or of pictures."""
        if tuple(shape[-2:]) != (self.crop, self.crop):
            raise ConfigError(
                f"{self.name} takes {self.crop} x {self.crop} px, got {shape[-1]} x {shape[-2]}: "
                "its position codes would be wrong. Pass frames through preprocess() first."
            )
        return self.grid(shape[1])


def tiny(argument: str | None = None, *, device: str = "auto", precision: str = "auto") -> VJEPA2Encoder:
    """``vjepa2-tiny``: the small V-JEPA 2 that ships with worldprobe; its card lies beside its weights."""
    if argument is not None:
        raise RegistryError(f"{known.TINY} takes no argument, got {argument!r}")
    return _load(str(known.TINY_FOLDER), name=known.TINY, device=device, precision=precision)


def random_twin(argument: str | None = None, *, device: str = "auto", precision: str = "auto") -> VJEPA2Encoder:
    """``random:E``: E's architecture with fresh weights. Known names and local folders need no network."""
    if not argument:
        raise RegistryError(f"random: which encoder's twin? For instance random:{known.TINY}.")
    config = known.config_of(argument) or checkpoint.load_config(argument)
    return _untrained(config, name=f"random:{argument}", device=device, precision=precision)


def pretrained(name: str, *, device: str = "auto", precision: str = "auto") -> VJEPA2Encoder:
    """Load a checkpoint by hub id or local folder, strictly: every encoder weight, no other shape.

    Raises:
        RegistryError: no such checkpoint, not a V-JEPA 2, or weights that do not fit.
    """
    return _load(name, name=name, device=device, precision=precision)


def _load(source: str, *, name: str, device: str, precision: str) -> VJEPA2Encoder:
    """A checkpoint at a hub id or folder ``source``, known as ``name``."""
    config = checkpoint.load_config(source)
    return VJEPA2Encoder(
        checkpoint.load_model(source, config, name=name),
        name=name,
        revision=checkpoint.revision(source),
        status="trained",
        device=device,
        precision=precision,
        predictor=partial(checkpoint.load_predictor, source, config, name=name),
        action_predictor=partial(actions.load_predictor, source, config, name=name),
        origin=checkpoint.origin(source),
    )


def _untrained(config: VJEPA2Config, *, name: str, device: str, precision: str) -> VJEPA2Encoder:
    return VJEPA2Encoder(
        checkpoint.fresh(config, seed=TWIN_SEED),
        name=name,
        revision=f"untrained seed {TWIN_SEED} {checkpoint.architecture(config)}",
        status="untrained",
        device=device,
        precision=precision,
        predictor=partial(checkpoint.fresh_predictor, config, seed=TWIN_SEED, name=name),
        action_predictor=partial(actions.fresh_predictor, config, seed=TWIN_SEED, name=name),
        origin={"checkpoint": f"none: untrained, seed {TWIN_SEED}"},
    )
