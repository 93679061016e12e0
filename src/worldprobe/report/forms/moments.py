"""A few clips to look at: what the page scrubs through, and what Markdown says of them."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from worldprobe.findings.answer_facts import Answer
from worldprobe.findings.moments import Box, Moments, Reading, ShownClip, Values
from worldprobe.findings.wording import NONE, number, property_name

# Okabe and Ito's palette without black, by object; the page's script has the same.
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
_KINDS = {".webp": "image/webp", ".png": "image/png"}


def quoted_only(moments: Moments | None, answers: Sequence[Answer]) -> Moments | None:
    """The clips with the readings alone that the report opens with."""
    if moments is None:
        return None
    places = [(a.task, a.features, a.tap, a.probe, a.input) for a in answers if a.about == "property"]
    clips = []
    for clip in moments.clips:
        by_place = {(reading.task, *_place(reading)): reading for reading in clip.readings}
        kept = tuple(by_place[place] for place in places if place in by_place)
        clips.append(clip.model_copy(update={"readings": kept}))
    return moments.model_copy(update={"clips": tuple(clips)})


def _place(reading: Reading) -> tuple[str, str, str, str]:
    return reading.features, reading.tap, reading.probe, reading.input


def said(reading: Reading, values: Values) -> str:
    """A read-out or a label in words: a class, degrees, or numbers."""
    if values is None:
        return NONE
    if reading.classes:
        code = int(values[0])
        return reading.classes[code] if 0 <= code < len(reading.classes) else NONE
    if reading.task == "direction":
        return f"{number(math.degrees(math.atan2(values[1], values[0])), 0)}°"
    return ", ".join(number(value) for value in values)


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
                "colour": colour_of(box),
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


def clip_name(clip: ShownClip) -> str:
    """``film.mp4, 1.3 s``."""
    return f"{clip.video}, {number(clip.seconds[0], 1)} s"


def colour_of(box: Box) -> str:
    """An object keeps its colour; what has no track is white."""
    return COLOURS[box.object % len(COLOURS)] if box.object >= 0 else "#ffffff"


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


def _reading(reading: Reading) -> dict[str, Any]:
    pairs = list(zip(reading.told, reading.label, strict=True))
    right = [bool(told == label) if reading.classes and told and label else None for told, label in pairs]
    return {
        "name": property_name(reading.task),
        "told": [said(reading, told) for told, _ in pairs],
        "label": [said(reading, label) for _, label in pairs],
        "right": right,
    }


def marks(clip: ShownClip) -> list[list[float] | None]:
    """Where the probes put the object, by tubelet, in shares of the picture: x, y; where size was read, w, h."""
    by = {reading.task: reading.told for reading in clip.readings if not reading.classes}
    found: list[list[float] | None] = []
    for at in range(len(clip.surprise)):
        xy, wh = (by[task][at] if task in by else None for task in ("xy", "size"))
        if xy is None:
            found.append(None)
            continue
        place = [c + a * v for c, a, v in zip(clip.corner, clip.across, xy, strict=True)]
        found.append(place + ([abs(a * v) for a, v in zip(clip.across, wh, strict=True)] if wh else []))
    return found
