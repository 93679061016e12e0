"""How a run was measured, in five lines, for a page that has no room for more."""

from __future__ import annotations

from typing import Any

from worldprobe.controls import CONTROLS
from worldprobe.findings.facts import Summary
from worldprobe.findings.score import tap_name
from worldprobe.findings.wording import SPLITS, count, joined

_VERSIONS = ("worldprobe", "python", "torch", "transformers")
_MOST_FEATURES, _LONGEST = 4, 40


def how_measured(summary: Summary) -> list[tuple[str, str]]:
    """Lines of (what, in words): the encoder, films and labels, the read-out, controls, and what intervals are."""
    lines = [("Encoder", _encoder(summary)), ("Data", _data(summary)), ("Read-out", _probes(summary))]
    lines += [("Compared with", _compared(summary)), ("How sure", _sure(summary))]
    return [(name, f"{text}.") for name, text in lines if text]


def versions(summary: Summary) -> str:
    """What the run was made with: versions, the revision of the weights, the seed."""
    found = _part(summary.provenance, "versions")
    named = [f"{name} {found[name]}" for name in _VERSIONS if found.get(name)]
    named += [f"weights {summary.encoder.revision[:16]}"] if summary.encoder.revision else []
    facts = summary.provenance
    named += [f"seed {facts['seed']}"] if "seed" in facts else []
    named += [f"videos {sha[:12]}"] if (sha := str(_part(facts, "videos").get("sha256", ""))) else []
    return ", ".join(named) or "the run holds no provenance.json"


def _part(facts: dict[str, Any], name: str) -> dict[str, Any]:
    """An object within the run's record, or within that of a stage which was made otherwise; empty without one."""
    stages = facts.get("otherwise")
    records = [facts, *(stages.values() if isinstance(stages, dict) else [])]
    parts = [record.get(name) for record in records if isinstance(record, dict)]
    return next((part for part in parts if isinstance(part, dict) and part), {})


def _name(text: str) -> str:
    """A name as far as a line has room for it."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _encoder(summary: Summary) -> str:
    sight, cost = _part(summary.provenance, "sight"), _part(summary.provenance, "cost")
    facts = [_name(summary.encoder.name), summary.encoder.status]
    facts += [f"{cost['parameters']:,} parameters"] if isinstance(cost.get("parameters"), int) else []
    if {"frames", "width", "height"} <= sight.keys():
        facts.append(f"clips of {sight['frames']} frames, {sight['width']} × {sight['height']} px")
    return f"{', '.join(facts)}; frozen, nothing was fine-tuned"


def _data(summary: Summary) -> str:
    videos, labels = _part(summary.provenance, "videos"), summary.labels
    found = [count(videos["count"], "video")] if isinstance(videos.get("count"), int) else []
    if labels and labels.kept is not None:
        sources = joined(name for name, _ in labels.sources)
        found.append(f"{count(labels.kept, 'label')} used{f', by {sources}' if sources else ''}")
    found += [f"{count(len(summary.failures), 'clip')} failed"] if summary.failures else []
    return "; ".join(found)


def _probes(summary: Summary) -> str:
    if not summary.rows:
        return ""
    features = list(dict.fromkeys(_name(row.features) for row in summary.rows))
    more = f" and {len(features) - _MOST_FEATURES} more" if len(features) > _MOST_FEATURES else ""
    taps = list(dict.fromkeys(_name(tap_name(row.tap)) for row in summary.rows))
    where = taps[0] if len(taps) == 1 else f"{len(taps)} taps"
    splits = joined(f"{row}: {SPLITS[row]}" if row in SPLITS else row for row in _splits(summary))
    probes = joined(dict.fromkeys(_name(row.probe) for row in summary.rows))
    return (
        f"{probes} from {', '.join(features[:_MOST_FEATURES])}{more} of {where}, the penalty chosen on inner "
        f"folds, each example scored once, out of fold; split {splits}"
    )


def _splits(summary: Summary) -> list[str]:
    return list(dict.fromkeys(row.split for row in summary.rows))


def _compared(summary: Summary) -> str:
    run = {control for row in summary.rows for control in (*row.main.controls, *row.main.positive)}
    controls = joined(name for name in CONTROLS if name in run)
    found = [f"the same probe on what should not work ({controls}), on the same folds"] if controls else []
    found += ["predictions with baselines that are fitted to, or copy, the same windows"] if summary.future else []
    found += ["drawings with what needs no embedding of the frame"] if summary.decoding else []
    return "; ".join(found)


def _sure(summary: Summary) -> str:
    groups = sorted({row.n_groups for row in summary.rows})
    span = (
        count(groups[0], "group") if len(groups) == 1 else f"{groups[0]} to {groups[-1]} groups" if groups else ""
    )
    caveats = f"; {count(len(summary.caveats), 'caveat')} in the report" if summary.caveats else ""
    return f"95 % intervals resample whole groups{f' ({span})' if span else ''}; above means beyond chance{caveats}"
