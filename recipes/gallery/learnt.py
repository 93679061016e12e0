"""What is learnt of a run, in three sentences: worked out from its facts by rules, never written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipes.gallery.facts import Facts

from worldprobe.findings.wording import METRICS, count, joined, number, property_name, signed

SENTENCES = 3
_SHIFTS = ("survives", "weaker", "lost", "cannot tell", "nothing to keep")


def learnt(pages: Mapping[str, Facts]) -> list[str]:
    """Say what a run found, in three sentences at most.

    Of one report the first three of its story; of the original protocol what it gives as published, what is left
    and what cost most. Of several pages each has its say: the first sentence of each report, how many differences a
    comparison shows, what survives the values that were held out.

    Args:
        pages: facts of each page of the run, by its file, in order.
    """
    reports = [facts for facts in pages.values() if facts["form"] == "report"]
    others = [facts for facts in pages.values() if facts["form"] != "report"]
    if not others:
        (report,) = reports
        found = of_original(report["original"]) if report["original"] else []
        if report["deltas"]:
            found += [report["deltas"]["conclusion"], *report["story"]]
        return (found or [*report["story"]])[:SENTENCES]
    found = [sentence for facts in others for sentence in _of_form(facts)]
    shifts = [sentence for report in reports[:1] if (sentence := of_shift(report))]
    # A report beside a comparison says its first sentence, so that the three are of three kinds.
    stories = [f"{report['encoder']}: {_lowered(report['story'][0])}" for report in reports[:1] if report["story"]]
    return [*stories, *shifts, *found][:SENTENCES]


def _of_form(facts: Facts) -> list[str]:
    return of_comparison(facts) if facts["form"] == "comparison" else of_watch(facts)


def of_original(original: Facts) -> list[str]:
    """Say what the original protocol gives as published, at its sound end, and by which step most went."""
    falls = original["falls"]
    first = joined(f"{_name(fall)} {_value(fall['steps'][0])}" for fall in falls)
    judged = {fall["verdict"] or "not judged" for fall in falls}
    each = "" if len(judged) > 1 else f"; of each: {min(judged)}"
    last = joined(
        f"{_name(fall)} {_value(fall['steps'][-1])}" + ("" if each else f" ({fall['verdict'] or 'not judged'})")
        for fall in falls
    )
    costs = [
        f"{property_name(fall['task'])} {step['name']} ({signed(step['change'])})"
        for fall in falls
        if (step := _costliest(fall["steps"])) is not None
    ]
    found = [
        f"As published, on {original['labelled']:,} labelled frames: {first}.",
        f"With every artefact taken away: {last}{each}.",
    ]
    return [*found, f"The step that costs most: of {joined(costs)}."] if costs else found


def _costliest(steps: Sequence[Facts]) -> Facts | None:
    known = [step for step in steps if (step["change"] or 0) < 0]
    return min(known, key=lambda step: step["change"], default=None)


def of_comparison(facts: Facts) -> list[str]:
    """Say which runs hold more, and which less, than the first; then how many differences are shown at all."""
    base, *others = facts["runs"]
    found = []
    for standing in ("higher", "lower"):
        named: dict[str, list[str]] = {}
        for reading in facts["readings"]:
            for name, cell in zip(others, reading["cells"][1:], strict=True):
                if cell["standing"] == standing:
                    named.setdefault(f"{property_name(reading['task'])} from {reading['features']}", []).append(
                        f"{name} {signed(cell['difference']['value'])}"
                    )
        if named:
            each = "; ".join(f"{what}: {', '.join(runs)}" for what, runs in named.items())
            found.append(f"{standing.capitalize()} than {base}, shown by paired differences: {each}.")
    return [*found, facts["by_chance"]]


def of_watch(facts: Facts) -> list[str]:
    """Say what was learnt when, property by property, and then what became of the ranks."""
    ranks = ("effective rank", "rankme", "lidar", "Tokens")
    properties = [one for one in facts["conclusions"] if not one.startswith(ranks)]
    rest = [one for name in ranks[:2] for one in facts["conclusions"] if one.startswith(name)]
    return [f"{one[:1].upper()}{one[1:]}" for one in (*properties, *rest)]


def of_shift(facts: Facts) -> str:
    """Say what survives the values that were held out; empty where none were."""
    if not facts["shift"]:
        return ""
    by_kind: dict[str, list[str]] = {}
    for row in facts["shift"]:
        kind = next((one for one in _SHIFTS if row["survives"].startswith(one)), "not judged")
        by_kind.setdefault(kind, []).append(row["task"])
    order = [kind for kind in (*_SHIFTS, "not judged") if kind in by_kind and kind != "nothing to keep"]
    rest = len(by_kind.get("nothing to keep", ()))
    parts = [f"{kind}: {_few(by_kind[kind])}" for kind in order]
    parts += [f"nothing to keep: {count(rest, 'property').replace('propertys', 'properties')}"] if rest else []
    return f"On another {facts['shift'][0]['factor']} than was trained on: {'; '.join(parts)}."


def _few(names: Sequence[str], most: int = 6) -> str:
    more = len(names) - most
    return joined([*names[:most], count(more, "more").removesuffix("s")]) if more > 0 else joined(names)


def _name(fall: Mapping[str, Any]) -> str:
    return f"{property_name(fall['task'])} {METRICS[fall['metric']]}"


def _value(step: Facts) -> str:
    return number(step["score"]["value"])


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
