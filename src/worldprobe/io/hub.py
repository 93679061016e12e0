"""The hub: what may be an id of it, whether it answers, and which commit of a repository the local cache has."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from worldprobe.errors import RegistryError

_COMMIT = re.compile(r"snapshots/([0-9a-f]{40})/")
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_PATIENCE = 10.0  # seconds; libraries that load would try again and again


def is_id(name: str) -> bool:
    """Whether a name has the form of a repository's, OWNER/NAME, and is no place here."""
    return bool(_ID.fullmatch(name)) and not Path(name).exists()


@lru_cache(maxsize=64)
def answers(name: str) -> bool:
    """Whether the hub can be asked for a repository: it is asked once. If not, there is only the local cache.

    Raises:
        RegistryError: it answers that there is none.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        HfApi().model_info(name, timeout=_PATIENCE)
    except GatedRepoError:
        return True  # loading says what is needed
    except RepositoryNotFoundError as error:
        raise RegistryError(
            f"the hub has no {name}, or shows it to its owner only. Correct the name, or log in: `hf auth login`"
        ) from error
    # No network in any of its forms: each version of the client has its own errors for them.
    except Exception:
        return False
    return True


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
