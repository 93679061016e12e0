"""A few of a run's clips, kept to be looked at: frames, boxes, tokens, the probes' read-outs, surprise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worldprobe.errors import WorldprobeError
from worldprobe.findings.sections.moments import Box, Moments, Preview, ShownClip, TubeletReading, Values
from worldprobe.io.files import StrPath, write_whole
from worldprobe.io.names import short_names
from worldprobe.pipeline.moments.pictures import places, seen_part, token_maps, write_strip
from worldprobe.pipeline.pictures import Pixels, read_frames, write_picture
from worldprobe.pipeline.probe.answers import Probed
from worldprobe.pipeline.probe.moments import LabelledTubelets
from worldprobe.predictors.surprise import slide
from worldprobe.predictors.vjepa2 import VJEPA2Predictor
from worldprobe.protocols import Encoder
from worldprobe.records import ClipSpec, Labels, Tap
from worldprobe.store import Series, Store

if TYPE_CHECKING:
    import polars as pl

FOLDER = "moments"
CONTEXT = 4
CHOSEN = (
    "Clips at equal distances in the order of the videos, of those that have a label: none was picked by its score."
)
_MOST_CLIPS = 6
_WIDTH, _PREVIEW_WIDTH = 224, 320  # px of a picture, and of a whole frame with its labels


def keep_moments(
    out: StrPath,
    store: Store,
    labels: Labels,
    probed: Probed,
    *,
    encoder: Encoder | None = None,
    context: int = CONTEXT,
) -> None:
    """Write ``moments/moments.json`` and its pictures into a run's folder, in place of those of an earlier run.

    What cannot be shown is left out, and a note in the file says why: pictures never fail a run.

    Args:
        encoder: to tell how surprising each tubelet is after the ``context`` before it; None: that is left out.
    """
    out = Path(out)
    import polars as pl

    moments = probed.moments
    if moments is None:
        return
    notes: list[str] = []
    predictor = _predictor(encoder, notes)
    seen = _chosen(probed, moments, notes)
    names = short_names(series.video.path for series in probed.series)
    answers = pl.concat(probed.answers, how="vertical_relaxed") if probed.answers else pl.DataFrame()
    maps = token_maps([_tokens(store, probed, video, clip) for video, clip, _, _ in seen])
    kept_clips = []
    for number, ((video, clip, frames, seconds), tokens) in enumerate(zip(seen, maps, strict=True)):
        series, folder = probed.series[video], out / FOLDER
        known = _surprise(predictor, encoder, frames, context, series.grid.time)
        pictures, mapped = f"clip{number}.webp", f"clip{number}-tokens.png" if tokens is not None else ""
        one = _clip(labels, answers, series, clip, seconds, known, names[series.video.path])
        write_strip(frames, one, folder / pictures, series, series.specs[clip])
        labelled = _labelled(
            labels, series, series.specs[clip], frames, seconds, folder / f"clip{number}-labels.webp"
        )
        if tokens is not None:
            write_picture(Image.fromarray(np.concatenate(list(tokens), axis=1)), folder / mapped, "PNG")
        kept_clips.append(one.model_copy(update={"pictures": pictures, "tokens": mapped, "labelled": labelled}))
    first = probed.series[0]
    facts = Moments(
        tap=str(Tap(first.encoder, probed.block)),
        tubelets=first.grid.time,
        context=context if predictor else 0,
        chosen=CHOSEN,
        clips=tuple(kept_clips),
        notes=tuple(dict.fromkeys(notes)),
    )
    write_whole(out / FOLDER / "moments.json", facts.model_dump_json().encode())


def _chosen(
    probed: Probed, moments: LabelledTubelets, notes: list[str]
) -> list[tuple[int, int, Pixels, tuple[float, ...]]]:
    """As ``CHOSEN`` says: video, clip, its frames and their times; what cannot be read is noted."""
    pairs = sorted(set(zip(moments.video.tolist(), moments.clip.tolist(), strict=True)))
    places = np.unique(np.linspace(0, len(pairs) - 1, _MOST_CLIPS).round().astype(int))
    seen = []
    for video, clip in (pairs[at] for at in places):
        try:
            seen.append((video, clip, *read_frames(probed.series[video], probed.series[video].specs[clip])))
        except WorldprobeError as error:
            notes.append(f"A clip is not shown: {error}")
    return seen


def _predictor(encoder: Encoder | None, notes: list[str]) -> VJEPA2Predictor | None:
    if encoder is None:
        return None
    try:
        return VJEPA2Predictor.from_encoder(encoder)
    except WorldprobeError as error:
        notes.append(f"Surprise is not shown: {error}")
        return None


def _tokens(store: Store, probed: Probed, video: int, clip: int) -> NDArray[np.float32] | None:
    """A clip's tokens float32 [t', h', w', d] at the last block probed; None where they were pooled."""
    series = probed.series[video]
    if series.pool == "space" or clip not in store.held(series, probed.block):
        return None
    values = store.clip(series, probed.block, clip).values
    return values.astype(np.float32)


def _surprise(
    predictor: VJEPA2Predictor | None, encoder: Encoder | None, frames: Pixels, context: int, tubelets: int
) -> tuple[float | None, ...]:
    """The predictor's L1 error at each tubelet after the ``context`` before it, one ahead."""
    if predictor is None or encoder is None or tubelets <= context:
        return (None,) * tubelets
    pixels = encoder.preprocess(frames)
    return (None,) * context + tuple(map(float, slide(predictor, pixels, context=context, horizon=1).l1))


def _clip(
    labels: Labels,
    answers: pl.DataFrame,
    series: Series,
    clip: int,
    seconds: Sequence[float],
    known: tuple[float | None, ...],
    name: str,
) -> ShownClip:
    """Everything about a clip but its pictures."""
    spec, grid, size = series.specs[clip], series.grid, (series.video.width, series.video.height)
    view = np.array(series.view.size, dtype=np.float64)
    corner = series.view.to_model(np.zeros(2)) / view
    across = series.view.to_model(np.array(size, dtype=np.float64)) / view - corner
    frames = places(series, spec)
    left, top, right, bottom = seen_part(series)
    width = min(_WIDTH, round(right - left))
    return ShownClip(
        video=name,
        start=spec.start,
        seconds=tuple(seconds[frame] for frame in frames),
        tubelet=tuple(frame // grid.tubelet for frame in frames),
        width=max(16, width),
        height=max(16, round(width * (bottom - top) / (right - left))),
        pictures="",
        tokens="",
        corner=(float(corner[0]), float(corner[1])),
        across=(float(across[0]), float(across[1])),
        boxes=tuple(_boxes(labels, series, [spec.indices[frame] for frame in frames], corner, across)),
        readings=tuple(_readings(answers, series, spec)),
        surprise=known,
    )


def _boxes(
    labels: Labels, series: Series, frames: Sequence[int], corner: NDArray[np.float64], across: NDArray[np.float64]
) -> list[Box]:
    """The labels of the shown frames, placed in the picture."""
    import polars as pl

    place = {frame: index for index, frame in reversed(list(enumerate(frames)))}
    table = labels.table.filter((pl.col("video") == series.video.id) & pl.col("frame").is_in(list(place)))
    size = np.array([series.video.width, series.video.height], dtype=np.float64)
    found = []
    for row in table.select("frame", "x", "y", "w", "h", "class", "object").iter_rows(named=True):
        x, y = corner + across * np.array([row["x"], row["y"]]) / size
        w, h = across * np.array([row["w"], row["h"]]) / size
        if np.isfinite([x, y, w, h]).all():
            name, identity = str(row["class"] or ""), int(row["object"])
            at = place[row["frame"]]
            found.append(Box(frame=at, x=x, y=y, w=w, h=h, name=name, object=identity))
    return found


def _readings(answers: pl.DataFrame, series: Series, spec: ClipSpec) -> list[TubeletReading]:
    """What the stored answers say of a clip's tubelets, each by a fold that had not seen it."""
    import polars as pl

    if answers.is_empty():
        return []
    of_clip = (pl.col("video") == series.video.id) & (pl.col("start") == spec.start)
    here = answers.filter(of_clip & (pl.col("input") == series.input))
    names = ("task", "features", "tap", "probe", "input")
    found = []
    for (*named, classes), rows in here.group_by([*names, "classes"], maintain_order=True):
        read_outs: list[Values] = [None] * series.grid.time
        label = read_outs.copy()
        # Of several objects in a tubelet the first.
        for row in rows.sort("which", descending=True).iter_rows(named=True):
            read_outs[row["tubelet"]], label[row["tubelet"]] = _values(row["prediction"]), _values(row["target"])
        known = tuple(str(classes).split("\n")) if classes else ()
        of_probe = {name: str(value) for name, value in zip(names, named, strict=True)}
        found.append(TubeletReading(**of_probe, classes=known, told=tuple(read_outs), label=tuple(label)))
    return found


def _values(row: Sequence[float]) -> Values:
    """Four digits are more than a picture shows."""
    return tuple(round(value, 4) for value in row)


def _labelled(
    labels: Labels, series: Series, spec: ClipSpec, frames: Pixels, seconds: Sequence[float], path: Path
) -> Preview | None:
    """The clip's first labelled frame, whole, written to ``path``."""
    boxes = _boxes(labels, series, spec.indices, np.zeros(2), np.ones(2))
    if not boxes:
        return None
    first = min(box.frame for box in boxes)
    size = np.array([series.video.width, series.video.height], dtype=np.float64)
    left, top, right, bottom = seen_part(series)
    scale = min(1.0, _PREVIEW_WIDTH / series.video.width)
    width, height = (max(16, round(scale * side)) for side in size)
    write_picture(Image.fromarray(frames[first]).resize((width, height), Image.Resampling.BICUBIC), path, "WEBP")
    return Preview(
        seconds=seconds[first], picture=path.name, width=width, height=height,
        seen=(left / size[0], top / size[1], (right - left) / size[0], (bottom - top) / size[1]),
        boxes=tuple(box.model_copy(update={"frame": 0}) for box in boxes if box.frame == first),
    )  # fmt: skip
