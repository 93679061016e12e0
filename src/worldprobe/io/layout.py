"""How the store's arrays are described and laid out in Zarr v3, without Zarr for those of a folder.

Zarr takes 7 ms of a processor to describe an array and the folders above it, and 2 to write a chunk: together
nearly half of what a small network takes for a clip. So it is asked once what it writes of an array of a shape, and
its own words are written again for all others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from google_crc32c import value as crc32c
from numpy.typing import NDArray

CHECKSUM = 4  # bytes behind a chunk's values


def create_array(store: Any, name: str, shape: Sequence[int], attributes: Mapping[str, Any]) -> None:
    """Describe an array float16 of a shape, a chunk for each of its first axis, in a Zarr store.

    Raises:
        ContainsArrayError: there is one.
    """
    import zarr
    from zarr.codecs import Crc32cCodec

    zarr.create_array(
        store=store,
        name=name,
        shape=tuple(shape),
        chunks=(1, *shape[1:]),
        dtype="float16",
        compressors=[Crc32cCodec()],
        # One flat file a chunk: a folder left by a write that was cut off must not look done.
        chunk_key_encoding={"name": "default", "separator": "."},
        # Zarr leaves out chunks that equal the fill value; no clip that is written can be NaN.
        fill_value=float("nan"),
        attributes=dict(attributes),
        overwrite=False,
    )


def array_description(shape: Sequence[int], attributes: Mapping[str, Any]) -> bytes | None:
    """The ``zarr.json`` that ``create_array`` would write; None where the installed Zarr has another form of it."""
    template = _template(tuple(shape[1:]))
    return None if template is None else _written({**template, "shape": list(shape), "attributes": attributes})


@lru_cache(maxsize=1)
def folder_description() -> bytes:
    """The ``zarr.json`` of a folder of arrays, as Zarr writes it."""
    import zarr
    from zarr.storage import MemoryStore

    store = MemoryStore()
    zarr.open_group(store=store, path="", mode="a")
    return _described(store, "zarr.json")


def plain_shape(description: bytes) -> tuple[int, ...] | None:
    """The shape of an array that ``create_array`` described; None of any other, and of a damaged description."""
    try:
        found = json.loads(description)
        shape = tuple(found["shape"])
        attributes = found["attributes"]
    except (ValueError, KeyError, TypeError):
        return None
    template = _template(shape[1:]) if all(type(side) is int and side > 0 for side in shape) else None
    same = template is not None and found == {**template, "shape": list(shape), "attributes": attributes}
    return shape if same else None


def chunk_of(values: NDArray[np.float16]) -> bytes:
    """The file of a chunk: values in order, little end first, and their checksum."""
    content = np.ascontiguousarray(values, dtype="<f2").tobytes()
    checksum: int = crc32c(content)
    return content + checksum.to_bytes(CHECKSUM, "little")


def values_of(content: bytes, shape: Sequence[int]) -> NDArray[np.float16] | None:
    """The values of a chunk's file; None of a damaged one."""
    count = int(np.prod(shape))
    if len(content) != 2 * count + CHECKSUM or crc32c(content[:-CHECKSUM]) != int.from_bytes(
        content[-CHECKSUM:], "little"
    ):
        return None
    return np.frombuffer(bytearray(content), "<f2", count).astype(np.float16, copy=False).reshape(shape)


@lru_cache(maxsize=256)
def _template(chunk: tuple[int, ...]) -> dict[str, Any] | None:
    """What Zarr writes of an array with such chunks, its own number of clips and attributes left out."""
    from zarr.storage import MemoryStore

    store = MemoryStore()
    create_array(store, "array", (1, *chunk), {"format": 0})
    written = _described(store, "array/zarr.json")
    found: dict[str, Any] = json.loads(written)
    return found if _written(found) == written else None


def _described(store: Any, key: str) -> bytes:
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    found: Any = sync(store.get(key, default_buffer_prototype()))
    return bytes(found.to_bytes())


def _written(description: Mapping[str, Any]) -> bytes:
    import zarr

    return json.dumps(description, indent=zarr.config.get("json_indent"), allow_nan=True).encode()
