"""V-JEPA 2 as an encoder: hub id, local folder, the tiny one, and untrained twins of all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders import known
from worldprobe.encoders.preprocess import crop_frames, normalize
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.geometry import TokenGrid, View, resize_and_crop
from worldprobe.quiet import no_loading_bars
from worldprobe.records import Clip

if TYPE_CHECKING:
    import torch
    from transformers import VJEPA2Config, VJEPA2Model

Status = Literal["trained", "untrained", "floor"]
TWIN_SEED = 1


class VJEPA2Encoder:
    """The encoder half of a V-JEPA 2 model (Assran et al. 2025); the predictor is never run.

    Every tap goes through the encoder's final layer norm, as the model's authors read intermediate
    blocks; so the last block's tap is transformers' ``last_hidden_state``, and residual streams that
    exceed float16 cannot overflow the store.
    """

    def __init__(
        self,
        model: VJEPA2Model,
        *,
        name: str,
        revision: str,
        status: Status,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.name = name
        self.status: Status = status
        self.twin = None if name.startswith("random:") else f"random:{name}"
        self.device = _device(device)
        self.precision = _precision(precision, self.device)
        self.revision = hashlib.sha256(f"{revision} {self.precision}".encode()).hexdigest()
        config = model.config
        self.blocks = int(config.num_hidden_layers)
        self.tubelet = int(config.tubelet_size)
        self.width = int(config.hidden_size)
        self.crop = int(config.crop_size)
        self.patch = int(config.patch_size)
        import torch

        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]
        self.encoder = model.encoder.to(self.device, dtype).eval()
        self.parameters = sum(p.numel() for p in self.encoder.parameters())

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
        if frames < self.tubelet or frames % self.tubelet:
            raise ConfigError(
                f"{self.name} joins {self.tubelet} frames to a token, {frames} frames a clip do not divide. "
                f"Use --frames {max(self.tubelet, frames // self.tubelet * self.tubelet)}."
            )
        side = self.crop // self.patch
        return TokenGrid(frames // self.tubelet, side, side, self.tubelet, self.patch)

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """Tokens at each block's output, float16 [b, t', h', w', d], all blocks in one pass.

        Raises:
            ConfigError: clips whose size is not the model's (its positions would be wrong), or a block
                that the model does not have.
        """
        import torch

        if outside := [block for block in blocks if not 0 <= block < self.blocks]:
            raise ConfigError(f"{self.name} has blocks 0 to {self.blocks - 1}, asked for {outside}")
        pixels = np.stack([clip.pixels for clip in clips])
        if pixels.shape[-2:] != (self.crop, self.crop):
            raise ConfigError(
                f"{self.name} takes {self.crop} x {self.crop} px, got {pixels.shape[-1]} x {pixels.shape[-2]}: "
                "its position codes would be wrong. Pass frames through preprocess() first."
            )
        grid = self.grid(pixels.shape[1])
        with torch.inference_mode():
            outputs = self._forward(torch.from_numpy(pixels).to(self.device), set(blocks))
        shape = (len(clips), grid.time, grid.height, grid.width, self.width)
        return {block: tokens.reshape(shape).to(torch.float16).cpu().numpy() for block, tokens in outputs.items()}

    def _forward(self, pixels: torch.Tensor, blocks: set[int]) -> dict[int, torch.Tensor]:
        """uint8 [b, t, 3, h, w] to normed tokens [b, n, d] at each block, stopping after the last one."""
        hidden = self.encoder.embeddings(normalize(pixels))
        outputs = {}
        for index, layer in enumerate(self.encoder.layer):
            hidden = layer(hidden, None)[0]
            if index in blocks:
                outputs[index] = self.encoder.layernorm(hidden)
            if index == max(blocks):
                break
        return outputs


def tiny(argument: str | None = None, *, device: str = "auto", precision: str = "auto") -> VJEPA2Encoder:
    """``vjepa2-tiny``: the small V-JEPA 2 that ships with worldprobe; its card lies beside its weights."""
    if argument is not None:
        raise RegistryError(f"{known.TINY} takes no argument, got {argument!r}")
    return _load(str(known.TINY_FOLDER), name=known.TINY, device=device, precision=precision)


def random_twin(argument: str | None = None, *, device: str = "auto", precision: str = "auto") -> VJEPA2Encoder:
    """``random:E``: E's architecture with fresh weights. Known names and local folders need no network."""
    if not argument:
        raise RegistryError(f"random: which encoder's twin? For instance random:{known.TINY}.")
    config = known.config_of(argument) or _load_config(argument)
    return _untrained(config, name=f"random:{argument}", device=device, precision=precision)


def pretrained(name: str, *, device: str = "auto", precision: str = "auto") -> VJEPA2Encoder:
    """Load a checkpoint by hub id or local folder, strictly: every encoder weight, no other shape.

    Raises:
        RegistryError: no such checkpoint, not a V-JEPA 2, or weights that do not fit.
    """
    return _load(name, name=name, device=device, precision=precision)


def _load(source: str, *, name: str, device: str, precision: str) -> VJEPA2Encoder:
    """A checkpoint at a hub id or folder ``source``, known as ``name``."""
    from transformers import VJEPA2Model

    config = _load_config(source)
    try:
        with no_loading_bars():
            model, report = VJEPA2Model.from_pretrained(source, config=config, output_loading_info=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise RegistryError(f"cannot load the weights of {name}: {_first_line(error)}") from error
    # A checkpoint fine-tuned for classification carries a head that this encoder does not use.
    heads = ("pooler.", "classifier.")
    missing = sorted(report["missing_keys"])
    unexpected = sorted(key for key in report["unexpected_keys"] if not key.startswith(heads))
    mismatched = sorted(str(key) for key in report.get("mismatched_keys", []))
    if missing or unexpected or mismatched:
        raise RegistryError(
            f"{name} does not fit its own config: {len(missing)} weights missing {missing[:3]}, "
            f"{len(unexpected)} unexpected {unexpected[:3]}, {len(mismatched)} of another shape {mismatched[:3]}. "
            "The checkpoint is incomplete or of another model."
        )
    return VJEPA2Encoder(
        model, name=name, revision=_revision(source, config), status="trained", device=device, precision=precision
    )


def _untrained(config: VJEPA2Config, *, name: str, device: str, precision: str) -> VJEPA2Encoder:
    import torch
    from transformers import VJEPA2Model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(TWIN_SEED)
        model = VJEPA2Model(config)
    revision = f"untrained seed {TWIN_SEED} " + json.dumps(_architecture(config), sort_keys=True)
    return VJEPA2Encoder(
        model, name=name, revision=revision, status="untrained", device=device, precision=precision
    )


def _architecture(config: VJEPA2Config) -> dict[str, Any]:
    kept = (
        "crop_size", "patch_size", "tubelet_size", "hidden_size", "num_hidden_layers",
        "num_attention_heads", "mlp_ratio", "layer_norm_eps", "qkv_bias", "hidden_act",
    )  # fmt: skip
    return {key: getattr(config, key) for key in kept}


def _load_config(name: str) -> VJEPA2Config:
    from transformers import VJEPA2Config

    try:
        written, _ = VJEPA2Config.get_config_dict(name)
    except (OSError, ValueError) as error:
        raise RegistryError(
            f"no encoder {name!r}: not a known name, and no checkpoint is found under it as a folder or hub id "
            f"({_first_line(error)}). `worldprobe list encoders` shows what there is."
        ) from error
    if written.get("model_type") != "vjepa2":
        raise RegistryError(
            f"{name} holds a model of type {written.get('model_type')!r}; this version reads V-JEPA 2 checkpoints"
        )
    config: VJEPA2Config = VJEPA2Config.from_dict(written)
    config._commit_hash = written.get("_commit_hash")
    return config


def _revision(name: str, config: VJEPA2Config) -> str:
    """The hub's commit, or for a folder the hash of its config and weights."""
    folder = Path(name)
    if not folder.is_dir():
        return f"{name}@{config._commit_hash}"
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("config.json"), *folder.glob("*.safetensors")]):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _device(asked: str) -> str:
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"--device {asked} was asked for, but torch finds no CUDA GPU here. Use --device cpu.")
    try:
        return str(torch.device(asked))
    except RuntimeError as error:
        raise ConfigError(f"no device {asked!r}: use auto, cpu, cuda or cuda:N") from error


def _precision(asked: str, device: str) -> str:
    if asked == "auto":
        return "bf16" if device.startswith("cuda") else "fp32"
    if asked not in ("fp32", "bf16", "fp16"):
        raise ConfigError(f"no precision {asked!r}: use auto, fp32, bf16 or fp16")
    if asked == "fp16" and device == "cpu":
        # Measured: 56 to 65 s a clip of ViT-L on two cores, against 13 s in fp32.
        raise ConfigError("fp16 on a CPU takes several times as long as fp32. Use --precision fp32 or bf16 there.")
    return asked


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
