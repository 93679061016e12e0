"""What a run says of impossible videos: kinds that surprise separates, and those above every control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from worldprobe.findings.score import Fact, VerdictKind
from worldprobe.findings.verdicts import by_intervals
from worldprobe.findings.wording import number, rough
from worldprobe.intervals import Score, Standing
from worldprobe.results import FEW_GROUPS, SurpriseResult

CALIBRATED = "calibrated auroc"
# What is a fact of the encoder alone: it says how much surprises, not how well the impossible is separated.
_OWN = ("flagged", "rarity")
ABOVE_ALL = "above every control"


class Violation(Fact):
    """How well surprise separates one kind of impossible videos: scores by "measure metric", for both encoders.

    ``stands``: how the encoder's stand to its twin's. Of the calibrated AUROC: ``controls`` by method, the twin's
    among them, and ``verdict``; none in runs of older versions.
    """

    name: str
    pairs: int
    trained: dict[str, Score]
    twin: dict[str, Score]
    stands: dict[str, Standing]
    controls: dict[str, Score] = Field(default_factory=dict)
    verdict: str = ""
    kind: VerdictKind = "not-judged"


def read_violations(surprises: Sequence[SurpriseResult], encoder: str) -> list[Violation]:
    """Read each kind of violation, with its controls and verdict, from the lines of a run."""
    found = []
    for name in dict.fromkeys(r.violation for r in surprises):
        every = [r for r in surprises if r.violation == name]
        same = [r for r in every if r.method == "predictor"]
        ours, twins = (
            {f"{r.measure} {r.metric}": _score(r) for r in same if (r.encoder == encoder) is mine}
            for mine in (True, False)
        )
        twins = {key: score for key, score in twins.items() if key in ours and not key.endswith(_OWN)}
        paired = {f"{r.measure} {r.metric}": r.against_twin for r in same if r.encoder == encoder}
        stands = {
            key: paired[key] or by_intervals(ours[key], other, groups=same[0].n) for key, other in twins.items()
        }
        controls = _controls(every, encoder)
        kind, verdict = _judge(ours.get(CALIBRATED), {name: stand for name, (_, stand) in controls.items()})
        found.append(
            Violation(
                name=name, pairs=same[0].n, trained=ours, twin=twins, stands=stands, verdict=verdict, kind=kind,
                controls={name: score for name, (score, _) in controls.items()},
            )
        )  # fmt: skip
    return found


def _controls(every: Sequence[SurpriseResult], encoder: str) -> dict[str, tuple[Score, Standing]]:
    """What a kind's calibrated AUROC is by each control, and how the encoder's stands to it."""
    lines = [r for r in every if f"{r.measure} {r.metric}" == CALIBRATED]
    own = next((r for r in lines if (r.encoder, r.method) == (encoder, "predictor")), None)
    if own is None:
        return {}
    found: dict[str, tuple[Score, Standing]] = {}
    for r in lines:
        stand = own.against_twin if r.encoder != encoder else own.against.get(r.method)
        if stand is not None:
            found["untrained twin" if r.encoder != encoder else r.method] = (_score(r), stand)
    return found


def _judge(own: Score | None, stands: Mapping[str, Standing]) -> tuple[VerdictKind, str]:
    """Judge a kind: whether surprise separates it, and better than what knows nothing of the world."""
    if own is None or own.interval is None:
        return "not-judged", ""
    if own.interval[0] <= 0.5:
        return "no-evidence", "not above chance"
    even = [name for name, stand in stands.items() if stand != "above"]
    if not stands:
        return "above", "above chance; beside no control"
    return ("not-shown", f"above chance, not shown above {', '.join(even)}") if even else ("above", ABOVE_ALL)


def surprise_headline(violations: Sequence[Violation]) -> str:
    """Name the kinds that surprise separates, and those it separates better than every control does."""
    kinds = [one for one in violations if one.verdict and not one.name.endswith(("all", "none"))]
    if not kinds:
        return ""
    found = [one.name for one in kinds if one.kind != "no-evidence"]
    best = [one.name for one in kinds if one.kind == "above"]
    return (
        f"Of {len(kinds)} kinds of violation calibrated surprise is above chance at {', '.join(found) or 'none'}, "
        f"and above every control at {', '.join(best) or 'none'}. What a control separates as well is nothing that "
        "the model knows of the world."
    )


def surprise_caveats(surprises: Sequence[SurpriseResult], violations: Sequence[Violation]) -> list[str]:
    """Warn of too few pairs, and of pairs without a violation that surprise separates."""
    few = min((r.n for r in surprises), default=FEW_GROUPS)
    found = [rough(few, "surprise at a kind of violation", noun="pair")] if few < FEW_GROUPS else []
    apart = [one for one in violations if one.name.endswith("none") and one.kind in ("above", "not-shown")]
    return [
        *found,
        *(
            f"Pairs without a violation ({one.name}) are separated by calibrated surprise, AUROC "
            f"{number(one.trained[CALIBRATED].value)}: it is not to be trusted here."
            for one in apart
        ),
    ]


def _score(r: SurpriseResult) -> Score:
    return Score(value=r.score, low=r.low, high=r.high)
