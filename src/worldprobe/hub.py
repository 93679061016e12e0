"""Which commit of a hub's repository lies in the local cache."""

from __future__ import annotations

import re
from pathlib import Path

from worldprobe.errors import RegistryError

_COMMIT = re.compile(r"snapshots/([0-9a-f]{40})/")


def fetched(name: str, file: str) -> tuple[str, Path]:
    """The commit that loading has just put into the cache, and the folder where its files are; no host is asked.

    Raises:
        RegistryError: nothing of it is there, or it does not lie under a commit.
    """
    from transformers.utils import cached_file

    try:
        found = Path(str(cached_file(name, file, local_files_only=True)))
    except OSError as error:
        raise RegistryError(f"{file} of {name} is not in the hub's local cache: {error}") from error
    commit = _COMMIT.search(found.as_posix())
    if commit is None:
        raise RegistryError(
            f"which commit of {name} was fetched cannot be told from {found}: clear the hub's cache"
        )
    return commit[1], found.parent
