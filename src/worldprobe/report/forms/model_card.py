"""A run's scores as a model card's evaluation results (``model-index``), none without its dataset and controls."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from worldprobe.config import unexpanded
from worldprobe.errors import WorldprobeError
from worldprobe.findings.answer import Answer
from worldprobe.findings.facts import Summary
from worldprobe.findings.rows import ControlledScore, Row
from worldprobe.findings.setup import conditions
from worldprobe.findings.wording import METRICS, number, property_name
from worldprobe.intervals import Score
from worldprobe.io.names import short_names
from worldprobe.series import slug

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_Facts = dict[str, Any]

# Metrics by the names that the hub has for them: (type, config).
_HUB = {"r2": ("r_squared", None), "accuracy": ("accuracy", None), "macro_f1": ("f1", "macro")}
_DIGITS = 4
# By this key in a metric's arguments a later export knows which results to replace.
_MARK = "worldprobe"
_PAIRS: _Facts = {
    "dataset_type": "rendered-violations",
    "dataset_name": "Rendered pairs of possible and impossible scenes",
}


def eval_results(summary: Summary) -> list[EvalResult]:
    """Every sound score of a run: properties, and the report's lines on prediction, surprise and decoders.

    The interval, the controls and the verdict stand in each metric's ``args``, and in short in its name, since
    cards show names only. The dataset's ``revision`` is a hash of all videos' contents.

    Raises:
        WorldprobeError: no sound score, or nothing says which videos the scores are of.
    """
    from huggingface_hub import EvalResult

    about: _Facts = {"task_type": "feature-extraction", "task_name": "What a frozen video encoder holds"}
    found = [
        EvalResult(**about, **_dataset(summary, "probe"), **_of_line(summary, row, line))
        for row in summary.rows
        if row.split != "random"
        for line in row.lines
        if line.score.value is not None
    ]
    for answer in summary.answers:
        if answer.about != "property" and answer.score.value is not None:
            stage = "decode" if answer.about == "decoder" else "predict"
            pairs = answer.about == "surprise"
            of = _PAIRS if pairs else _dataset(summary, stage)
            notes = [] if pairs else conditions(summary.notes, stage)
            found.append(EvalResult(**about, **of, **_of_answer(summary, answer, notes)))
    if not found:
        raise WorldprobeError(
            f"the run {summary.name} has no score that a model card could state: there is none, or all are of the "
            "random split, which leaks. Run `worldprobe probe ... --split grouped` or another stage first."
        )
    return found


def model_card(summary: Summary, card: str = "") -> str:
    """The front matter of a model card with a run's results; of a ``card`` that there is, all else is kept.

    Results in the card that an earlier export made are replaced, others stay. The card's own model name stays.

    Raises:
        WorldprobeError: as ``eval_results``, or a card whose metadata cannot be read.
    """
    from huggingface_hub import ModelCard, ModelCardData

    results = eval_results(summary)
    if not card.strip():
        data = ModelCardData(model_name=summary.encoder.name, eval_results=results)
        return f"---\n{data.to_yaml()}\n---\n"
    try:
        known = ModelCard(card)
    # Whatever YAML and the hub's library make of somebody's file.
    except Exception as error:
        raise WorldprobeError(f"the model card's metadata cannot be read: {error}. Name a new file.") from error
    assert isinstance(known.data, ModelCardData)
    kept = [one for one in known.data.eval_results or [] if _MARK not in (one.metric_args or {})]
    known.data.model_name = known.data.model_name or summary.encoder.name
    known.data.eval_results = [*kept, *results]
    return str(known)


def _of_line(summary: Summary, row: Row, line: ControlledScore) -> _Facts:
    kind, config = _HUB.get(line.metric, (line.metric, None))
    what = f"{property_name(row.task)} from {row.features} of {row.tap} by {row.probe}"
    facts = {
        "property": row.task, "features": row.features, "tap": row.tap, "probe": row.probe, "input": row.input,
        "split": row.split, "protocol": row.protocol, "n": row.n_test, "groups": row.n_groups,
        "controls": {name: _score(score) for name, score in line.controls.items()},
        "labels_sha256": _recorded(summary, "probe").get("labels", {}).get("sha256"),
        "notes": [*row.notes, *conditions(summary.notes, "probe")],
    }  # fmt: skip
    return {
        "metric_type": kind,
        "metric_config": config,
        "metric_value": _round(line.score.value),
        "metric_name": _name(f"{what}: {METRICS[line.metric]}", line.score, line.verdict.text),
        "metric_args": _args(summary, line.score, line.verdict.text, facts),
    }


def _of_answer(summary: Summary, answer: Answer, notes: list[str]) -> _Facts:
    what = ", ".join(filter(None, [answer.subject, answer.how]))
    facts = {"n": answer.n, f"{answer.unit}s": answer.groups, "controls": {answer.against: _score(answer.floor)}}
    facts |= {"notes": notes}
    return {
        "metric_type": slug(answer.metric.partition(",")[0].lower().replace(" ", "_")),
        "metric_value": _round(answer.score.value),
        "metric_name": _name(f"{what}: {answer.metric}", answer.score, answer.verdict),
        "metric_args": _args(summary, answer.score, answer.verdict, facts),
    }


def _name(what: str, score: Score, verdict: str) -> str:
    """What a card shows beside the value."""
    ends = f", 95 % interval {number(score.low)} to {number(score.high)}" if score.interval else ", no interval"
    return f"{what}{ends}; {verdict}"


def _args(summary: Summary, score: Score, verdict: str, facts: _Facts) -> _Facts:
    more = {
        _MARK: summary.provenance.get("versions", {}).get("worldprobe", "unknown"),
        "encoder": f"{summary.encoder.name}@{summary.encoder.revision}",
        "interval_95": None if score.interval is None else [_round(end) for end in score.interval],
        "verdict": verdict,
        **facts,
        "warning": summary.warning,
    }
    return {key: value for key, value in more.items() if value not in (None, "", [], {})}


def _score(score: Score) -> _Facts:
    ends = {"low": _round(score.low), "high": _round(score.high)} if score.interval else {}
    return {"value": _round(score.value), **ends}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _recorded(summary: Summary, stage: str) -> _Facts:
    """What the run recorded of a stage."""
    found: _Facts = summary.provenance.get("otherwise", {}).get(stage, summary.provenance)
    return found


def _dataset(summary: Summary, stage: str) -> _Facts:
    """Which videos a stage looked at: the sources that the experiment names, and the hash of all of them."""
    recorded = _recorded(summary, stage)
    videos, sources = recorded.get("videos"), unexpanded(tomllib.loads(summary.experiment).get("videos", []))
    if not isinstance(videos, dict) or not {"count", "sha256"} <= videos.keys() or not sources:
        raise WorldprobeError(
            f"nothing in the run {summary.name} says which videos its scores are of, and a number without its "
            "dataset is not exported: experiment.toml or provenance.json is missing, or was written by an older "
            "version. Run the stage again; what is encoded is not encoded again."
        )
    known = short_names(place for scheme, place in map(_place, sources) if scheme in ("", "lerobot:"))
    names = list(dict.fromkeys(scheme + known.get(place, place) for scheme, place in map(_place, sources)))
    count = f"{videos['count']} video{'' if videos['count'] == 1 else 's'}"
    return {
        "dataset_type": slug(names[0]) if len(names) == 1 else "videos",
        "dataset_name": f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''} ({count})",
        "dataset_revision": videos["sha256"],
        "dataset_args": {"videos": videos["count"]},
    }


def _place(written: str) -> tuple[str, str]:
    """A source's scheme and its place; one on this machine is shown without the folders above it."""
    scheme, colon, rest = written.partition(":")
    if scheme in ("scenes", "robots", "films", "http", "https"):
        return scheme + colon, rest
    return (scheme + colon, rest) if colon and scheme == "lerobot" else ("", written)
