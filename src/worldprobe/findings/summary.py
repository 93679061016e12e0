"""A run's folder becomes facts: each score beside its controls, with the verdict that its interval allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from worldprobe.errors import WorldprobeError
from worldprobe.findings import original, use_cases, verdicts
from worldprobe.findings import run_files as files
from worldprobe.findings.answer import answer_questions
from worldprobe.findings.caveats import collect_caveats
from worldprobe.findings.decoding import read_decoding
from worldprobe.findings.deltas import compare_deltas
from worldprobe.findings.evidence import read_evidence
from worldprobe.findings.facts import Summary
from worldprobe.findings.moments import quoted_only
from worldprobe.findings.next_steps import suggest_next_steps
from worldprobe.findings.prediction import read_prediction
from worldprobe.findings.scores import rows_of
from worldprobe.findings.setup import encoder_of
from worldprobe.findings.wording import count
from worldprobe.io.files import StrPath
from worldprobe.results import (
    AnyResult,
    CostResult,
    OtherResult,
    PowerResult,
    ProbeResult,
    VerdictResult,
    read_results,
)


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
    if not others and not any(r.control == "none" for r in probes):
        raise WorldprobeError(
            f"nothing to report: {run / 'results.jsonl'} holds no scores. Run `worldprobe probe ... --out {run}`."
        )
    provenance = files.read_provenance(run / "provenance.json")
    waterfall = original.read_original(probes, files.read_alignment(run))
    # What lies between the original protocol and the sound one stands in the waterfall only.
    judged = [r for r in results if isinstance(r, PowerResult | VerdictResult)]
    rows = rows_of([r for r in probes if not r.protocol.startswith("original")], run, judged)
    # What a control of a decoder read is another encoder.
    read = [r for r in others if getattr(r, "baseline", "none") in ("none", "copy-last")]
    encoder = encoder_of(provenance, [r.encoder for r in (*rows, *(read or others))])
    labels = files.read_labels(run)
    future = read_prediction(others, encoder.name, files.read_curves(run))
    decoding = read_decoding(others, files.read_losses(run / "decoders"))
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
        use_cases=use_cases.grade_use_cases(rows, future, decoding),
        use_case_rule=use_cases.RULE,
        original=waterfall,
        caveats=(
            *collect_caveats(rows, encoder, labels, failures, sizes=films.get("sizes", {}), notes=notes),
            *(future.caveats if future else ()),
            *(decoding.caveats if decoding else ()),
            *_unknown(results),
        ),
        notes=notes,
        deltas=compare_deltas(rows, results),
        future=future,
        decoding=decoding,
    )
    opening = answer_questions(rows, future, decoding, whole.label)
    worth = read_evidence(rows, results, whole.label)
    moments = quoted_only(files.read_moments(run), opening)
    whole = whole.model_copy(update={"answers": opening, "evidence": worth, "moments": moments})
    return whole.model_copy(update={"next_steps": suggest_next_steps(whole)})


def _unknown(results: Sequence[AnyResult]) -> list[str]:
    """Lines of kinds that this version does not know."""
    return [
        f"{count(number, 'line')} of results.jsonl of the kind {kind!r}, which this version does not know, "
        f"{'is' if number == 1 else 'are'} kept and not moments."
        for kind, number in Counter(r.kind for r in results if isinstance(r, OtherResult)).items()
    ]
