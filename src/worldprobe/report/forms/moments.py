"""A few clips to look at: what the page scrubs through, and what Markdown says of them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from worldprobe.findings.sections.moments import Moments, ShownClip, TubeletReading, clip_name, marks, value_text
from worldprobe.findings.wording import number, property_name
from worldprobe.report.drawing.pictures import colour_of

_KINDS = {".webp": "image/webp", ".png": "image/png"}


def page(run: Path, moments: Moments) -> list[dict[str, Any]]:
    """For each clip what the page's script needs, pictures included."""
    return [_clip(run / "moments", clip) for clip in moments.clips]


def previews(run: Path, moments: Moments) -> list[dict[str, Any]]:
    """Labelled frames as the page draws them: the picture held whole, boxes in its px."""
    found = []
    for clip in moments.clips:
        one = clip.labelled
        if one is None or not (source := inlined(run / "moments" / one.picture)):
            continue
        boxes = [
            {
                "x": round((box.x - box.w / 2) * one.width, 1), "y": round((box.y - box.h / 2) * one.height, 1),
                "w": round(box.w * one.width, 1), "h": round(box.h * one.height, 1), "name": box.name,
                "colour": colour_of(box.object),
            }
            for box in one.boxes
        ]  # fmt: skip
        left, top, width, height = one.seen
        seen = [left * one.width, top * one.height, width * one.width, height * one.height]
        found.append(
            {
                "picture": source, "size": (one.width, one.height), "boxes": boxes, "name": clip.video,
                "seconds": number(one.seconds), "seen": [round(side, 1) for side in seen],
            }
        )  # fmt: skip
    return found


def _clip(folder: Path, clip: ShownClip) -> dict[str, Any]:
    return {
        "name": clip_name(clip),
        "seconds": clip.seconds,
        "tubelet": clip.tubelet,
        "size": [clip.width, clip.height],
        "pictures": inlined(folder / clip.pictures),
        "tokens": inlined(folder / clip.tokens) if clip.tokens else "",
        "boxes": [[b.frame, b.x, b.y, b.w, b.h, b.name, b.object] for b in clip.boxes],
        "readings": [_reading(reading) for reading in clip.readings],
        "marks": marks(clip),
        "surprise": clip.surprise,
        "surprises": [number(value, 3) for value in clip.surprise],
    }


def inlined(path: Path) -> str:
    """A picture as an address that holds it whole; empty where it is gone."""
    return address(path.read_bytes(), path.suffix) if path.exists() else ""


def address(picture: bytes, suffix: str) -> str:
    """An encoded picture as an address that holds it whole; the suffix, such as ``.webp``, is that of its kind."""
    return f"data:{_KINDS[suffix]};base64,{base64.b64encode(picture).decode()}"


def _reading(reading: TubeletReading) -> dict[str, Any]:
    pairs = list(zip(reading.told, reading.label, strict=True))
    right = [bool(told == label) if reading.classes and told and label else None for told, label in pairs]
    return {
        "name": property_name(reading.task),
        "told": [value_text(reading, told) for told, _ in pairs],
        "label": [value_text(reading, label) for _, label in pairs],
        "right": right,
    }
