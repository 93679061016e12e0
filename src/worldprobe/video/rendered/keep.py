"""Rendered films in a folder that a user keeps."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Sequence
from pathlib import Path

from worldprobe.errors import VideoError
from worldprobe.io.files import replacing
from worldprobe.video.rendered.scenes import truth_path


def keep_films(films: Sequence[Path], out: Path) -> list[Path]:
    """Copy films, each beside its truth, into a folder; those that it holds are left as they are.

    Raises:
        VideoError: it holds another film of one of these names.
    """
    kept = [out / film.name for film in films]
    for film, path in zip(films, kept, strict=True):
        if path.exists() and not filecmp.cmp(film, path, shallow=False):
            raise VideoError(f"{path} is there already, and is another film: name another folder")
    out.mkdir(parents=True, exist_ok=True)
    for film, path in zip(films, kept, strict=True):
        for one, copy in ((truth_path(film), truth_path(path)), (film, path)):
            if not copy.exists():
                with replacing(copy) as temporary:
                    shutil.copyfile(one, temporary)
    return kept
