"""Protocol buffers as bytes: enough to look into an ONNX file and to add to it, without a library for either."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message: its number, and its value, or where in the buffer its bytes are."""

    number: int
    value: int
    start: int = 0
    end: int = 0


def fields(buffer: memoryview, start: int, end: int) -> Iterator[Field]:
    """The fields of the message between two places of a buffer.

    Raises:
        ValueError: it is no message.
    """
    while start < end:
        key, start = _varint(buffer, start, end)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, start = _varint(buffer, start, end)
            yield Field(number, value)
        elif kind == _BYTES:
            size, start = _varint(buffer, start, end)
            if start + size > end:
                raise ValueError("a field reaches past its message")
            yield Field(number, 0, start, start + size)
            start += size
        elif kind in (_EIGHT, _FOUR):
            start += 8 if kind == _EIGHT else 4
        else:
            raise ValueError(f"no field has the type {kind}")


def numbers(buffer: memoryview, field: Field) -> list[int]:
    """The whole numbers of a field that may hold several, one after the other."""
    if not field.end:
        return [field.value]
    found, start = [], field.start
    while start < field.end:
        value, start = _varint(buffer, start, field.end)
        found.append(value)
    return found


def message(number: int, content: bytes) -> bytes:
    """A field of this number that holds a message or text."""
    return _written(number << 3 | _BYTES) + _written(len(content)) + content


def _varint(buffer: memoryview, start: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while start < end and shift < 70:
        byte = buffer[start]
        start += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, start
        shift += 7
    raise ValueError("a number does not end")


def _written(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
