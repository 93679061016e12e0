"""V-JEPA 2's predictor on a context that has not seen the future.

transformers' ``forward`` encodes the whole clip and picks the context's tokens out of it, so these have already
seen what is to be predicted. Here the context's frames are encoded alone and the predictor is called directly.

Axes: b clips, t frames, c context tubelets, k horizon, s tokens of a tubelet (row by row), d width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import PredictionError
from worldprobe.geometry import TokenGrid

if TYPE_CHECKING:
    import torch

    Pixels = NDArray[np.uint8] | torch.Tensor

Mode = Literal["joint", "rolling"]
Precision = Literal["fp32", "bf16", "fp16"]
# What to try where memory does not hold one window.
INSTEAD = "Use a smaller --context or --horizon, --precision bf16, or another device."


def other_mode(mode: Mode) -> Mode:
    """The one beside which a mode is scored."""
    return "rolling" if mode == "joint" else "joint"


class TokenEncoder(Protocol):
    """What a predictor needs of its encoder; ``encoders.vjepa2.VJEPA2Encoder`` has it."""

    name: str
    tubelet: int
    device: str
    precision: str

    def grid(self, frames: int) -> TokenGrid: ...

    def tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 [b, t, 3, h, w] to [b, t', s, d]."""
        ...

    def load_predictor(self) -> Any:
        """``vjepa2.Predictor`` of the same checkpoint, or V-JEPA 2.1's, called as transformers' own is.

        ``levels`` may say how many blocks' tokens are joined on d in what it reads and tells; 1 where it does not.
        """
        ...


class VJEPA2Predictor:
    """An encoder and its predictor (Assran et al. 2025, sec. 2).

    What is predicted are the tokens of the whole clip after a layer norm without parameters, as in training;
    the training's loss is the L1 distance to them. V-JEPA 2.1's larger models read and tell the tokens of four
    blocks joined on d, each layer-normed by itself: ``levels``.
    """

    def __init__(self, encoder: TokenEncoder, module: Any, *, precision: Precision | None = None) -> None:
        import torch

        self.encoder = encoder
        self.levels = int(getattr(encoder, "levels", 1))
        self.precision: Precision = precision or cast(Precision, encoder.precision)
        self.dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]
        self.module = module.to(encoder.device, self.dtype).eval()
        self.parameters = sum(p.numel() for p in self.module.parameters())

    @classmethod
    def from_encoder(cls, encoder: Any, *, precision: Precision | None = None) -> VJEPA2Predictor:
        """The predictor of the checkpoint that an encoder came from.

        Args:
            encoder: as ``encoders.load.load_encoder`` gives it.
            precision: of the predictor; the encoder's own by default. fp16 is slow on a CPU.

        Raises:
            PredictionError: an encoder of a kind that has no predictor.
            RegistryError: a checkpoint without one, or with one that does not fit.
        """
        if not hasattr(encoder, "load_predictor"):
            raise PredictionError(
                f"{encoder.name} has no predictor: only V-JEPA 2 checkpoints and their untrained twins do. "
                "Use vjepa2-tiny, a checkpoint's hub id or folder, or random: before one of these."
            )
        return cls(encoder, encoder.load_predictor(), precision=precision)

    @property
    def clip(self) -> int | None:
        """Tubelets of the clips that the checkpoint was trained on; None of a predictor that does not say."""
        frames = getattr(getattr(self.module, "config", None), "frames_per_clip", None)
        return None if frames is None else int(frames) // self.tubelet

    @property
    def tubelet(self) -> int:
        """Frames that a token covers."""
        return self.encoder.tubelet

    def flop(self, context: int, horizon: int, *, mode: Mode = "joint") -> float:
        """Operations of the matrix products that tell one window, its targets not counted; as ``Encoder.flop``."""
        grid = self.encoder.grid(context * self.tubelet)
        side, steps = grid.height * grid.width, self._steps(context, horizon, mode)
        encoder: Any = self.encoder
        return float(encoder.flop(context * self.tubelet)) + sum(self._flop(side * c, side * k) for c, k in steps)

    def windows(self, tubelets: int, context: int) -> list[tuple[int, int]]:
        """The windows, first tubelet and end, in which so many tubelets are predicted and encoded.

        None is longer than the clips of the training: the next one begins such that its context ends where the one
        before ended. A context that fills such a clip is left in one window of all tubelets, and so is a predictor
        that does not say how long these were.
        """
        clip = self.clip
        room = 0 if clip is None else clip - context
        if clip is None or room < 1:
            return [(0, tubelets)]
        return [(first, min(first + clip, tubelets)) for first in range(0, max(1, tubelets - context), room)]

    def _steps(self, context: int, horizon: int, mode: Mode) -> list[tuple[int, int]]:
        """How many tubelets are known and wanted in each call."""
        wanted = [end - first - context for first, end in self.windows(context + horizon, context)]
        if mode == "joint":
            return [(context, some) for some in wanted]
        return [(context + k, 1) for some in wanted for k in range(some)]

    def _flop(self, known: int, wanted: int) -> float:
        """Of one pass: tokens are embedded, go through the blocks together, and those wanted are projected back."""
        config = self.module.config
        n, width, inner = (
            known + wanted,
            config.pred_hidden_size,
            int(config.pred_hidden_size * config.pred_mlp_ratio),
        )
        block = 2 * n * (4 * width * width + 2 * width * inner) + 4 * n * n * width
        ends = 2 * width * config.hidden_size * (known + self.levels * wanted)
        if self.levels > 1:
            ends += 2 * self.levels * config.hidden_size**2 * known
        return float(config.pred_num_hidden_layers * block + ends)

    def predict(self, pixels: Pixels, *, context: int, horizon: int, mode: Mode = "joint") -> NDArray[np.float32]:
        """The tokens of the ``horizon`` tubelets after the first ``context``, which alone are looked at.

        Args:
            pixels: uint8 [b, t, 3, crop, crop]; frames after the context are not looked at and may be absent.
            context: tubelets that are seen.
            horizon: tubelets to predict; they may lie beyond the clip, and beyond what training used (``windows``).
            mode: as in ``forecast``.

        Returns:
            float32 [b, horizon, s, d], in the space of layer-normed tokens.

        Raises:
            PredictionError: no clips, a context that the clip does not have, or no horizon.
            ConfigError: frames of a size that is not the model's.
        """
        known = self.context_tokens(pixels, context)
        return np.asarray(self.forecast(known, horizon=horizon, mode=mode).cpu().numpy(), dtype=np.float32)

    def context_tokens(self, pixels: Pixels, context: int) -> torch.Tensor:
        """The context's tokens, encoded from its own frames: [b, context, s, d], in the encoder's dtype."""
        clips = as_clips(pixels)
        check_context(clips.shape[1] // self.tubelet, context)
        return self.encoder.tokens(clips[:, : context * self.tubelet])

    def targets(self, pixels: Pixels, *, context: int | None = None) -> torch.Tensor:
        """What there is to predict: tokens of whole clips, layer-normed over d, float32 [b, t', s, d].

        With a ``context``, clips longer than those of the training are encoded in ``windows``, as predicted.
        """
        import torch

        clips = as_clips(pixels)
        tubelets = clips.shape[1] // self.tubelet
        windows = [(0, tubelets)] if context is None else self.windows(tubelets, context)
        found = []
        for first, end in windows:
            tokens = self.encoder.tokens(clips[:, first * self.tubelet : end * self.tubelet])
            found.append(self.normed(tokens[:, context if first else 0 :]))
        return torch.cat(found, 1)

    def normed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Layer norm of tokens [..., d] as training has it: each level by itself, in float32."""
        return layer_normed(self._by_level(tokens)).flatten(-2)

    def _by_level(self, tokens: torch.Tensor) -> torch.Tensor:
        """[..., levels d] to [..., levels, d]."""
        return tokens.reshape(*tokens.shape[:-1], self.levels, -1)

    def forecast(self, known: torch.Tensor, *, horizon: int, mode: Mode = "joint") -> torch.Tensor:
        """Predict from tokens that are known: [b, c, s, d] to float32 [b, horizon, s, d].

        ``joint`` asks for all tubelets of a window at once, as V-JEPA 2's masks do. ``rolling`` asks for one at a
        time and takes each answer for known in the next: it is layer-normed, as V-JEPA 2-AC does, and given the
        mean and spread that the last known token of its cell has, since known tokens are not layer-normed. Beyond
        the clips of the training both slide: the last tokens, as many as the context, known or answered, are the
        context of the next window.
        """
        import torch

        if horizon < 1:
            raise PredictionError(f"a horizon of {horizon} tubelets was asked for; it must be 1 or more.")
        if mode not in ("joint", "rolling"):
            raise PredictionError(f"no mode {mode!r}: use joint or rolling.")
        steps = self._steps(known.shape[1], horizon, mode)
        if len(steps) == 1:
            return self._ahead(known, horizon)
        known = known.float()
        last = self._by_level(known[:, -1:])
        mean, spread = last.mean(-1, keepdim=True), last.std(-1, keepdim=True, unbiased=False)
        found = []
        for count, wanted in steps:
            known = known[:, -count:]
            found.append(self._ahead(known, wanted))
            told = layer_normed(self._by_level(found[-1]))
            known = torch.cat((known, (told * spread + mean).flatten(-2)), 1)
        return torch.cat(found, 1)

    def predict_at(self, known: torch.Tensor, at: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Predict tokens at any places from tokens at any places.

        Args:
            known: [b, n, s, d] or [b, n, d], whose token i lies at place ``at[:, i]``.
            at, wanted: places int64 [b, n] and [b, k], in the encoder's order: time, row, column.

        Returns:
            float32 [b, k, d], in the order of ``wanted``.
        """
        import torch

        rows = known.flatten(1, -2)
        # Tokens are gathered by the context's mask and placed by it too; here they stand at 0, 1, ... already.
        if not torch.equal(at, torch.arange(rows.shape[1], device=at.device).expand_as(at)):
            whole = rows.new_zeros(len(rows), int(at.max()) + 1, rows.shape[-1])
            rows = whole.scatter(1, at[..., None].expand(-1, -1, rows.shape[-1]), rows)
        # The encoder casts its input to its weights' dtype; the predictor does not.
        with torch.inference_mode():
            found = self.module(rows.to(self.dtype), [at.contiguous()], [wanted.contiguous()])
        tokens: torch.Tensor = found.last_hidden_state.float()
        return tokens

    def _ahead(self, known: torch.Tensor, horizon: int) -> torch.Tensor:
        """Joint prediction of the tubelets that follow."""
        import torch

        b, c, s, d = known.shape
        # One row of places a clip: with a single row the model would answer for the first clip alone.
        places = torch.arange((c + horizon) * s, device=known.device).expand(b, -1)
        return self.predict_at(known, places[:, : c * s], places[:, c * s :]).reshape(b, horizon, s, d)


def layer_normed(tokens: torch.Tensor) -> torch.Tensor:
    """Layer norm over d without parameters, in float32 (eps 1e-5, as V-JEPA 2 trains with)."""
    import torch

    return torch.nn.functional.layer_norm(tokens.float(), tokens.shape[-1:])


def as_clips(pixels: Pixels) -> torch.Tensor:
    """uint8 [b, t, 3, h, w] as a tensor. Raises PredictionError for anything else."""
    import torch

    clips = pixels if isinstance(pixels, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(pixels))
    if clips.dtype != torch.uint8 or clips.ndim != 5 or clips.shape[2] != 3 or not len(clips):
        raise PredictionError(
            f"clips are uint8 [clips, frames, 3, height, width] as an encoder's preprocess() gives them, got "
            f"{str(clips.dtype).removeprefix('torch.')} {_shape(clips.shape)}."
        )
    return clips


def check_context(tubelets: int, context: int) -> None:
    """Raises PredictionError unless clips of so many tubelets have a context of so many."""
    if not 1 <= context <= tubelets:
        fits = f"use a context of 1 to {tubelets}" if tubelets else "use longer clips"
        raise PredictionError(f"a context of {context} tubelets was asked for, the clips have {tubelets}: {fits}.")


def _shape(shape: Sequence[int]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"
