"""Which of several videos in one file is the film."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from worldprobe.errors import LabelError
from worldprobe.labels.values import some
from worldprobe.records import VideoRef

_UPLOADED = r"^[0-9a-f]{8}-"  # what Label Studio puts before a file's name


def is_film(name: str, ref: VideoRef) -> bool:
    """Whether one of a path's parts is the film's name, but for its ending and what stands between its letters."""

    def letters(text: str) -> str:
        return re.sub(r"[\W_]+", "", text).lower()

    film = {letters(Path(ref.path).name), letters(Path(ref.path).stem)} - {""}
    parts = [re.sub(_UPLOADED, "", part) for part in re.split(r"[\\/]", name)]
    return any(letters(part) in film or letters(Path(part).stem) in film for part in parts)


def own_one(names: Sequence[str], ref: VideoRef, *, file: Path, kind: str) -> int:
    """The place of the film's name among several.

    Raises:
        LabelError: none of them has it, or more than one.
    """
    own = [place for place, name in enumerate(names) if is_film(name, ref)]
    if len(own) != 1:
        raise LabelError(
            f"{file} holds several {kind} ({some(names)}), {'more than one' if own else 'none'} of them named as "
            f"{ref.path}: give a file of this film alone, or give the {kind} other names"
        )
    return own[0]
