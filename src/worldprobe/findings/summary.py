"""A run's folder becomes facts: each score beside its controls, with the verdict that its interval allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from worldprobe.errors import WorldprobeError
from worldprobe.findings import run_files as files
from worldprobe.findings import use_cases, verdicts
from worldprobe.findings.answer import answer_questions, quoted_only
from worldprobe.findings.caveats import collect_caveats
from worldprobe.findings.facts import Summary
from worldprobe.findings.finding import Run
from worldprobe.findings.next_steps import suggest_next_steps
from worldprobe.findings.scores import rows_of
from worldprobe.findings.setup import encoder_of
from worldprobe.findings.story import headlines, tell_story
from worldprobe.findings.wording import count
from worldprobe.io.files import StrPath
from worldprobe.results import (
    AnyResult,
    CostResult,
    EvidenceResult,
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
    # What lies between the original protocol and the sound one stands in the waterfall only.
    judged = [r for r in results if isinstance(r, PowerResult | VerdictResult | EvidenceResult)]
    rows = rows_of([r for r in probes if not r.protocol.startswith("original")], run, judged)
    # What a control of a decoder read is another encoder.
    read = [r for r in others if getattr(r, "baseline", "none") in ("none", "copy-last")]
    named = [getattr(r, "encoder", "") for r in (*rows, *(read or others))]
    encoder = encoder_of(provenance, [name for name in named if name])
    labels = files.read_labels(run)
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
        rule=verdicts.RULE if any(isinstance(r, VerdictResult) for r in judged) else verdicts.OLD_RULE,
        use_cases=(),
        use_case_rule=use_cases.RULE,
        caveats=(),
        notes=notes,
    )
    found = Run(run, tuple(results), rows, encoder.name, files.read_alignment(run), provenance)
    whole = whole.model_copy(update={name: kind.of(found) for name, kind in Summary.findings().items()})
    opening = answer_questions(rows, whole.future, whole.energy, whole.decoding, whole.label)
    update = {
        "answers": opening,
        "story": tell_story(opening, whole.future)
        or headlines((whole.future, whole.readouts, whole.consistency), whole.original, whole.unlabelled),
        "moments": quoted_only(whole.moments, opening),
        "use_cases": use_cases.grade_use_cases(rows, whole.future, whole.decoding),
        "caveats": (
            *collect_caveats(rows, encoder, labels, failures, sizes=films.get("sizes", {}), notes=notes),
            *(whole.future.caveats if whole.future else ()),
            *(whole.decoding.caveats if whole.decoding else ()),
            *_unknown(results),
        ),
    }
    whole = whole.model_copy(update=update)
    return whole.model_copy(update={"next_steps": suggest_next_steps(whole)})


def _unknown(results: Sequence[AnyResult]) -> list[str]:
    """Lines of kinds that this version does not know."""
    return [
        f"{count(number, 'line')} of results.jsonl of the kind {kind!r}, which this version does not know, "
        f"{'is' if number == 1 else 'are'} kept and not shown."
        for kind, number in Counter(r.kind for r in results if isinstance(r, OtherResult)).items()
    ]
