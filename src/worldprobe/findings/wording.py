"""How numbers and names are written, the same in every form of the report."""

from __future__ import annotations

from collections.abc import Iterable

from worldprobe.intervals import Score
from worldprobe.printable import one_line
from worldprobe.results import FEW_GROUPS, Metric

MINUS = "\N{MINUS SIGN}"
GRADES = {
    "strong": "● strong", "partial": "◐ partial", "no-evidence": "○ no evidence", "not-measured": "– not measured",
}  # fmt: skip
NONE = "\N{EN DASH}"

METRICS: dict[Metric, str] = {
    "r2": "R²",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "angular_error": "angular error, degrees",
}
# Features, and part of the tap, of a score whose tap validation groups chose in each fold.
CHOSEN = "chosen"
# Metrics of which less is better.
ERRORS: tuple[Metric, ...] = ("angular_error",)
PROPERTIES = {
    "xy": "XY position",
    "size": "Object size",
    "class": "Object class",
    "motion": "Motion direction",
    "velocity": "Velocity",
    "direction": "Heading",
    "motion8": "Motion in 8 directions",
    "approach": "Approach",
    "count": "Number of objects",
    "visible": "Visible share",
    "depth": "Depth",
    "pose": "Object pose",
    "xyz": "Hand position",
    "xyz-velocity": "Hand velocity",
    "joints": "Joint angle",
    "gripper": "Gripper opening",
    "contact": "Contact",
    "grasped": "Grasped",
    "time-to-contact": "Time to contact",
    "camera-motion": "Camera motion",
    "relative-action": "Relative action",
    "task": "Task",
}
# The same, for a sentence of plain words.
PLAIN = {
    "xy": "where things are",
    "size": "how large they are",
    "class": "what they are",
    "motion": "which way they move",
    "motion8": "which of 8 ways they move",
    "velocity": "how fast they move",
    "direction": "where they head",
    "approach": "whether they come nearer",
    "count": "how many there are",
    "visible": "how much of them is in sight",
    "depth": "how far away they are",
    "pose": "how they are turned",
    "contact": "whether the robot touches",
    "grasped": "whether the hand holds",
}
FEATURES = {
    "z": "one vector a tubelet: tokens averaged over space",
    "grid": "tokens averaged in 4 × 4 cells: position is kept",
    "cls": "the class token, of the pass that gave the others",
    "delta": "difference of successive z",
    "z+delta": "z beside its difference from the one before",
    "tokens": "every token of a tubelet as it is, for attentive probes",
    CHOSEN: "the block and the features that validation groups chose in each fold",
    "nuisance": "video identity and time only",
}
CALLS = {
    "prefix": "context encoded alone (used here)",
    "plain forward": "transformers' plain forward (not used)",
}
CAPTIONS = {
    "horizon": "Error and skill by horizon, with 95 % intervals.",
    "error_map": "Where predictions fail: L1 by token.",
    "prediction_comparison": "Context, and the future: as told, as decoded from its true embeddings, as it came.",
    "violations": "Possible and impossible videos, alike but for the violation, and the surprise at each.",
    "surprise": "Surprise over time, and what was seen at its peaks.",
}
DECODER_CAPTIONS = {
    "decoder_reconstructions": "Held-out moments as drawn by each decoder and control.",
    "decoder_calibration": "The error of samples' mean against the one that follows from how much they differ, of "
    "px by the latter. On the line, the spread says how far off a picture may be.",
    "decoder_loss": "Loss in training and on held-out groups.",
}
PIXEL_METHODS = {
    "predictor": "predicted",
    "decode-actual": "DECODE_ACTUAL",
    "copy-last-frame": "copy-last frame",
    "mean-image": "mean image",
}
# "measure metric" of surprise, beside the calibrated AUROC.
MEASURES = {
    "calibrated relative_accuracy": "relative accuracy, calibrated",
    "mean relative_accuracy": "relative accuracy, mean",
    "max relative_accuracy": "relative accuracy, max",
    "mean auroc": "AUROC, mean",
    "max auroc": "AUROC, max",
}
CAMERA = {
    "kept": "speeds are those in the picture, the camera's motion among them",
    "subtracted": "the camera's motion is subtracted from speeds: they are against the world behind",
}
# What every 95 % interval of a run is of.
SPEAKS = (
    "95 % intervals are of what was trained and fitted here, met with new groups (or pairs) of this kind; they do "
    "not say what the encoder would give in a new sample."
)
SPLITS = {
    "grouped": "whole groups (a shot, a rendered scene, an episode) are held out; none stands on both sides",
    "blocked": "contiguous blocks of time are held out; what is nearer to them than a clip, or than labels stay "
    "alike, is purged",
    "video": "whole videos are held out",
    "random": "single samples are held out: neighbours of a test frame are trained on, so the score is flattered. "
    "It is measured only to show by how much",
}


def number(value: float | None, digits: int = 2) -> str:
    """A value as text, with a true minus sign and no negative zero; a dash for None."""
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def signed(value: float | None, digits: int = 2) -> str:
    """A difference as text: always with its sign, except zero."""
    text = number(value, digits)
    return text if value is None or float(f"{value:.{digits}f}") <= 0 else f"+{text}"


def interval(score: Score, digits: int = 2) -> str:
    """``[low, high]``, or nothing where the interval is not known."""
    ends = score.interval
    return f"[{number(ends[0], digits)}, {number(ends[1], digits)}]" if ends else ""


def with_interval(score: Score, digits: int = 2) -> str:
    """``0.83 [0.79, 0.86]``."""
    return f"{number(score.value, digits)} {interval(score, digits)}".strip()


def difference(score: Score) -> str:
    """A difference with its sign and its interval: ``+0.03 [0.00, 0.07]``."""
    return f"{signed(score.value)} {interval(score)}".strip()


def count(items: int, noun: str) -> str:
    """``1 group``, ``1,200 groups``."""
    return f"{items:,} {noun}" + ("" if items == 1 else "s")


def joined(items: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; nothing of nothing."""
    *first, last = list(items) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def plain_name(task: str, how: str) -> str:
    """A property in plain words, with what its row of the tables is called: ``where things are (xy, grid)``."""
    name = property_name(task)
    known = name != one_line(task)
    words = PLAIN.get(task, name[:1].lower() + name[1:] if known else name)
    return f"{words} ({task}, {how})" if known else f"{words} ({how})"


def size(bytes_: int) -> str:
    """Bytes in MB or GB (powers of ten)."""
    return f"{bytes_ / 1e9:.2f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:.0f} MB"


def duration(seconds: float) -> str:
    """``0.4 s``, ``42 s``, ``3 min 05 s``, ``2 h 03 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def property_name(task: str) -> str:
    """A task's name for a reader, on one line; the task itself where it is none of the known ones."""
    name, _, dimension = task.partition(".")
    return " ".join(filter(None, (PROPERTIES[name], dimension))) if name in PROPERTIES else one_line(task)


_ROUGH = "Only "


def is_rough(caveat: str) -> bool:
    """Whether a caveat is one of ``rough``."""
    return caveat.startswith(_ROUGH)


def rough_note(groups: int) -> str:
    """Say of a score, beside it, of how few groups it is: a report says it once of all such scores by ``rough``."""
    return f"only {groups} groups: the interval is rough"


def rough(groups: int, what: str, *, noun: str = "group", old: bool = False) -> str:
    """The caveat of scores of so few groups; ``old``: their intervals are percentiles of resamples alone."""
    narrow = "; as this run is an older one, they are too narrow as well" if old else ""
    return (
        f"{_ROUGH}{count(groups, noun)} ({what}): below {FEW_GROUPS}, intervals are wide, and rough themselves"
        f"{narrow}."
    )
