"""How far away things are, by parts of the picture: what LeRobot depth cameras measured."""

from __future__ import annotations

import io
import itertools
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.labels.robots.dataset import Dataset, Episode
from worldprobe.labels.robots.pictures import taken

Floats = NDArray[np.float64]

_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
PARTS = tuple(f"{row}-{column}" for row, column in itertools.product(_ROWS, _COLUMNS))
# A part of which less than this was measured has no depth: what is seen through glass or too near has none.
_LEAST_MEASURED = 0.5
# Words in cameras' names that do not say where one stands.
_KINDS = {"depth", "rgb", "color", "colour", "observation", "observations", "image", "images"}
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"
_GREYS = ("I;16", "I;16B", "I;16L", "I", "F", "L")
_MOST_PIXELS = 2**26


def depth_camera(dataset: Dataset, camera: str) -> str | None:
    """The depth camera that goes with a colour camera: of the same name but for the kind, or the only one beside
    the only other; None where there is none.

    Raises:
        LabelError: the dataset has no depth camera at all.
    """
    info = dataset.info
    deep, others = (
        [*info.cameras("video", depth=depth), *info.cameras("image", depth=depth)] for depth in (True, False)
    )
    if not deep:
        raise LabelError(
            f"the LeRobot dataset {dataset.root} has no depth camera, which its meta/info.json would call "
            "is_depth_map: use --labeller lerobot"
        )
    alike = [one for one in deep if _place(one) == _place(camera)]
    if alike:
        return alike[0]
    return deep[0] if len(deep) == len(others) == 1 else None


def _place(name: str) -> list[str]:
    words = re.split(r"[^a-z0-9]+", re.sub(r"depth", "_depth_", name.lower()))
    return [word for word in words if word and word not in _KINDS]


def depths(dataset: Dataset, camera: str, episode: Episode, seconds: Floats) -> Floats | None:
    """The median depth of each part of the picture at these times of an episode, float64 [n, 9]: rows from the top,
    in metres where the dataset says how its values are to be read, else in its own. NaN where nothing, or of less
    than half of a part anything, was measured. None where the camera did not film the episode.

    Args:
        seconds: increasing, [n], from the episode's begin.

    Raises:
        LabelError: the camera's film cannot be read, or shows colours.
    """
    place = dataset.film_of(camera, episode)
    if place is None:
        return None
    film, begin = place
    half = 0.5 / dataset.info.fps
    found = np.full((len(seconds), len(PARTS)), np.nan)
    nearest = np.full(len(seconds), np.inf)
    if dataset.info.features[camera].dtype == "image":
        pictures: Iterator[tuple[float, NDArray[np.generic]]] = _still(dataset, episode, film)
    else:
        pictures = _filmed(film, begin - half, begin + float(seconds[-1]) + half) if len(seconds) else iter(())
    coding = dataset.info.features[camera].depth_coding
    for time, picture in pictures:
        off = np.abs(seconds - (time - begin))
        near = (off <= half) & (off < nearest)
        if near.any():
            found[near], nearest[near] = _parts(coding.metres(picture) if coding else _known(picture)), off[near]
    return found


def _known(picture: NDArray[np.generic]) -> Floats:
    """Values as they are; NaN where nothing was measured, which cameras write as 0."""
    values = picture.astype(np.float64)
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _parts(depth: Floats) -> Floats:
    """The median of each part of a picture, [9]."""
    found = []
    for row in np.array_split(depth, len(_ROWS), axis=0):
        for part in np.array_split(row, len(_COLUMNS), axis=1):
            known = part[np.isfinite(part)]
            found.append(float(np.median(known)) if known.size > _LEAST_MEASURED * part.size else np.nan)
    return np.array(found)


def _filmed(film: Path, first: float, last: float) -> Iterator[tuple[float, NDArray[np.generic]]]:
    """Pictures of a film between two times of its own clock, with all bits that it holds."""
    import av

    try:
        options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
        with av.open(f"file:{film}", options=options) as container:
            (stream, *_) = container.streams.video or (None,)
            if stream is None or stream.time_base is None:
                raise LabelError(f"{film} has no video stream")
            container.seek(max(0, int(max(first, 0.0) / stream.time_base)), stream=stream, backward=True)
            for frame in container.decode(stream):
                if frame.time is None or frame.time < first:
                    continue
                if frame.time > last:
                    return
                if frame.width * frame.height > _MOST_PIXELS:
                    raise LabelError(f"{film} has pictures of {frame.width} x {frame.height} px")
                yield float(frame.time), _grey(frame, film)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LabelError(f"the depth camera's film {film} cannot be read: {reason}") from error


def _grey(frame: object, film: Path) -> NDArray[np.generic]:
    """A frame of one channel as it is coded; of one in colour its brightness, if it has no colours."""
    from av.video.frame import VideoFrame

    assert isinstance(frame, VideoFrame)
    if frame.format.name.startswith("gray"):
        return np.asarray(frame.to_ndarray())
    shown = frame.to_ndarray(format="rgb24").astype(np.uint8)
    _refuse_colours(shown, film)
    return np.asarray(shown[..., 0])


def _refuse_colours(shown: NDArray[np.uint8], film: Path) -> None:
    apart = shown.max(axis=2).astype(np.int16) - shown.min(axis=2)
    if float(apart.mean()) > 8:
        raise LabelError(
            f"{film} shows depth as colours, from which nobody can tell distances: use --labeller lerobot"
        )


def _still(dataset: Dataset, episode: Episode, film: Path) -> Iterator[tuple[float, NDArray[np.generic]]]:
    """Pictures in the tables or in folders, by the seconds of their rows."""
    found = taken(dataset, episode, film)
    for time, picture in zip(found.seconds.tolist(), found.pictures, strict=True):
        if isinstance(picture, str):
            continue
        name, content = picture
        yield time, _decoded(name, content if isinstance(content, bytes) else content.read_bytes(), film)


def _decoded(name: str, encoded: bytes, film: Path) -> NDArray[np.generic]:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(encoded), formats=("PNG", "TIFF"))
            if image.mode in _GREYS:
                return np.asarray(image)
            shown = np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow's readers have errors of every kind
        raise LabelError(f"{name} of {film} cannot be read as a picture of depth: {error}") from error
    _refuse_colours(shown, film)
    return np.asarray(shown[..., 0])
