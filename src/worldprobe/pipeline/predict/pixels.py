"""The future in pixels: predicted tokens through a decoder, beside its ceiling and what knows nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from worldprobe.decoders import load
from worldprobe.decoders.metrics import decibel, mean, ssim
from worldprobe.errors import PredictionError
from worldprobe.execute.fitting import Fitting
from worldprobe.io.arrays import write_arrays
from worldprobe.io.names import short_names
from worldprobe.pipeline.decode.training_clips import TrainingClips, read_training_clips
from worldprobe.pipeline.predict.decoder import place_of
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.pipeline.predict.windows import MOST, Cut, Selection, Window, unit_of
from worldprobe.predictors.vjepa2 import INSTEAD
from worldprobe.protocols import Encoder
from worldprobe.records import ClipSpec, DecoderShape
from worldprobe.results import PredictionMethod, PredictionResult

if TYPE_CHECKING:
    import torch

# About so many windows are drawn: a sampling decoder takes its time.
_MOST = 200
Frames = NDArray[np.float32]


class FrameDecoder(Protocol):
    """A trained decoder, as ``worldprobe.decoders.load`` gives it."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> DecoderShape: ...

    def decode(self, tokens: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float32]:
        """float32 [n, h', w', d] to [n, tubelet, 3, H, W] in 0 to 1."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LoadedDecoder:
    """A decoder, and what it has seen."""

    decoder: FrameDecoder
    seen: TrainingClips

    def unseen(self, spec: ClipSpec, shot: int = 0, began: int = 0) -> bool:
        """Whether a window shows nothing that the decoder was trained or chosen on, as ``TrainingClips.has`` says.

        Args:
            shot, began: the number of the window's shot, and its first frame.
        """
        names = spec.video.episodes
        return not self.seen.has(spec, episode=names[shot] if shot < len(names) else "", began=began)


def find_decoder(decoder: str | None, out: Path, encoder: Encoder) -> LoadedDecoder | None:
    """The run's own ``decoder`` or that in the folder; else the first of its own that fits; None for none.

    Raises:
        DecoderError: no such decoder.
        PredictionError: one of other tokens than are predicted.
    """
    if decoder is not None:
        loaded = _loaded(folder := place_of(decoder, out), encoder)
        if why := _unfit(loaded, encoder):
            raise PredictionError(f"the decoder in {folder} cannot draw these predictions: {why}")
        return loaded
    for own in sorted((out / "decoders").glob("*/config.json")):
        loaded = _loaded(own.parent, encoder)
        if not _unfit(loaded, encoder):
            return loaded
    return None


class DecodedFuture:
    """Draw the future of windows as they are predicted, and score what is drawn.

    Attributes:
        selection: which windows of each video are drawn.
        seconds: how long drawing has taken.
    """

    def __init__(
        self, loaded: LoadedDecoder, encoder: Encoder, setup: PredictionSetup, cut: Cut, *, videos: int
    ) -> None:
        each = max(1, _MOST // videos)
        self.selection = Selection(min(each, cut.most) if cut.most else each, loaded.unseen)
        self.seconds = 0.0
        self._decoder, self._encoder, self._setup = loaded.decoder, encoder, setup
        self._windows: list[Window] = []
        self._parts: list[_DecodedFrames] = []
        self._fitting = Fitting(encoder.name, most=MOST, instead=INSTEAD)

    def __call__(
        self,
        windows: Sequence[Window],
        pixels: NDArray[np.uint8],
        predicted: Frames,
        true: Frames,
        changed: NDArray[np.bool_],
    ) -> None:
        """Decode the tokens of windows, predicted and true, as ``forecast.Draw`` has them."""
        started = time.perf_counter()

        def decoded(rows: NDArray[np.int64]) -> _DecodedFrames:
            return self._decode(pixels[rows], predicted[rows], true[rows], changed[rows])

        self._parts += self._fitting.map(decoded, np.arange(len(windows)))
        self._windows += windows
        self.seconds += time.perf_counter() - started

    def lines(self, path: Path) -> list[PredictionResult]:
        """Score predicted, decoded, repeated and mean frames by PSNR and SSIM; ``path`` keeps some of each.

        ``decode-actual`` decodes the true tokens: the ceiling that the decoder sets to everything else. Where
        nothing is left that the decoder has not been trained on, the lines say so and have no score.
        """
        started = time.perf_counter()
        height, width = self._decoder.shape.size
        extra = f"; drawn by the decoder {self._decoder.name} at {width} x {height} px"
        setup = replace(self._setup, extra=extra)
        if not self._windows:
            why = "the decoder was trained on every window: give videos that it has not seen"
            return [
                _line(setup, "predictor", "all", k, "psnr", (None, None, None), 0, "grouped", 0, why)
                for k in range(setup.horizon)
            ]
        whole = _DecodedFrames(
            *(np.concatenate([getattr(part, name) for part in self._parts]) for name in _DecodedFrames.__slots__)
        )
        _keep(whole, self._windows, self._encoder, self._decoder, path)
        found = _lines(whole, self._windows, setup)
        self.seconds += time.perf_counter() - started
        return found

    def _decode(
        self, pixels: NDArray[np.uint8], predicted: Frames, true: Frames, changed: NDArray[np.bool_]
    ) -> _DecodedFrames:
        c, k, f = self._setup.context, self._setup.horizon, self._encoder.tubelet
        grid = self._encoder.grid((c + k) * f)
        height, width = self._decoder.shape.size
        shape = (len(pixels), k, f, 3, height, width)

        def picture(one: Frames) -> NDArray[np.uint8]:
            # Of several levels the decoder knows the last, the encoder's output.
            last = one[..., -self._decoder.shape.width :]
            rows = last.reshape(-1, grid.height, grid.width, last.shape[-1])
            return _bytes(self._decoder.decode(rows, seed=self._setup.seed)).reshape(shape)

        real = _resized(pixels, (height, width))
        cells = changed.reshape(-1, k, grid.height, grid.width)
        rows, columns = np.arange(height) * grid.height // height, np.arange(width) * grid.width // width
        return _DecodedFrames(
            predicted=picture(predicted),
            actual=picture(true),
            real=real[:, c * f :].reshape(shape),
            seen=real[:, [0, c * f - 1]],
            changed=cells[:, :, rows][..., columns],
        )


@dataclass(frozen=True, slots=True, eq=False)
class _DecodedFrames:
    """Frames as bytes, [n, k, f, 3, H, W]; ``seen`` [n, 2, 3, H, W] are the context's first and last frame.

    ``changed`` is bool [n, k, H, W].
    """

    predicted: NDArray[np.uint8]
    actual: NDArray[np.uint8]
    real: NDArray[np.uint8]
    seen: NDArray[np.uint8]
    changed: NDArray[np.bool_]


def _lines(whole: _DecodedFrames, windows: Sequence[Window], setup: PredictionSetup) -> list[PredictionResult]:
    split, unit = unit_of(windows)
    frames = whole.real.shape[2]
    sources: dict[PredictionMethod, Callable[[int], Frames]] = {
        "predictor": lambda k: _floats(whole.predicted[:, k]),
        "decode-actual": lambda k: _floats(whole.actual[:, k]),
        "copy-last-frame": lambda k: np.repeat(_floats(whole.seen[:, 1:]), frames, axis=1),
    }
    groups = len(np.unique(unit))
    if groups > 1:
        others = _mean_images(whole.real, unit)
        sources["mean-image"] = lambda k: np.repeat(others[:, None], frames, axis=1)
    repeated = np.repeat(unit, frames)
    lines = []
    for k in range(setup.horizon):
        real = _floats(whole.real[:, k])
        for method, frames_of in sources.items():
            decoded = frames_of(k)
            error = ((decoded - real) ** 2).mean(axis=2, dtype=np.float64)
            mask = np.broadcast_to(whole.changed[:, k, None], error.shape)
            count = mask.sum(axis=(2, 3))
            inside = np.where(count > 0, (error * mask).sum(axis=(2, 3)) / np.maximum(count, 1), np.nan)
            flat = (-1, *decoded.shape[2:])
            for tokens, metric, values in (
                ("all", "psnr", decibel(error.mean(axis=(2, 3)))),
                ("all", "ssim", ssim(decoded.reshape(flat), real.reshape(flat))),
                ("changed", "psnr", decibel(inside)),
            ):
                found = mean(values.ravel(), repeated, seed=setup.seed).score()
                ends = (found.value, found.low, found.high)
                note = "" if found.value is not None else "no token changed"
                n = int(np.isfinite(values).sum()) // frames
                lines.append(_line(setup, method, tokens, k, metric, ends, n, split, groups, note))
    return lines


def _mean_images(real: NDArray[np.uint8], unit: NDArray[np.int64]) -> Frames:
    """For each window the mean frame of all other groups, float32 [n, 3, H, W]."""
    own = real.mean(axis=(1, 2), dtype=np.float64) / 255.0
    names, code = np.unique(unit, return_inverse=True)
    sums = np.zeros((len(names), *own.shape[1:]))
    np.add.at(sums, code, own)
    count = np.bincount(code)
    others = (sums.sum(0) - sums) / (len(own) - count)[:, None, None, None]
    return np.asarray(others[code], dtype=np.float32)


def _keep(
    whole: _DecodedFrames, windows: Sequence[Window], encoder: Encoder, decoder: FrameDecoder, path: Path
) -> None:
    """Keep a poor, a middling and a good prediction by PSNR, so that nobody chooses what is shown."""
    error = ((_floats(whole.predicted) - _floats(whole.real)) ** 2).mean(axis=(2, 3, 4, 5), dtype=np.float64)
    order = np.argsort(decibel(error.mean(axis=1)), kind="stable")
    chosen = list(dict.fromkeys(int(order[round(q * (len(order) - 1))]) for q in (0.25, 0.5, 0.75)))
    arrays = {
        "seen": whole.seen[chosen], "predicted": whole.predicted[chosen, :, 0],
        "decoded": whole.actual[chosen, :, 0], "real": whole.real[chosen, :, 0],
    }  # fmt: skip
    names = short_names(window.spec.video.path for window in windows)
    titles = [f"{names[windows[row].spec.video.path]}, {windows[row].seconds:.1f} s" for row in chosen]
    facts = {"encoder": encoder.name, "decoder": decoder.name, "windows": titles}
    write_arrays(path, {name: frames.transpose(0, 1, 3, 4, 2) for name, frames in arrays.items()}, facts)


def _line(
    setup: PredictionSetup,
    method: PredictionMethod,
    tokens: str,
    k: int,
    metric: str,
    ends: tuple[float | None, float | None, float | None],
    n: int,
    split: str,
    groups: int,
    note: str,
) -> PredictionResult:
    return PredictionResult.model_validate(
        {
            "encoder": setup.encoder, "method": method, "tokens": tokens, "context": setup.context,
            "horizon": k + 1, "mode": setup.mode, "protocol": setup.protocol, "metric": metric,
            "score": ends[0], "low": ends[1], "high": ends[2], "n": n, "n_groups": groups,
            "split": split, "seed": setup.seed, "notes": [note] if note else [],
        }
    )  # fmt: skip


def _loaded(folder: Path, encoder: Encoder) -> LoadedDecoder:
    """Load a decoder to where the encoder computes: a user who named a device meant all of the prediction."""
    loaded = load(folder, device=str(getattr(encoder, "device", "auto")))
    # Of a decoder that came without, nobody can say what it has seen.
    return LoadedDecoder(loaded, read_training_clips(folder) or TrainingClips())


def _unfit(loaded: LoadedDecoder, encoder: Encoder) -> str:
    """Why a decoder cannot draw what an encoder's predictor tells; empty where it can."""
    shape, grid = loaded.decoder.shape, encoder.grid(encoder.tubelet)
    tap = f"{encoder.name}/block{encoder.blocks - 1}.out"
    trained = getattr(loaded.decoder, "facts", {}).get("tap", tap)
    if trained != tap:
        return f"it was trained on {trained}, and what is told is {tap}"
    if (shape.grid, shape.frames, shape.parts) != ((grid.height, grid.width), encoder.tubelet, 1):
        return (
            f"it draws {shape.frames} frames from {shape.grid[0]} x {shape.grid[1]} tokens of {shape.parts} taps, "
            f"and what is told are {encoder.tubelet} frames of {grid.height} x {grid.width} tokens of one"
        )
    return "" if shape.norm else "it takes tokens that are not layer-normed, and what is told is"


def _resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Clips uint8 [n, t, 3, h, w] at another size, as decoders see them: bilinear with antialias, on the bytes."""
    import torch
    from torch.nn.functional import interpolate

    flat: torch.Tensor = torch.from_numpy(np.ascontiguousarray(pixels)).flatten(0, 1)
    if flat.shape[-2:] != size:
        flat = interpolate(flat, size=size, mode="bilinear", antialias=True, align_corners=False)
    return np.asarray(flat.numpy(), dtype=np.uint8).reshape(*pixels.shape[:3], *size)


def _bytes(frames: Frames) -> NDArray[np.uint8]:
    return np.asarray((frames.clip(0, 1) * 255.0).round(), dtype=np.uint8)


def _floats(frames: NDArray[np.uint8]) -> Frames:
    return np.asarray(frames, dtype=np.float32) / np.float32(255.0)
