"""Which frame of the film a numbered picture is; refused where that can only be guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.labels.arguments import Numbering, with_option
from worldprobe.labels.values import some
from worldprobe.records import VideoRef

_PICTURE = r"(?:jpe?g|png|bmp|tiff?|webp|jp2|ppm|pgm|gif|avif)"
_FILM = r"(?:mp4|mov|avi|mkv|webm|m4v|mpe?g|m2ts|h264|h265|wmv|flv|mp2|3gp)"
# What may stand before a number where nothing but one name says what is one: a hash may be letters and digits.
_WORDS = ("", "f", "fr", "frm", "frame", "im", "img", "image", "pic", "picture", "n", "no", "t")
# Numbers that lie close together and end before this share of the film are those of pictures taken out of it.
EXTRACTED = 0.55
_CLOSE = 0.5


class Named(NamedTuple):
    """What a list of picture names says: a number of each, or a time, and what is before it."""

    numbers: list[int | None]
    seconds: list[float | None]
    before: list[str]


def read_names(names: Sequence[str]) -> Named:
    """Frame numbers of picture names, all of them looked at together.

    Folders, endings and what tools put after an ending (``0001_jpg.rf.HASH.jpg``, ``0001.jpg.HASH.jpg``) do not
    count. The number is at the last place where every name has one and they differ: a hash is no number in all of
    them, a camera's number is the same in all of them. ``t=3.2s`` is a time.
    """
    parts = [_parts(_stem(name)) for name in names]
    seconds = [_seconds(_stem(name)) for name in names]
    if names and None not in seconds:
        return Named([None] * len(names), seconds, [""] * len(names))
    place = _place(parts)
    numbers: list[int | None] = []
    before: list[str] = []
    for one in parts:
        own = place
        if own is None and (len(names) == 1 or len({len(other) for other in parts}) > 1):
            counted = [at for at, text in enumerate(one) if _number(text) is not None]
            sure = [at for at in counted if one[at].rstrip("0123456789").lower() in _WORDS]
            own = sure[-1] if sure else None
        numbers.append(None if own is None else _number(one[own]))
        before.append("" if own is None else "-".join([*one[:own], one[own].rstrip("0123456789")]).strip("-"))
    return Named(numbers, [None] * len(names), before)


def _place(parts: Sequence[Sequence[str]]) -> int | None:
    """The last place at which every name has a number behind the same letters, and at which they differ."""
    if len({len(one) for one in parts}) != 1 or len(parts) == 1:
        return None
    for place in range(len(parts[0]) - 1, -1, -1):
        column = [one[place] for one in parts]
        found = {_number(text) for text in column}
        if None not in found and len(found) > 1 and len({text.rstrip("0123456789") for text in column}) == 1:
            return place
    return None


def _refuse_two(names: Sequence[str], spec: str) -> None:
    """Raise LabelError where another number of the names is as good as the last, and in another order."""
    parts = [_parts(_stem(name)) for name in names]
    place = _place(parts) if len(parts) else None
    if place is None:
        return
    own = np.array([_number(one[place]) for one in parts])
    if len(np.unique(own)) < len(own):
        return
    for other in range(place):
        column = [_number(one[other]) for one in parts]
        if None in column or len(set(column)) < len(column):
            continue
        if (np.argsort(np.array(column)) != np.argsort(own)).any():
            raise LabelError(
                f"the names of pictures in {spec} ({some(names)}) have two numbers, in different orders, and each "
                "may be the frame's: leave one of them, or give each image its frame_id (COCO)"
            )


def frames_of(
    numbers: NDArray[np.int64],
    numbering: Numbering,
    ref: VideoRef,
    *,
    spec: str,
    certain: bool,
    counts_from: int | None = None,
    names: Sequence[str] = (),
) -> tuple[NDArray[np.int64], list[str]]:
    """The film's frame of each numbered picture, and notes.

    Args:
        numbers: int64 [n], of all pictures, with labels or without.
        spec: the labeller and its file as typed, to show how options are given.
        certain: the file says itself that these are frames of the film.
        counts_from: the number of the film's first frame, where the format says so; else 1 where that is the
            smallest number, and 0.
        names: of the pictures, to show what was taken for a number.

    Raises:
        LabelError: pictures whose numbers may be counts of pictures taken out of the film, or lie before the first.
    """
    if not len(numbers):
        return numbers, []
    if not certain:
        _refuse_two(names, spec)
    low = int(numbers.min())
    seen = int(low == 1) if counts_from is None else counts_from
    first = seen if numbering.first is None else numbering.first
    notes = []
    if counts_from is None and first == 1:
        notes.append("frames count from 1 in it")
    if counts_from is None and low > 1 and numbering.first is None:
        fix = with_option(spec, "first=1")
        notes.append(f"its first number is {low}, counted from 0 (where they count from 1, add {fix} to its name)")
    high = int(numbers.max())
    if numbering.first is None and not numbering.stated and high - first >= ref.frames > high - low:
        raise LabelError(
            f"{spec} speaks of frame {high}, and begins at {low}{_example(numbers, names)}; {ref.path} has "
            f"{ref.frames} frames: it may be a part that begins there. If it is, add "
            f"{with_option(spec, f'first={low}')} to the file's name; else these are labels of another video."
        )
    if low < first:
        raise LabelError(f"{spec} has a picture of number {low}, before first={first}")
    if numbering.step is None and not certain:
        _refuse_extracted(numbers - first, ref, spec, _example(numbers, names))
    if not numbering.stated:
        return numbers - first, notes
    step = 1.0 if numbering.step is None else numbering.step
    frames = numbering.start + np.floor((numbers - first) * step + 0.5)
    notes.append(f"number n was taken for frame {numbering.start} + (n - {first}) x {step:g}, as asked")
    # What lies past the film's end is refused by its size, not by an overflow.
    return np.minimum(frames, 2**53).astype(np.int64), notes


def frames_at(
    seconds: NDArray[np.float64], pts_seconds: NDArray[np.float64], rate: float, *, spec: str
) -> NDArray[np.int64]:
    """The frame nearest to each time after the film's first frame. Raises LabelError for times past its end."""
    times = pts_seconds - pts_seconds[0]
    slack = 1.5 / rate if rate > 0 else 0.0
    if len(seconds) and not 0 <= seconds.min() <= seconds.max() <= times[-1] + slack:
        raise LabelError(
            f"{spec} has pictures at {seconds.min():g} to {seconds.max():g} s, the film ends at {times[-1]:g} s: "
            "labels of another video"
        )
    right = np.searchsorted(times, seconds).clip(0, len(times) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(seconds - times[left] < times[right] - seconds, left, right).astype(np.int64)


def _refuse_extracted(numbers: NDArray[np.int64], ref: VideoRef, spec: str, example: str) -> None:
    """Raise LabelError where pictures numbered one by one cover the film's beginning only."""
    span = int(numbers.max()) + 1
    count = len(np.unique(numbers))
    if not 0 < span < ref.frames or span > EXTRACTED * ref.frames + 0.5 or count < _CLOSE * span:
        return
    guess = max(2, round(ref.frames / span))
    spread, beginning = with_option(spec, f"step={guess}"), with_option(spec, "step=1")
    raise LabelError(
        f"{spec} numbers {count} pictures from {numbers.min()} to {span - 1} (counted from 0{example}), "
        f"{ref.path} has {ref.frames} frames: nothing says whether they are its first {span} or were taken from "
        f"all of it, one in {guess} for instance. Add {spread} to the file's name (or whatever the step was; "
        f"&start=N where the first was not frame 0), or {beginning} if they are the first {span}."
    )


def _example(numbers: NDArray[np.int64], names: Sequence[str]) -> str:
    """The last picture and its number, in words."""
    name = names[int(numbers.argmax())] if len(names) else ""
    return f"; {some([name])} is {int(numbers.max())}" if name else ""


def _stem(name: str) -> str:
    """A picture's name without folders, endings and what tools append."""
    name = re.split(r"[\\/]", name.strip())[-1]
    if roboflow := re.match(rf"(.+)_{_PICTURE}\.rf\.\w+(?:\.\w+)?$", name, re.IGNORECASE):
        name = roboflow[1]
    elif picture := re.match(rf"(.+?)\.{_PICTURE}(?:[.?#]|$)", name, re.IGNORECASE):
        name = picture[1]
    elif ending := re.match(r"(.+)\.(?:txt|json|xml)$", name, re.IGNORECASE):
        name = ending[1]
    # The 4 of mp4 is no number.
    return re.sub(rf"(?<![A-Za-z0-9]){_FILM}(?![A-Za-z0-9])", "", name, flags=re.IGNORECASE)


def _seconds(stem: str) -> float | None:
    """Of ``t=3.2s``, ``frame_3200ms``, ``film-00-00-03.200``."""
    if clock := re.search(r"(?<!\d)(\d{1,2})[-_:.](\d{2})[-_:.](\d{2})[.,](\d{3})$", stem):
        hours, minutes, seconds, thousandths = (int(text) for text in clock.groups())
        return hours * 3600 + minutes * 60 + seconds + thousandths / 1000
    if counted := re.search(r"(?<![\d.])(\d{1,9}(?:\.\d{1,9})?)(ms|s|sec)$", stem, re.IGNORECASE):
        return float(counted[1]) / (1000 if counted[2].lower() == "ms" else 1)
    return None


def _parts(stem: str) -> list[str]:
    return re.findall(r"[^\W_]+", stem)


def _number(text: str) -> int | None:
    """Of ``0012``, ``frame12``; None for ``1a2b3c`` and for what no film has frames of."""
    match = re.fullmatch(r"[^\W\d_]*([0-9]{1,15})", text)
    return int(match[1]) if match else None
