"""Where a store lies: a folder on this machine, or an fsspec URL (``s3://``, ``gs://``, ...)."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from worldprobe.errors import StoreError, WorldprobeError
from worldprobe.io.files import write_whole
from worldprobe.io.layout import folder_description

# A write that was cut off leaves a temporary file; one that goes on is younger than this.
_STALE_SECONDS = 600.0


class Location:
    """A folder or a URL, as Zarr sees it, with errors that say what to do."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.local = "://" not in location
        self._folder: tuple[int, int] | None = None

    @cached_property
    def zarr(self) -> Any:
        """Zarr's store. Raises StoreError where the URL's protocol is unknown or needs a package."""
        from zarr.storage import FsspecStore, LocalStore

        if self.local:
            return LocalStore(self.location)
        try:
            # A cached listing would hide what another machine has written since.
            return FsspecStore.from_url(self.location, storage_options={"use_listings_cache": False})
        except ImportError as error:
            raise StoreError(
                f"the store {self.location} needs a package that is not installed ({error}). For s3:// it is "
                "`pip install 'worldprobe[s3]'`, for gs:// gcsfs."
            ) from error
        except ValueError as error:
            raise StoreError(f"{self.location} is no place for a store: {error}") from error

    @contextmanager
    def using(self, what: str) -> Iterator[None]:
        """Whatever goes wrong with the place inside becomes one StoreError: ``cannot <what> the store ...``."""
        try:
            yield
        except WorldprobeError:
            raise
        except OSError as error:
            # Whatever a write stumbles over (no such file; one that exists, since a half of it was made anew) where
            # the folder was taken away between two of its steps, that is what is wrong.
            if self._folder and (isinstance(error, FileNotFoundError) or not self._same()):
                raise self._vanished(str(error.filename or "a folder")) from error
            reason = error.strerror or str(error)
            raise StoreError(
                f"cannot {what} the store {self.location}: {reason}. What is stored stays; when the place is well "
                "again, the same command does only what is missing."
            ) from error
        # Each object storage's library has errors of its own, that no common class covers.
        except Exception as error:
            if self.local:
                raise
            raise StoreError(f"cannot {what} the store {self.location}: {error}") from error

    def holds(self, key: str) -> bool:
        """Whether something is stored under a key."""
        from zarr.core.sync import sync

        if self.local:
            return os.path.exists(f"{self.location}/{key}")
        with self.using("read"):
            return bool(sync(self.zarr.exists(key)))

    def require(self, key: str) -> None:
        """That a key is still there, in the folder that was there before. Raises StoreError: the folder vanished.

        Zarr makes missing folders as it writes: what is written where a disk was mounted before would be lost.
        So a folder of the same name is not enough. An object is written with its key or not at all, so URLs are
        not asked.
        """
        if self.local and not (self.holds(key) and self._same()):
            raise self._vanished(key)

    def require_folder(self) -> None:
        """That the folder is the one that was there before, where ``require`` was asked. Raises StoreError."""
        if self._folder and not self._same():
            raise self._vanished("the folder")

    def _vanished(self, what: str) -> StoreError:
        return StoreError(
            f"the store {self.location} has vanished since this run began ({what} is gone): was its disk "
            "unmounted, or the folder moved? Bring it back; the same command then does only what is missing."
        )

    def _same(self) -> bool:
        """Whether the folder is the one that was there when this was first asked."""
        try:
            found = os.stat(self.location)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # not to be looked at is not gone: the write itself says what is wrong
            return True
        folder = (found.st_dev, found.st_ino)
        self._folder = self._folder or folder
        return self._folder == folder

    def described(self, path: str) -> bool:
        """Whether an array is there. The folders above it are described first, where a run that was cut off did not
        come to it."""
        import zarr
        from zarr.errors import ContainsGroupError

        parts = path.split("/")[:-1]
        for prefix in ["/".join(parts[:count]) for count in range(len(parts) + 1)]:
            key = f"{prefix}/zarr.json".lstrip("/")
            if self.holds(key):
                continue
            if self.local:
                self.put(key, folder_description(), folders=True)
            else:
                with suppress(ContainsGroupError):  # another run described it just now, with the same words
                    zarr.open_group(store=self.zarr, path=prefix, mode="a")
        return self.holds(f"{path}/zarr.json")

    def stamp(self, key: str) -> int | None:
        """When a file or a folder changed last, in nanoseconds; None where there is none, and of URLs.

        The time of the change of its entry, which also shows that another file took its place.
        """
        if not self.local:
            return None
        try:
            return os.stat(f"{self.location}/{key}").st_ctime_ns
        except OSError:
            return None

    def put(self, key: str, content: bytes, *, folders: bool = False) -> None:
        """Write a file of a folder whole or not at all, ``folders`` with those above it. Raises OSError."""
        path = f"{self.location}/{key}"
        temporary = f"{path}.{uuid.uuid4().hex}.partial"
        try:
            if folders:
                os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(temporary, "xb", buffering=0) as file:
                written = file.write(content)
                while written < len(content):
                    written += file.write(content[written:])
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def children(self, prefix: str) -> list[str]:
        """Names right below a prefix, sorted; none where there is nothing. Old leftovers of cut-off writes go."""
        names = sorted(self._listed_here(prefix) if self.local else self._listed(prefix))
        for name in names:
            if name.endswith(".partial"):
                self._sweep(Path(self.location, prefix, name))
        return names

    def _listed_here(self, prefix: str) -> list[str]:
        """By the system alone: a hundred times as fast as through Zarr's event loop."""
        try:
            return os.listdir(f"{self.location}/{prefix}")
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            with self.using("read"):
                raise error

    def _listed(self, prefix: str) -> list[str]:
        from zarr.core.sync import sync

        async def listed() -> list[str]:
            return [name async for name in self.zarr.list_dir(prefix)]

        with self.using("read"):
            return list(sync(listed()))

    def read(self, key: str) -> bytes | None:
        """What is stored under a key, as it is; None where nothing is."""
        if self.local:
            return self._read_here(key)
        with self.using("read"):
            from zarr.core.buffer import default_buffer_prototype
            from zarr.core.sync import sync

            found = sync(self.zarr.get(key, default_buffer_prototype()))
            return None if found is None else found.to_bytes()

    def _read_here(self, key: str) -> bytes | None:
        try:
            with open(f"{self.location}/{key}", "rb", buffering=0) as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            with self.using("read"):
                raise error

    def write(self, key: str, content: bytes) -> None:
        """Store bytes under a key as they are, whole or not at all."""
        with self.using("write to"):
            if self.local:
                write_whole(Path(self.location, key), content)
                return
            from zarr.core.buffer import default_buffer_prototype
            from zarr.core.sync import sync

            sync(self.zarr.set(key, default_buffer_prototype().buffer.from_bytes(content)))

    def remove_below(self, prefix: str) -> None:
        """Delete every key below a prefix; nothing where there is none."""
        from zarr.core.sync import sync

        with self.using("write to"):
            if self.local:
                shutil.rmtree(Path(self.location, prefix), ignore_errors=True)
                with suppress(OSError):  # others are there too
                    Path(self.location, prefix).parent.rmdir()
                return
            sync(self.zarr.delete_dir(prefix))

    def remove(self, key: str) -> None:
        """Delete a key."""
        from zarr.core.sync import sync

        with self.using("write to"):
            sync(self.zarr.delete(key))

    def _sweep(self, leftover: Path) -> None:
        if self.local:
            with suppress(OSError):  # another run sweeps too
                if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
                    leftover.unlink()
