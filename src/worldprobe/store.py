"""Embeddings on disk: Zarr v3, a chunk per clip, written whole or not at all.

Layout: ``<video id>/<encoder>@<revision>/<input>-<frames>x<stride>-<pool>-<starts>/block<k>.out``, each an
array float16 [clip, t', (h', w',) d] whose attributes say what it holds; of several blocks as one
``sum<k>+<l>.out`` or ``join<k>+<l>.out``. A chunk that is there is done; crc32c in the codec chain finds damage
when it is read.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import StoreError
from worldprobe.io.layout import array_description, chunk_of, create_array, plain_shape, values_of
from worldprobe.io.location import Location
from worldprobe.records import Block, Embeddings, Reduction, Tap, VideoRef, blocks_name, in_order
from worldprobe.series import Input as Input
from worldprobe.series import Pool as Pool
from worldprobe.series import Series as Series
from worldprobe.series import folder_of

# What workers leave for the process that asked them, until it is brought home: no videos.
BESIDE = (DECODERS, PREDICTIONS) = ("decoders", "predictions")
_MOST_OPEN = 64
_MOST_FOUND = 2**18  # places that are known again, about 1 kB each
_SETTLED_NANOSECONDS = 2 * 10**9  # the time of what was changed so long ago changes again when it does


class _Found(NamedTuple):
    """What was found of a video by an encoder, and the times of the places that were looked at."""

    places: tuple[str, ...]
    times: tuple[int | None, ...]
    found: tuple[tuple[Series, list[Block]], ...]


class Store:
    """A store at a path or an fsspec URL; made when first written to."""

    def __init__(self, location: str) -> None:
        self.location = str(location)
        if not self.location.strip():
            raise StoreError("no store is named: give a folder or an address, such as --store embeddings.zarr")
        self._place = Location(self.location)
        self._opened: dict[str, Any] = {}
        self._plain: dict[str, tuple[int, tuple[int, ...] | None]] = {}
        self._found: dict[str, _Found] = {}
        self._opening = threading.Lock()

    def pending(self, series: Series, blocks: Sequence[Block]) -> list[int]:
        """Positions of the clips that lack a chunk for some of the blocks.

        Raises:
            StoreError: what is stored of the video was made of other pictures: an older version read it otherwise.
        """
        if series.video.reading:
            self._require_reading(series.video)
        done = set(range(len(series.specs)))
        for block in blocks:
            done &= self._done(f"{series.path}/{_array_name(block)}")
        return [index for index in range(len(series.specs)) if index not in done]

    def _require_reading(self, video: VideoRef) -> None:
        """That nothing is stored of a video as it was read once: its key, the file's bytes, does not tell."""
        for series, _ in self._all(video.id, ""):
            if (before := series.video.reading) != video.reading:
                raise StoreError(
                    f"{self.location} holds embeddings of {video.path} as an older version read it "
                    f"({before or 'plainly'}; now: {video.reading}): encode into another store, or delete its "
                    f"folder {self.location.rstrip('/')}/{video.id[:24]} and encode again."
                )

    def create(self, series: Series, blocks: Sequence[Block], *, width: int) -> None:
        """Make the arrays of a series, ``width`` wide, where they are not there yet.

        Raises:
            StoreError: an array is there with another shape, or the place cannot be written.
        """
        from zarr.errors import ContainsArrayError

        space = () if series.pool == "space" else (series.grid.height, series.grid.width)
        shape = (len(series.specs), series.grid.time, *space, width)
        if self._opened or self._plain:
            self._place.require("zarr.json")
        for block in blocks:
            path = f"{series.path}/{_array_name(block)}"
            with self._place.using("write to"):
                if path in self._plain or path in self._opened or self._place.described(path):
                    if (found := self._shape(path)) != shape:
                        raise StoreError(
                            f"{self.location}/{path} has shape {found}, this run would write {shape}: delete it, "
                            "or encode into another store"
                        )
                    continue
                if self._place.local and (description := array_description(shape, series.attributes())):
                    self._place.put(f"{path}/zarr.json", description, folders=True)
                    continue
                # Another run may have made it just now: it is the same, since the path is made of content.
                with suppress(ContainsArrayError):
                    create_array(self._place.zarr, path, shape, series.attributes())

    def write(self, series: Series, block: Block, index: int, values: NDArray[np.float16]) -> None:
        """Write one clip's values [t', (h', w',) d] at one block.

        Raises:
            StoreError: values that are not finite, or a place that cannot be written.
        """
        if not np.isfinite(values).all():
            raise StoreError(
                f"clip {index} of {series.video.path} has NaN or infinite values at {blocks_name([block])} of "
                f"{series.encoder}; it was not stored. Encode with --precision fp32."
            )
        path = f"{series.path}/{_array_name(block)}"
        with self._place.using("write to"):
            if (shape := self._plain_shape(path)) is not None and shape[1:] == values.shape:
                self._place.require(f"{path}/zarr.json")
                self._place.put(chunk(path, index, pool=series.pool), chunk_of(values))
                return
            array = self._open(path)
            self._place.require(f"{path}/zarr.json")
            array[index] = values

    def videos(self) -> list[str]:
        """What ``find`` knows each video by that something is stored of: the beginnings of their ids, sorted."""
        return [name for name in self._place.children("") if name != "zarr.json" and name not in BESIDE]

    def keep(self, key: str, content: bytes) -> None:
        """Put down bytes for another machine beside the embeddings, in a folder of ``BESIDE``.

        Raises:
            StoreError: the place cannot be written.
        """
        self._place.write(key, content)

    def kept(self, key: str) -> bytes | None:
        """What was put down under a key; None where nothing is."""
        return self._place.read(key)

    def drop(self, folder: str) -> None:
        """Delete what was put down in a folder."""
        self._place.remove_below(folder)

    def find(
        self, video: str, *, encoder: str, input: Input = "native", frames: int | None = None
    ) -> list[tuple[Series, list[Block]]]:
        """Everything stored of a video (its id) by an encoder (its name): series, and blocks that have an array."""
        found = []
        for series, blocks in self._all(video, folder_of(encoder)):
            wanted = series.encoder == encoder and series.input == input
            if wanted and frames in (None, series.grid.time * series.grid.tubelet):
                found.append((series, blocks))
        return found

    def shots(self, video: str) -> tuple[int, ...] | None:
        """The shots of a video (its id), as some series recorded them; None where nothing is stored of it."""
        return next((series.shots for series, _ in self._all(video, "")), None)

    def _all(self, video: str, start: str) -> list[tuple[Series, list[Block]]]:
        """Series of a video whose encoder's folder begins like this, and the blocks that have an array.

        What was found in a folder is found again by the times of what was looked at, a quarter of the work; not
        where one of them is so new that a change may not show in its time.
        """
        prefix = video[:24]
        if (known := self._found.get(f"{prefix}/{start}")) is not None and known.times == self._times(known.places):
            return [(series, [*blocks]) for series, blocks in known.found]
        times: dict[str, int | None] = {}  # of each place, taken before it is looked at
        found = []
        for folder in self._children(prefix, times):
            if not folder.startswith(start):
                continue
            for sampling in self._children(f"{prefix}/{folder}", times):
                at = f"{prefix}/{folder}/{sampling}"
                named = [block for name in self._children(at, times) if (block := _block_of(name)) is not None]
                if len(named) > 1:
                    named = in_order(named)
                blocks, attributes = list[Block](), None
                for block in named:
                    path = f"{at}/{_array_name(block)}"
                    times[f"{path}/zarr.json"] = self._place.stamp(f"{path}/zarr.json")
                    if attributes is None:  # what can be read is there, so that nobody has to ask first
                        attributes = self._attributes(path)
                        blocks += [block] if attributes is not None else []
                    elif self._place.holds(f"{path}/zarr.json"):
                        blocks.append(block)
                if attributes is not None:
                    found.append((Series.from_attributes(attributes), blocks))
        self._remember(f"{prefix}/{start}", times, found)
        return [(series, [*blocks]) for series, blocks in found]

    def _children(self, place: str, times: dict[str, int | None]) -> list[str]:
        times[place] = self._place.stamp(place)
        return self._place.children(place)

    def _times(self, places: Sequence[str]) -> tuple[int | None, ...]:
        return tuple([self._place.stamp(one) for one in places])

    def _remember(self, key: str, times: dict[str, int | None], found: list[tuple[Series, list[Block]]]) -> None:
        latest = time.time_ns() - _SETTLED_NANOSECONDS
        if all(one is not None and one < latest for one in times.values()):
            with self._opening:
                while len(self._found) >= _MOST_FOUND:
                    self._found.pop(next(iter(self._found)))
                self._found[key] = _Found(tuple(times), tuple(times.values()), tuple(found))

    def _attributes(self, path: str) -> dict[str, Any] | None:
        """What an array's description says that it holds; read as it is, since opening an array takes ten times as
        long. None where there is none. Raises StoreError as ``_open``."""
        if (description := self._place.read(f"{path}/zarr.json")) is None:
            return None
        try:
            return dict(json.loads(description.decode())["attributes"])
        except (ValueError, KeyError, TypeError):
            return dict(self._open(path).attrs)  # says what is wrong with it

    def read(self, series: Series, block: Block) -> Iterator[tuple[int, Embeddings]]:
        """The clips of a series that are there, with their positions.

        Raises:
            StoreError: a chunk whose checksum is wrong; it names the clip and the file.
        """
        for index in self.held(series, block):
            yield index, self.clip(series, block, index)

    def held(self, series: Series, block: Block) -> list[int]:
        """Positions of the clips of a series that are there at a block, increasing."""
        return sorted(self._done(f"{series.path}/{_array_name(block)}"))

    def width(self, series: Series, block: Block) -> int:
        """Values of a token of a series at a block. Raises StoreError where nothing is stored there."""
        return self._shape(f"{series.path}/{_array_name(block)}")[-1]

    def clip_bytes(self, series: Series, block: Block) -> int:
        """Bytes that each clip of a series takes at a block: values in float16, which are not compressed."""
        shape = self._shape(f"{series.path}/{_array_name(block)}")
        return int(np.prod(shape[1:])) * np.dtype(np.float16).itemsize

    def clip(self, series: Series, block: Block, index: int) -> Embeddings:
        """One clip that is there. Raises StoreError as ``read``."""
        path = f"{series.path}/{_array_name(block)}"
        tap = Tap(series.encoder, block)
        # A folder's chunk is read and checked by itself, five to ten times as fast as through Zarr's event loop.
        # Zarr knows what to say of one that is damaged, or not as this package writes it.
        if (shape := self._plain_shape(path)) is not None:
            content = self._place.read(chunk(path, index, pool=series.pool))
            if content is not None and (values := values_of(content, shape[1:])) is not None:
                return Embeddings(series.specs[index], tap, series.grid, series.view, values)
        array = self._open(path)
        try:
            values = np.asarray(array[index])
        except (ValueError, OSError, RuntimeError) as error:
            raise StoreError(
                f"clip {index} of {series.video.path} at {tap} is damaged in {self.location} ({path}/c.{index}.*: "
                f"{error}). Run `worldprobe encode` again with --verify: it makes anew what is damaged."
            ) from error
        return Embeddings(series.specs[index], tap, series.grid, series.view, values)

    def drop_damaged(self, series: Series, blocks: Sequence[Block]) -> list[int]:
        """Read every clip of a series that is there, and delete those that are damaged; returns their positions."""
        found: set[int] = set()
        for block in blocks:
            for index in self.held(series, block):
                try:
                    self.clip(series, block, index)
                except StoreError:
                    self._place.remove(chunk(f"{series.path}/{_array_name(block)}", index, pool=series.pool))
                    found.add(index)
        return sorted(found)

    def _shape(self, path: str) -> tuple[int, ...]:
        """The shape of the array at a path. Raises StoreError where nothing is stored there."""
        return self._plain_shape(path) or tuple(self._open(path).shape)

    def _plain_shape(self, path: str) -> tuple[int, ...] | None:
        """The shape of an array of a folder that is as this package writes it; None of others, which Zarr reads.

        Its description is read again where it was written anew.
        """
        if (stamp := self._place.stamp(f"{path}/zarr.json")) is None:
            return None
        if (known := self._plain.get(path)) is None or known[0] != stamp:
            description = self._place.read(f"{path}/zarr.json")
            known = stamp, None if description is None else plain_shape(description)
            with self._opening:  # clips are read ahead in threads of their own
                while len(self._plain) >= _MOST_OPEN:
                    self._plain.pop(next(iter(self._plain)))
                self._plain[path] = known
        return known[1]

    def _open(self, path: str) -> Any:
        """The array at a path; the last few stay open, since clip after clip goes to the same one."""
        import zarr

        if (found := self._opened.get(path)) is not None:
            return found
        if not self._place.holds(f"{path}/zarr.json"):
            self._place.require_folder()
            raise StoreError(f"no embeddings at {path} in {self.location}. Run `worldprobe encode` again.")
        try:
            with self._place.using("read"):
                array = zarr.open_array(store=self._place.zarr, path=path, mode="r+")
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"{path}/zarr.json in {self.location} is damaged ({error}). Delete that file and run "
                "`worldprobe encode` again, which makes anew what lies beside it."
            ) from error
        with self._opening:
            while len(self._opened) >= _MOST_OPEN:
                self._opened.pop(next(iter(self._opened)))
            self._opened[path] = array
        return array

    def _done(self, path: str) -> set[int]:
        """Positions whose chunk is there; none where the array's description is lost: it is needed."""
        names = self._place.children(path)
        if "zarr.json" not in names:
            return set()
        return {int(m[1]) for name in names if (m := re.fullmatch(r"c\.(\d+)(\.0)+", name))}


def _array_name(block: Block) -> str:
    return f"{blocks_name([block])}.out"


@lru_cache(maxsize=1024)
def _block_of(array: str) -> Block | None:
    """What ``_array_name`` made an array's name of; None where it is another file."""
    if not (m := re.fullmatch(r"(?P<kind>block|sum|join)(?P<blocks>\d+(\+\d+)*)\.out", array)):
        return None
    blocks = tuple(map(int, m["blocks"].split("+")))
    if m["kind"] == "block":
        return blocks[0] if len(blocks) == 1 else None
    return Reduction("sum" if m["kind"] == "sum" else "join", blocks)


def chunk(array: str, index: int, *, pool: Pool) -> str:
    """The key of a clip's chunk in the array at a path."""
    return f"{array}/c.{index}" + ".0" * (2 if pool == "space" else 4)


def keys_of(series: str, blocks: Sequence[Block], positions: Sequence[int], *, pool: Pool) -> list[str]:
    """Keys of some clips of a series (its path): the arrays' descriptions, those of folders above, and chunks."""
    folders = series.split("/")
    found = ["zarr.json", *("/".join(folders[: count + 1]) + "/zarr.json" for count in range(len(folders)))]
    for block in blocks:
        array = f"{series}/{_array_name(block)}"
        found += [f"{array}/zarr.json", *(chunk(array, one, pool=pool) for one in positions)]
    return found


def shared(store: Store) -> str:
    """Where workers find the store: a folder's absolute path, or its URL."""
    return store.location if "://" in store.location else str(Path(store.location).resolve())
