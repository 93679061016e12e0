"""A run's folder becomes facts: each score beside its controls, with the verdict that its interval allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from worldprobe.errors import WorldprobeError
from worldprobe.findings import original, use_cases, verdicts
from worldprobe.findings import run_files as files
from worldprobe.findings.answer import answers
from worldprobe.findings.caveats import caveats
from worldprobe.findings.decoding import decoding
from worldprobe.findings.deltas import deltas
from worldprobe.findings.evidence import evidence
from worldprobe.findings.facts import EncoderFacts, Line, Row, Score, Summary
from worldprobe.findings.next_steps import next_steps
from worldprobe.findings.prediction import future
from worldprobe.findings.wording import ERRORS, count
from worldprobe.io.files import StrPath
from worldprobe.report.forms import moments as moment_view
from worldprobe.results import Control, CostResult, Metric, OtherResult, ProbeResult, read_results

METRIC_ORDER: tuple[Metric, ...] = ("r2", "accuracy", "balanced_accuracy", "macro_f1", "angular_error")
Key = tuple[str, ...]


def summarize(run: StrPath) -> Summary:
    """The facts of a run.

    Any kind of result will do: a run need not have probes. Raises WorldprobeError where there are no results but
    costs, where a probe's score has no controls (a lone number says nothing), where two results claim the same
    place, or where a file of the run is damaged.
    """
    run = Path(run)
    results = read_results(run / "results.jsonl")
    probes = [r for r in results if isinstance(r, ProbeResult)]
    others = [r for r in results if not isinstance(r, ProbeResult | CostResult | OtherResult)]
    strange = Counter(r.kind for r in results if isinstance(r, OtherResult))
    if not others and not any(r.control == "none" for r in probes):
        raise WorldprobeError(
            f"nothing to report: {run / 'results.jsonl'} holds no scores. Run `worldprobe probe ... --out {run}`."
        )
    provenance = files.read_provenance(run / "provenance.json")
    remade = original.original(probes, files.read_alignment(run))
    # What lies between the original protocol and the sound one stands in the waterfall only.
    rows = _rows([r for r in probes if not r.protocol.startswith("original")], run)
    # What a control of a decoder read is another encoder.
    read = [r for r in others if getattr(r, "baseline", "none") in ("none", "copy-last")]
    encoder = _encoder(provenance, [r.encoder for r in (*rows, *(read or others))])
    labels = files.read_labels(run)
    told = future(others, encoder.name, files.read_curves(run))
    drawn = decoding(others, files.read_losses(run / "decoders"))
    failures = files.read_failures(run / "failures.jsonl")
    films = provenance.get("videos") or {}
    notes = tuple(dict.fromkeys([*map(str, films.get("notes", ())), *(labels.notes if labels else ())]))
    whole = Summary(
        name=run.resolve().name,
        encoder=encoder,
        rows=rows,
        labels=labels,
        failures=failures,
        costs=tuple(r for r in results if isinstance(r, CostResult)),
        provenance=provenance,
        experiment=files.read_experiment_text(run / "experiment.toml"),
        rule=verdicts.RULE,
        use_cases=use_cases.use_cases(rows, told, drawn),
        use_case_rule=use_cases.RULE,
        original=remade,
        caveats=(
            *caveats(rows, encoder, labels, failures, sizes=films.get("sizes", {}), notes=notes),
            *(told.caveats if told else ()),
            *(drawn.caveats if drawn else ()),
            *(
                f"{count(number, 'line')} of results.jsonl of the kind {kind!r}, which this version does not know, "
                f"{'is' if number == 1 else 'are'} kept and not shown."
                for kind, number in strange.items()
            ),
        ),
        notes=notes,
        deltas=deltas(rows, results),
        future=told,
        decoding=drawn,
    )
    opening = answers(rows, told, drawn, whole.label)
    worth = evidence(rows, results, whole.label)
    shown = moment_view.quoted_only(files.read_moments(run), opening)
    whole = whole.model_copy(update={"answers": opening, "evidence": worth, "moments": shown})
    return whole.model_copy(update={"next_steps": next_steps(whole)})


def _encoder(provenance: dict[str, Any], names: Sequence[str]) -> EncoderFacts:
    """The encoder as the run recorded it, else by the ``names`` that its results give, less untrained twins."""
    recorded = provenance.get("encoder")
    if not isinstance(recorded, dict):
        own = [name for name in dict.fromkeys(names) if name.replace("random:", "", 1) not in {*names} - {name}]
        return EncoderFacts(name=", ".join(own))
    known = {key: str(recorded[key]) for key in ("name", "revision", "status") if recorded.get(key) is not None}
    known.setdefault("name", names[0])
    return EncoderFacts(**known, more={k: v for k, v in recorded.items() if k not in EncoderFacts.model_fields})


def _key(result: ProbeResult) -> Key:
    """What makes two real scores rows of their own; the split comes on top."""
    r = result
    return (r.task, r.features, r.encoder, r.tap, r.input, r.probe, r.protocol)


def _rows(probes: Sequence[ProbeResult], run: Path) -> tuple[Row, ...]:
    """One row a probe and sound split; the random split alone makes a row only where nothing sound was run."""
    by_key: dict[Key, dict[str, dict[Metric, ProbeResult]]] = {}
    for real in (r for r in probes if r.control == "none"):
        metrics = by_key.setdefault(_key(real), {}).setdefault(real.split, {})
        if real.metric in metrics:
            raise WorldprobeError(
                f"two results for {real.task} on {real.features} ({real.metric}, {real.split} split) in "
                f"{run / 'results.jsonl'}. Delete the file and run `worldprobe probe ... --out {run}` again."
            )
        metrics[real.metric] = real
    rows = []
    for splits in by_key.values():
        leaky = splits.get("random", {})
        for split in [s for s in splits if s != "random"] or ["random"]:
            reals = [splits[split][m] for m in METRIC_ORDER if m in splits[split]]
            audit = leaky if split != "random" else {}
            lines = [_line(real, _controls(real, probes, run), audit.get(real.metric)) for real in reals]
            rows.append(_row(reals[0], lines))
    order = list(dict.fromkeys(row.task for row in rows))
    return tuple(sorted(rows, key=lambda row: order.index(row.task)))


def _row(real: ProbeResult, lines: Sequence[Line]) -> Row:
    # The reason for a missing score is in the verdict already; said again as a note it would be noise.
    notes = () if real.score is None else tuple(real.notes)
    names = ("task", "features", "encoder", "tap", "input", "probe", "protocol", "split")
    return Row(
        **{name: getattr(real, name) for name in names},
        main=lines[0],
        others=tuple(lines[1:]),
        n_train=real.n_train,
        n_test=real.n_test,
        n_groups=real.n_groups,
        chosen=tuple(real.chosen),
        taps=tuple(real.taps),
        notes=notes,
    )


def _controls(real: ProbeResult, probes: Sequence[ProbeResult], run: Path) -> dict[Control, Score]:
    """The controls of one score: same task, features, input, split, protocol and metric, and the same tap.

    A control that was read at a tap of its own (``pixels/block0.out``) stands beside every tap of the run.
    """
    taps = {r.tap for r in probes if r.control == "none"}
    same = ("task", "features", "input", "probe", "split", "protocol", "metric")
    found: dict[Control, ProbeResult] = {}
    for r in probes:
        if r.control == "none" or any(getattr(r, name) != getattr(real, name) for name in same):
            continue
        if r.tap != real.tap and r.tap in taps:
            continue
        if r.control in found:
            raise WorldprobeError(
                f"two results of the control {r.control} for {real.task} on {real.features} ({real.metric}) in "
                f"{run / 'results.jsonl'}. Delete the file and run `worldprobe probe ... --out {run}` again."
            )
        found[r.control] = r
    if not found and real.score is not None:
        raise WorldprobeError(
            f"{real.task} on {real.features} ({real.metric}, {real.split} split) has no controls, and a score "
            f"without them says nothing. Run `worldprobe probe ... --tasks {real.task} --features {real.features} "
            f"--split {real.split} --controls all --out {run}`."
        )
    return {control: _score(r) for control, r in found.items()}


def _score(result: ProbeResult) -> Score:
    if result.control == "majority" and result.metric == "r2" and result.score == 0.0:
        # R² is measured against the training folds' mean, so a constant scores 0 with nothing to resample.
        return Score(value=0.0, low=0.0, high=0.0)
    note = "; ".join(result.notes) if result.score is None else ""
    return Score(value=result.score, low=result.low, high=result.high, note=note)


def _line(real: ProbeResult, controls: dict[Control, Score], leaky: ProbeResult | None) -> Line:
    score = _score(real)
    best = verdicts.best(controls, metric=real.metric)
    top = controls[best].value if best else None
    random = _score(leaky) if leaky else None
    sign = -1 if real.metric in ERRORS else 1
    return Line(
        metric=real.metric,
        score=score,
        controls=controls,
        best_control=best,
        margin=_difference(score.value, top, sign),
        random=random,
        leak=_difference(random.value, score.value, sign) if random else None,
        verdict=verdicts.judge(real.metric, score, controls, split=real.split),
    )


def _difference(a: float | None, b: float | None, sign: int) -> float | None:
    return None if a is None or b is None else sign * (a - b)
