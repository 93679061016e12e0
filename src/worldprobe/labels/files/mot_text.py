"""The lines of a MOT file: numbers in ten fields, whatever separates them."""

from __future__ import annotations

import math
import re
from pathlib import Path

from worldprobe.errors import LabelError
from worldprobe.labels.values import LARGEST, counted

_FIELDS = 10
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", " ": "spaces"}
# What a header may call the fields; a box by its corners or centre is another box.
_HEADS = (
    r"frame|frame_?(id|no|nr|num|number|index|idx)|f",
    r"id|track_?id|object_?id|obj_?id|track|identity|target_?id",
    r"(bb_?|bbox_?|box_?)?(left|x|x1|xmin|l)",
    r"(bb_?|bbox_?|box_?)?(top|y|y1|ymin|t)",
    r"(bb_?|bbox_?|box_?)?(width|w)",
    r"(bb_?|bbox_?|box_?)?(height|h)",
    r"conf|confidence|score|conf_?score|flag|considered|active|mark",
)
_LAST_HEAD = (
    r"class|class_?id|category|category_?id|label|cls|type|vis|visibility|visible|occlusion|x|y|z|truncation"
)


def lines_of(text: str, path: Path) -> tuple[list[list[float]], list[str]]:
    """Each line as ten numbers, NaN where it has fewer: frame, id, left, top, width, height, score, and three more
    (class and visibility, or a place); and notes on what was unusual.

    Raises:
        LabelError: a malformed line, named by its number.
    """
    rows: list[list[float]] = []
    notes: list[str] = []
    separator = ""
    skipped = 0
    for place, line in enumerate(text.splitlines(), start=1):
        where = f"{path} line {place}"
        if not line.strip():
            continue
        if line.lstrip().startswith(("#", "%", "//")):
            skipped += 1
            continue
        if not separator:
            separator = max((one for one in _SEPARATORS if one != " "), key=line.strip().count)
            if separator not in line.strip():
                separator = " " if " " in line.strip() else ","
            if separator != ",":
                notes.append(f"its fields are separated by {_SEPARATORS[separator]}, not by commas")
            if _is_header(line, separator, where):
                notes.append("its first line is a header")
                continue
        rows.append(_row(line, separator, where))
    if skipped:
        notes.append(f"{counted(skipped, 'line')} of comment left out")
    return rows, notes


def _split(line: str, separator: str) -> list[str]:
    fields = line.split() if separator in (" ", "\t") else line.split(separator)
    return [field.strip().strip("\"'").strip() for field in fields]


def _is_header(line: str, separator: str, where: str) -> bool:
    """Whether the line names the fields of a MOT file; raises LabelError where it names others."""
    fields = [field.strip("\"'<> ").lower() for field in _split(line, separator)]
    if not fields[0] or not re.match(r"[a-z_]", fields[0]):
        return False
    heads = [*_HEADS, *[_LAST_HEAD] * (_FIELDS - len(_HEADS))]
    fits = 6 <= len(fields) <= _FIELDS and all(
        re.fullmatch(head, field) for head, field in zip(heads, fields, strict=False)
    )
    if not fits:
        raise LabelError(
            f"{where}: {line.strip()[:60]!r} is not a MOT file's header: its fields are frame, id, left, top, "
            "width, height, then score, class, visibility, in this order"
        )
    return True


def _row(line: str, separator: str, where: str) -> list[float]:
    fields = _split(line, separator)
    while len(fields) > 1 and not fields[-1]:  # a separator at the line's end
        fields.pop()
    if len(fields) >= 15 and not _is_number(fields[2]):
        raise LabelError(
            f"{where}: {line.strip()[:60]!r} looks like KITTI's tracking labels (frame, id, type, ..., left, top, "
            "right, bottom): write them as frame, id, left, top, width, height, 1"
        )
    if not all(_is_number(field) for field in fields):
        raise LabelError(
            f"{where}: {line.strip()[:60]!r} is not numbers between {_SEPARATORS[separator]}{_instead(fields)}"
        )
    values = [float(field) for field in fields]
    if not 6 <= len(values) <= _FIELDS or not all(map(math.isfinite, values)):
        raise LabelError(f"{where}: {len(values)} fields, a MOT line has 6 to 10 numbers")
    if values[0] < 0 or values[4] <= 0 or values[5] <= 0:
        raise LabelError(f"{where}: frame {values[0]:g}, box {values[4]:g} x {values[5]:g}: frames count from 1 or "
                         "0, boxes have a size")  # fmt: skip
    for value, kind in zip((*values[:2], *values[7:8]), ("frame", "id", "class"), strict=False):
        # Truncated or overflown, it would be another frame or object without a word. A row of ten fields may have a
        # place in the world where others have a class.
        fraction = value != int(value) and not (kind == "class" and len(values) == _FIELDS)
        if fraction or abs(value) > LARGEST:
            raise LabelError(f"{where}: {value:g} is not a frame, id or class: they are whole numbers")
    if len(values) == 9 and values[8] != -1 and not 0 <= values[8] <= 1:
        raise LabelError(f"{where}: {values[8]:g} is no visibility: the ninth field is from 0 to 1, or -1"
                         + "; divide what is per cent by 100" * (1 < values[8] <= 100))  # fmt: skip
    return values + [math.nan] * (_FIELDS - len(values))


def _instead(fields: list[str]) -> str:
    """What to do about a line with a text in it."""
    strange = next(field for field in fields if not _is_number(field))
    if re.fullmatch(r"[+-]?\d+,\d+", strange):
        return ": write decimals with a point"
    place = fields.index(strange)
    if place == 1 and strange:
        return f": {strange[:40]!r} is its id; give each object a number"
    if place >= 6 and strange:
        return f": {strange[:40]!r} stands where a score or class is; write classes as numbers, in the eighth field"
    return ""


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field
