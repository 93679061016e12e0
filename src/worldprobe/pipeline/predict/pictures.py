"""What predictions keep for their figures: a window with its errors, surprise over time, impossible pairs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worldprobe.findings.run_files import PREDICTIONS
from worldprobe.findings.sections.prediction import CURVES, SURPRISE, Peak, SurpriseCurve, SurpriseCurves
from worldprobe.io.arrays import write_arrays
from worldprobe.io.files import write_whole
from worldprobe.io.names import short_names
from worldprobe.pipeline.pictures import seen, write_picture
from worldprobe.pipeline.predict.forecast import Forecast
from worldprobe.pipeline.predict.surprise import Surprises
from worldprobe.protocols import Encoder

# Below this a curve is no curve.
_FEWEST_WINDOWS = 5
_MOST_CURVES = 4
_PEAKS = 5
_APART = 8  # frames before and after a pair comes to differ


def place(out: Path, figure: str) -> Path:
    """Name the file that keeps what ``figures/FIGURE.png`` shows."""
    return out / PREDICTIONS / f"{figure}.safetensors"


def drop_figures(out: Path, *, but: Collection[str]) -> None:
    """Remove what an earlier run kept for figures that this one does not have, and the figures."""
    for kept in (out / PREDICTIONS).glob("*.safetensors"):
        if kept.stem not in but:
            kept.unlink()
            (out / "figures" / f"{kept.stem}.png").unlink(missing_ok=True)


def keep_errors(done: Forecast, videos: Sequence[Path], encoder: Encoder, path: Path, *, context: int) -> None:
    """Keep the window in which most tokens change with its errors, and the mean errors of all windows."""
    k, (height, width) = done.changed.shape[1], done.grid
    row = int(done.changed.sum(axis=(1, 2)).argmax())
    window = done.windows[row]
    last = context * encoder.tubelet - 1
    wanted = [window.spec.indices[last], *(window.spec.indices[last + 1 + i * encoder.tubelet] for i in range(k))]
    pictures = seen(videos[window.video], encoder, wanted)
    maps = {name: done.errors[name]["l1"] for name in ("predictor", "copy-last")}
    means = {f"mean {name}": values.mean(axis=0).reshape(k, height, width) for name, values in maps.items()}
    example = maps["predictor"][row].reshape(k, height, width)
    arrays = {"frames": pictures[1:], "context": pictures[0], "example": example, **means}
    write_arrays(path, arrays, {"encoder": encoder.name, "methods": list(maps)})


def keep_curves(done: Forecast, videos: Sequence[Path], encoder: Encoder, out: Path, *, context: int) -> None:
    """``surprise/``: surprise over time of the first videos that are long enough, and a frame at each peak.

    It is in deviations from what is usual in other groups where there are enough windows, else the L1 error.
    """
    usual = done.excess and all(np.isfinite(values).all() for values in done.excess.values())
    ways = ("predictor", "copy-last")
    measured = done.excess if usual else {way: done.errors[way]["l1"].mean(axis=(1, 2)) for way in ways}
    ranked = np.sort(np.abs(measured["predictor"]))
    curves: list[SurpriseCurve] = []
    video = np.array([window.video for window in done.windows])
    names = short_names(videos)
    for number in np.unique(video):
        rows = np.flatnonzero(video == number)
        if len(rows) < _FEWEST_WINDOWS or len(curves) == _MOST_CURVES:
            continue
        predicted, copied = (measured[way][rows] for way in ways)
        tops = peaks(predicted, most=_PEAKS)
        middle = (context + done.changed.shape[1] // 2) * encoder.tubelet
        frames = [done.windows[rows[at]].spec.indices[middle] for at in tops]
        kept = []
        for k, (at, image) in enumerate(zip(tops, seen(videos[number], encoder, frames), strict=True)):
            name = f"video{len(curves)}-peak{k + 1}.webp"
            write_picture(Image.fromarray(image), out / SURPRISE / name, "WEBP")
            as_unusual = len(ranked) - int(np.searchsorted(ranked, abs(predicted[at])))
            kept.append(Peak(window=at, picture=name, among=len(ranked) / max(1, as_unusual) if usual else None))
        curves.append(
            SurpriseCurve(
                name=names[str(videos[number])],
                seconds=tuple(float(done.windows[row].seconds) for row in rows),
                told=tuple(map(float, predicted)),
                copied=tuple(map(float, copied)),
                shots=tuple(int(done.windows[row].group) for row in rows),
                peaks=tuple(kept),
                unit="deviations" if usual else "L1",
            )
        )
    write_whole(out / SURPRISE / CURVES, SurpriseCurves(curves=tuple(curves)).model_dump_json().encode())


def keep_violations(done: Surprises, encoder: Encoder, path: Path, *, context: int) -> None:
    """Keep frames of a pair of each kind, and the mean surprise over time."""
    frames = []
    for pair in done.examples.values():
        before, after = max(0, pair.at - _APART), min(len(pair.possible) - 1, pair.at + _APART)
        frames.append(np.stack([pair.possible[before], pair.possible[after], pair.impossible[after]]))
    surprise = np.stack([ways["predictor"].l1.mean(axis=0) for ways in done.found.values()])
    facts = {"encoder": encoder.name, "kinds": list(done.examples), "first": context * encoder.tubelet}
    height, width = (max(one.shape[axis] for one in frames) for axis in (1, 2))
    alike = [_framed(one, height, width) for one in frames]
    write_arrays(path, {"frames": np.stack(alike), "surprise": surprise}, facts)


def _framed(pictures: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Pictures [n, h, w, 3] in the middle of white ones that are as large."""
    above, left = (height - pictures.shape[1]) // 2, (width - pictures.shape[2]) // 2
    found = np.full((len(pictures), height, width, 3), 255, dtype=np.uint8)
    found[:, above : above + pictures.shape[1], left : left + pictures.shape[2]] = pictures
    return found


def peaks(values: NDArray[np.floating], *, most: int) -> list[int]:
    """The highest local maxima, in order of time; of two that touch only the higher one."""
    padded = np.concatenate(([-np.inf], values, [-np.inf]))
    tops = np.flatnonzero((values > padded[:-2]) & (values >= padded[2:]))
    return sorted(int(at) for at in tops[np.argsort(-values[tops], kind="stable")][:most])
