"""The clips that a run kept to be looked at, as a recording for the Rerun viewer (extra ``[rerun]``)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from worldprobe.errors import WorldprobeError
from worldprobe.findings.sections.moments import Box, Moments, ShownClip, TubeletReading, marks, value_text
from worldprobe.findings.summary import summarize
from worldprobe.findings.wording import property_name
from worldprobe.io.files import StrPath, replacing

TIMELINE = "seconds"  # of the video that a clip is of
_LABEL, _TOLD = (0, 158, 115), (213, 94, 0)  # px colours, told apart by the colour-blind
_QUALITY = 90


def write_rerun(run: StrPath, path: StrPath) -> Moments:
    """Write an ``.rrd``: each clip's frames, boxes, tokens, read-outs beside labels, and surprise, on one timeline.

    Under ``clip0`` and so on: ``frame`` (what the model sees of it), ``frame/labels`` (boxes), ``frame/told``
    (where the probes of position and size put the object), ``tokens`` (their first three principal components as
    colours, a px a token), ``readings/xy_grid_.../told`` and ``.../label`` (numbers; of classes their positions),
    ``read-outs`` (all of them in words), ``surprise`` (L1 error of predicting a tubelet from those before),
    ``about`` (which video, from which frame). Clips and read-outs are those that the report shows.

    Args:
        path: written whole or not at all.

    Returns:
        What was written.

    Raises:
        WorldprobeError: rerun is not installed, the run kept no clips or has lost their pictures, or what
            ``summarize`` raises.
    """
    run, path = Path(run), Path(path)
    summary = summarize(run)
    moments = summary.moments
    if moments is None or not moments.clips:
        raise WorldprobeError(
            f"{run} has no clips to show (no moments/moments.json): they are kept by `worldprobe demo`, `run` and "
            "`probe` with probes. Run one of these again; what is encoded is not encoded again."
        )
    lost = [clip.pictures for clip in moments.clips if not (run / "moments" / clip.pictures).exists()]
    if lost:
        raise WorldprobeError(f"{run / 'moments'} lacks {', '.join(lost)}. Run the stage again.")
    rr = _rerun()
    # Opened together, two runs of the same name must not become one.
    known = f"{summary.name} {summary.encoder.name}@{summary.encoder.revision}"
    recording = rr.RecordingStream("worldprobe", recording_id=known)
    # The video's time alone: when each row was written says nothing.
    recording.set_log_time_enabled(False)
    recording.set_log_tick_enabled(False)
    with replacing(path) as temporary:
        recording.save(temporary, default_blueprint=_views(moments))
        for number, clip in enumerate(moments.clips):
            _log(rr, recording, f"clip{number}", clip, run / "moments")
        recording.flush()
        recording.disconnect()
    return moments


def _rerun() -> Any:
    try:
        import rerun
    except ImportError as error:
        raise WorldprobeError(
            f"a recording for Rerun needs rerun-sdk, which cannot be imported ({error}). "
            "Install it with `pip install 'worldprobe[rerun]'` (690 MB)."
        ) from error
    return rerun


def _log(rr: Any, recording: Any, root: str, clip: ShownClip, folder: Path) -> None:
    recording.log(f"{root}/about", rr.TextDocument(f"{clip.video}, from frame {clip.start}"), static=True)
    for frame, picture in enumerate(_side_by_side(folder / clip.pictures, len(clip.seconds))):
        recording.set_time(TIMELINE, duration=clip.seconds[frame])
        encoded = io.BytesIO()
        picture.save(encoded, format="JPEG", quality=_QUALITY)
        recording.log(f"{root}/frame", rr.EncodedImage(contents=encoded.getvalue(), media_type="image/jpeg"))
        here = [box for box in clip.boxes if box.frame == frame]
        recording.log(f"{root}/frame/labels", _boxes(rr, clip, here))
    tokens = None
    if clip.tokens and (folder / clip.tokens).exists():
        tokens = _side_by_side(folder / clip.tokens, len(clip.surprise))
    told = marks(clip)
    for tubelet, surprise in enumerate(clip.surprise):
        if tubelet not in clip.tubelet:
            break  # of a very long clip only the beginning is shown
        recording.set_time(TIMELINE, duration=clip.seconds[clip.tubelet.index(tubelet)])
        if tokens is not None:
            recording.log(f"{root}/tokens", rr.Image(np.asarray(next(tokens))))
        recording.log(f"{root}/frame/told", _mark(rr, clip, told[tubelet]))
        for reading in clip.readings:
            _readings(rr, recording, root, reading, tubelet)
        recording.log(f"{root}/read-outs", rr.TextDocument(_words(clip, tubelet), media_type="text/markdown"))
        if surprise is not None:
            recording.log(f"{root}/surprise", rr.Scalars(surprise))


def _side_by_side(path: Path, count: int) -> Iterator[Image.Image]:
    """The pictures of a strip, from left to right."""
    with Image.open(path) as opened:
        strip = opened.convert("RGB")
    width = strip.width // count
    for number in range(count):
        yield strip.crop((number * width, 0, (number + 1) * width, strip.height))


def _boxes(rr: Any, clip: ShownClip, boxes: Sequence[Box]) -> Any:
    """Labels in px; none of them clears those of the frame before."""
    size = np.array([clip.width, clip.height])
    return rr.Boxes2D(
        centers=np.array([[box.x, box.y] for box in boxes]).reshape(-1, 2) * size,
        sizes=np.array([[box.w, box.h] for box in boxes]).reshape(-1, 2) * size,
        labels=[f"{box.name} {box.object}".strip() for box in boxes],
        colors=[_LABEL] * len(boxes),
    )


def _mark(rr: Any, clip: ShownClip, mark: list[float] | None) -> Any:
    """Where the probes put the object: a box, or a small square where its size was not read."""
    size = np.array([clip.width, clip.height])
    found = [] if mark is None else [mark if len(mark) == 4 else [*mark, 0.02, 0.02]]
    values = np.array(found).reshape(-1, 4)
    labels = ["told"] * len(found)
    return rr.Boxes2D(
        centers=values[:, :2] * size, sizes=values[:, 2:] * size, labels=labels, colors=[_TOLD] * len(found)
    )


def _readings(rr: Any, recording: Any, root: str, reading: TubeletReading, tubelet: int) -> None:
    """Numbers as they are; of classes their positions in the list, which the words name."""
    at = f"{root}/readings/{_series(reading)}"
    for name, values in (("told", reading.told[tubelet]), ("label", reading.label[tubelet])):
        if values is not None:
            recording.log(f"{at}/{name}", rr.Scalars(list(values)))


def _series(reading: TubeletReading) -> str:
    """One path segment: the task, its features, and what else tells it apart."""
    block = reading.tap.rpartition("/")[2].removesuffix(".out")
    parts = (reading.task, reading.features, block, reading.probe, reading.input)
    return "_".join("".join(c if c.isalnum() or c in ".-" else "_" for c in part) for part in parts)


def _words(clip: ShownClip, tubelet: int) -> str:
    """All read-outs of a tubelet beside their labels, as a Markdown table."""
    rows = [
        f"| {property_name(r.task)} from {r.features} "
        f"| {value_text(r, r.told[tubelet])} | {value_text(r, r.label[tubelet])} |"
        for r in clip.readings
    ]
    return "\n".join(["| property | told | label |", "|---|---|---|", *rows])


def _views(moments: Moments) -> Any:
    """A tab for each clip: frames and tokens above, read-outs and surprise below."""
    import rerun.blueprint as rrb

    tabs = [
        rrb.Vertical(
            rrb.Horizontal(
                rrb.Spatial2DView(origin=f"clip{number}/frame", name="frames, labels, read-outs"),
                rrb.Spatial2DView(origin=f"clip{number}/tokens", name="tokens"),
                rrb.TextDocumentView(origin=f"clip{number}/read-outs", name="read-outs"),
            ),
            rrb.Horizontal(
                rrb.TimeSeriesView(origin=f"clip{number}/readings", name="read-outs and labels"),
                rrb.TimeSeriesView(origin=f"clip{number}/surprise", name="surprise"),
            ),
            name=f"{clip.video}, {clip.seconds[0]:.1f} s",
        )
        for number, clip in enumerate(moments.clips)
    ]
    return rrb.Blueprint(rrb.Tabs(*tabs))
