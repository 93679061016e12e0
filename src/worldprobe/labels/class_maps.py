"""Detectors' classes merged into fewer, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from worldprobe.errors import LabelError
from worldprobe.labels.detectors.coco_classes import COCO_CLASSES
from worldprobe.records import Labels

OTHER = "other"
# The experiment that this project starts from merged COCO's classes by their numbers: 1 to 8 and 15 to 23, which
# leaves out bird (14).
NAMED: dict[str, dict[str, Sequence[str]]] = {
    "original": {"person": COCO_CLASSES[:1], "vehicle": COCO_CLASSES[1:9], "animal": COCO_CLASSES[15:24]},
}


def class_map(classes: str | Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """From old class names to new ones; None where classes stay as they are.

    Args:
        classes: new name to old ones, or the name of a known map ("original"), or "own".

    Raises:
        LabelError: no map of that name, or a class that two new ones claim.
    """
    if classes == "own":
        return None
    if isinstance(classes, str):
        if classes not in NAMED:
            known = ", ".join(NAMED)
            raise LabelError(f"no class map {classes!r}: use own, {known}, or a table of new = [old, ...]")
        classes = NAMED[classes]
    new_of: dict[str, str] = {}
    for new, olds in classes.items():
        for old in olds:
            if new_of.setdefault(old, new) != new:
                raise LabelError(f"class {old!r} is claimed by both {new_of[old]!r} and {new!r}: leave it in one")
    return new_of


def merge_classes(labels: Labels, new_of: Mapping[str, str] | None) -> Labels:
    """Labels whose classes are merged by a ``class_map``; what it does not name becomes ``other``."""
    import polars as pl

    if new_of is None:
        return labels
    # Objects without a class keep having none.
    merged = pl.col("class").replace_strict({**new_of, "": ""}, default=OTHER)
    return replace(labels, table=labels.table.with_columns(merged))
