"""Lines of the kind ``decoding`` become facts: each decoder beside its controls, and the ladder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from worldprobe.errors import WorldprobeError
from worldprobe.findings.finding import Finding, Run
from worldprobe.findings.score import Fact, VerdictKind, score_of
from worldprobe.findings.verdicts import by_intervals
from worldprobe.findings.wording import rough
from worldprobe.intervals import Score, Standing
from worldprobe.results import FEW_GROUPS, DecodingResult


class DecoderScores(Fact):
    """One decoder, one way to ask it, or one control.

    ``verdict`` is empty for controls. ``best_control`` is that of the highest PSNR, ``floor`` its PSNR; bicubic
    frames are no controls but ``yardsticks``, and ``beyond`` names those that the whole interval lies above.
    ``calibration`` and coverage of central intervals (``middle_50``, ``middle_90``): as in ``DecodingResult``.
    """

    name: str
    encoder: str
    control: bool
    psnr: Score
    inside: Score
    outside: Score
    ssim: Score
    sharpness: Score
    spread: Score
    n: int
    n_groups: int
    n_train: int
    verdict: str = ""
    kind: VerdictKind = "not-judged"
    best_control: str = ""
    floor: Score = Score(value=None)
    beyond: tuple[str, ...] = ()
    calibration: tuple[tuple[float, float, float], ...] = ()
    middle_50: Score = Score(value=None)
    middle_90: Score = Score(value=None)
    yardsticks: tuple[str, ...] = ()

    @property
    def sureness(self) -> str:
        """How far samples' spread is that of their errors, in a sentence; empty where nothing was sampled."""
        if not self.calibration:
            return ""
        expected, found = (sum(row[which] ** 2 * row[2] for row in self.calibration) ** 0.5 for which in (0, 1))
        close = sum(share for wide, off, share in self.calibration if 2 / 3 <= wide / max(off, 1e-9) <= 3 / 2)
        return (
            f"{self.name}: the spread of samples is {expected / max(found, 1e-9):.2f} times what the error of "
            f"their mean asks for (1: calibrated); for {close:.0%} of the px it is so to within a factor of 1.5."
            f"{self._coverage}"
        )

    @property
    def _coverage(self) -> str:
        """How many px the central intervals hold; empty in runs of older versions."""
        half, most = self.middle_50.value, self.middle_90.value
        if half is None or most is None:
            return ""
        return f" The middle 50 % of samples hold {half:.0%} of the px, the middle 90 % hold {most:.0%}."


class Rung(Fact):
    """One rung of the ladder from the original's decoder to a sound one."""

    number: int
    change: str
    psnr: Score
    ssim: Score
    sharpness: Score
    n: int
    n_groups: int


class LossCurve(Fact):
    """A training: (step, loss in training, loss on held-out groups); ``kept`` is the step whose weights were."""

    name: str
    steps: tuple[tuple[int, float, float], ...]

    @property
    def kept(self) -> int:
        return min(self.steps, key=lambda one: one[2])[0]


class Decoding(Finding):
    """Everything a run says of decoders."""

    tap: str
    width: int
    height: int
    split: str
    headline: str
    rule: str
    drawings: tuple[DecoderScores, ...]
    rungs: tuple[Rung, ...]
    lpips: str
    caveats: tuple[str, ...]
    losses: tuple[LossCurve, ...] = ()

    @classmethod
    def of(cls, run: Run) -> Decoding | None:
        return read_decoding(run.results, read_losses(run.folder / "decoders"))


_RULE = (
    "A decoder lies above a control if its PSNR exceeds the control's, on the same resampled groups, by more than "
    "the largest such difference of all decoders reaches by chance; below it the other way round; else nothing is "
    "shown."
)
_OLD_RULE = (
    f"A decoder lies above a control if, in {FEW_GROUPS} groups or more, the lower end of its 95 % interval lies "
    "above the upper end of the control's; below it the other way round; else nothing is shown. (A run of an older "
    "version: decode again for paired differences.)"
)
_YARDSTICK = (
    "Bicubic frames are no control but a yardstick: the real frame itself, known at 8 × 8 or 16 × 16 px only. PSNR "
    "and SSIM favour blur: sharpness is the mean length of differences between neighbouring px over that of the "
    "real frames (1: as sharp as they are; more: noise)."
)
CONTROLS = {
    "mean-image": "mean image",
    "shuffled-embedding": "shuffled embeddings",
    "random-init": "untrained encoder",
    "pixels": "8 × 8 pixels",
    "bicubic-8": "bicubic from 8 × 8",
    "bicubic-16": "bicubic from 16 × 16",
    "copy-last": "copy-last",
}
_YARDSTICKS = ("bicubic-8", "bicubic-16")
_NOTHING = Score(value=None, note="not measured")
Key = tuple[str, str, str, str]


def read_losses(decoders: Path) -> tuple[LossCurve, ...]:
    """How each decoder of a run was trained, rungs of the ladder apart. Raises WorldprobeError where damaged."""
    found = []
    for path in sorted(decoders.glob("*/losses.jsonl")):
        if path.parent.name.startswith("ladder-"):
            continue
        try:
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            steps = [(one["step"], one["training"], one["validation"]) for one in lines]
            found += [LossCurve(name=path.parent.name, steps=tuple(steps))] if steps else []
        except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
            raise WorldprobeError(f"{path} is damaged: {error}. Delete its folder and run again.") from error
    return tuple(found)


def read_decoding(results: Sequence[object], losses: tuple[LossCurve, ...] = ()) -> Decoding | None:
    """The facts of a run's decoders; None where it has none."""
    lines = [one for one in results if isinstance(one, DecodingResult) and one.target == "actual"]
    sound = [one for one in lines if one.protocol == "sound"]
    if not sound:
        return None
    groups: dict[Key, list[DecodingResult]] = {}
    for one in sound:
        groups.setdefault((one.encoder, one.decoder, one.baseline, one.variant), []).append(one)
    drawings = [_drawing(group) for group in groups.values()]
    controls: dict[str, DecoderScores] = {
        group[0].baseline: found for group, found in zip(groups.values(), drawings, strict=True)
    }
    paired = [one.against for group in groups.values() for one in group[:1]]
    judged = tuple(
        one if one.control else _judged(one, controls, stands) for one, stands in zip(drawings, paired, strict=True)
    )
    first = next((group[0] for group in groups.values() if group[0].baseline == "none"), sound[0])
    lpips = next((one.notes[0] for one in sound if one.metric == "lpips" and one.notes), "")
    old = not any(one.against for one in sound)
    return Decoding(
        tap=first.tap,
        width=first.width,
        height=first.height,
        split=first.split,
        headline=_headline(judged, controls),
        rule=f"{_OLD_RULE if old else _RULE} {_YARDSTICK}",
        drawings=judged,
        rungs=_rungs([one for one in lines if one.protocol.startswith("ladder-")]),
        lpips=lpips,
        caveats=(
            *([rough(min(few), "frames drawn by decoders", old=old)] if (few := _few(judged)) else []),
            *dict.fromkeys(note for one in sound if one.metric == "psnr" for note in one.notes),
        ),
        losses=losses,
    )


def _few(drawings: Sequence[DecoderScores]) -> list[int]:
    """Groups of scores that are of too few."""
    return [one.n_groups for one in drawings if one.psnr.value is not None and one.n_groups < FEW_GROUPS]


def _drawing(lines: Sequence[DecodingResult]) -> DecoderScores:
    first = lines[0]
    found = {(one.metric, one.region): score_of(one) for one in lines}
    name = CONTROLS.get(first.baseline, first.decoder)
    if first.baseline in ("shuffled-embedding", "random-init", "pixels"):
        name = f"{first.decoder} from {name}"
    return DecoderScores(
        name=name + (f", {first.variant}" if first.variant else ""),
        encoder=first.encoder,
        control=first.baseline != "none",
        psnr=found.get(("psnr", "all"), _NOTHING),
        inside=found.get(("psnr", "inside"), _NOTHING),
        outside=found.get(("psnr", "outside"), _NOTHING),
        ssim=found.get(("ssim", "all"), _NOTHING),
        sharpness=found.get(("sharpness", "all"), _NOTHING),
        spread=found.get(("spread", "all"), _NOTHING),
        calibration=tuple(row for one in lines for row in one.calibration),
        middle_50=found.get(("coverage-50", "all"), _NOTHING),
        middle_90=found.get(("coverage-90", "all"), _NOTHING),
        n=first.n,
        n_groups=first.n_groups,
        n_train=first.n_train,
    )


def _judged(
    one: DecoderScores, controls: dict[str, DecoderScores], stands: Mapping[str, Standing]
) -> DecoderScores:
    """PSNR against each control's, and against the yardsticks."""
    by: dict[str, list[str]] = {"above": [], "not shown above": [], "below": []}
    beyond = []
    floors = [(d.psnr.value, name) for name, d in controls.items() if _binds(name) and d.psnr.value is not None]
    for baseline, other in controls.items():
        if baseline == "none" or one.psnr.interval is None or other.psnr.interval is None:
            continue
        how = stands.get(baseline) or by_intervals(one.psnr, other.psnr, groups=one.n_groups)
        if _binds(baseline):
            by["not shown above" if how == "not shown" else how].append(CONTROLS[baseline])
        elif how == "above":
            beyond.append(CONTROLS[baseline])
    best = max(floors)[1] if floors else ""
    kind: VerdictKind = "below" if by["below"] else "not-shown" if by["not shown above"] else "above"
    if not any(by.values()):
        kind = "not-measured" if one.psnr.value is None else "not-judged"
    verdict = "; ".join(f"{how} {', '.join(names)}" for how, names in by.items() if names) or "no controls were run"
    update = {
        "verdict": verdict, "kind": kind, "best_control": CONTROLS[best] if best else "",
        "floor": controls[best].psnr if best else _NOTHING, "beyond": tuple(beyond),
        "yardsticks": tuple(CONTROLS[name] for name in _YARDSTICKS if name in controls),
    }  # fmt: skip
    return one.model_copy(update=update)


def _binds(baseline: str) -> bool:
    """Whether it is a control, not the decoder itself and not a yardstick."""
    return baseline != "none" and baseline not in _YARDSTICKS


def _headline(drawings: Sequence[DecoderScores], controls: dict[str, DecoderScores]) -> str:
    """One sentence a decoder, its main way first."""
    sentences = []
    seen: set[str] = set()
    for one in drawings:
        kind = one.name.partition(",")[0]
        if one.control or kind in seen or one.psnr.value is None:
            continue
        seen.add(kind)
        sentences.append(f"{one.name}: PSNR {one.psnr.value:.1f} dB, {one.verdict}{_worth(one, controls)}.")
    return " ".join(sentences)


def _worth(one: DecoderScores, controls: dict[str, DecoderScores]) -> str:
    """Between which bicubic frames it lies."""
    marks = [(name, controls[name].psnr.value) for name in _YARDSTICKS if name in controls]
    value = one.psnr.value
    if len(marks) < 2 or value is None or any(mark is None for _, mark in marks):
        return ""
    (_, low), (_, high) = marks
    assert low is not None
    assert high is not None
    if value < low:
        return "; worth less than a frame of 8 × 8 px"
    return f"; worth {'more' if value > high else 'less'} than a frame of 16 × 16 px" + (
        "" if value > high else " and more than one of 8 × 8"
    )


def _rungs(lines: Sequence[DecodingResult]) -> tuple[Rung, ...]:
    groups: dict[int, list[DecodingResult]] = {}
    for one in lines:
        groups.setdefault(int(one.protocol.removeprefix("ladder-")), []).append(one)
    rungs = []
    for number, group in sorted(groups.items()):
        found = {one.metric: score_of(one) for one in group if one.region == "all"}
        rungs.append(
            Rung(
                number=number,
                change=group[0].change,
                psnr=found.get("psnr", _NOTHING),
                ssim=found.get("ssim", _NOTHING),
                sharpness=found.get("sharpness", _NOTHING),
                n=group[0].n,
                n_groups=group[0].n_groups,
            )
        )
    return tuple(rungs)
