"""What must be known before a figure is quoted, worked out from what happened in the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf
from types import MappingProxyType

from worldprobe.controls import CONTROLS
from worldprobe.findings.rows import Row
from worldprobe.findings.setup import EncoderFacts, FailedClip, LabelFacts
from worldprobe.findings.verdicts import row_name
from worldprobe.findings.wording import CHOSEN, ERRORS, METRICS, count, interval, number, rough, rough_note
from worldprobe.results import FEW_GROUPS

WIDE = 0.2
MANY_WAYS = 4
MOST_NAMED = 3


def collect_caveats(
    rows: Sequence[Row],
    encoder: EncoderFacts,
    labels: LabelFacts | None,
    failures: Sequence[FailedClip],
    *,
    sizes: Mapping[str, int] = MappingProxyType({}),
    notes: Sequence[str] = (),
) -> tuple[str, ...]:
    """What a reader must know before quoting a figure; each follows from what happened in the run.

    Args:
        sizes: how many videos have each size, such as ``1280 x 720``.
        notes: what was done with films and labels that are not as usual.
    """
    found: list[str] = []
    if encoder.status == "untrained":
        found.append(
            f"{encoder.name} has untrained weights: the figures describe the architecture, not a trained model, "
            "and nothing here says what a trained one knows."
        )
    elif encoder.status == "unknown":
        found.append("The run does not record whether the encoder's weights were trained.")
    found += _of_rows(rows)
    found += _of_sizes(sizes)
    found += _folded(notes)
    return (*found, *left_out(labels, failures))


def few_groups(rows: Sequence[Row]) -> list[str]:
    """Of how few groups scores are, where an interval from so few cannot be trusted."""
    groups: dict[tuple[int, bool], list[Row]] = {}
    for row in rows:
        if row.main.score.value is not None and row.n_groups < FEW_GROUPS:
            old = row.main.z is None  # from before the test by groups
            groups.setdefault((row.n_groups, old), []).append(row)
    return [rough(number_, _names(few), old=old) for (number_, old), few in sorted(groups.items())]


def left_out(labels: LabelFacts | None, failures: Sequence[FailedClip]) -> list[str]:
    """Labels and clips that no figure speaks of."""
    found: list[str] = []
    if labels and labels.lost:
        reasons = ", ".join(f"{reason} {number_:,}" for reason, number_ in labels.dropped if number_)
        total = labels.lost + (labels.kept or 0)
        found.append(f"{labels.lost:,} of {total:,} labels were dropped: {reasons}.")
    if failures:
        first = failures[0]
        what = "clip" if any(one.clip for one in failures) else "video"
        clip = f", clip {first.clip}" if first.clip else ""
        found.append(
            f"{count(len(failures), what)} failed and {'is' if len(failures) == 1 else 'are'} in none of the "
            f"figures; the first: {first.video}{clip}: {first.error}"
        )
    return found


def _of_rows(rows: Sequence[Row]) -> list[str]:
    found: list[str] = []
    found += few_groups(rows)
    found += _wide(rows)
    unsure = [row for row in rows if any(x.score.value is not None and x.score.interval is None for x in row.lines)]
    if unsure:
        found.append(f"No interval, so no verdict: {_names(unsure)}.")
    for control in CONTROLS:
        if missing := [row for row in rows if control in row.main.missing]:
            found.append(f"The control {control} was not run: {_names(missing)}.")
        for row in rows:
            score = row.main.controls.get(control)
            if score and score.value is None and row.main.score.value is not None:
                found.append(
                    f"The control {control} has no score for {row_name(row)}: {score.note or 'no reason given'}."
                )
    found += _of_choice(rows)
    found += _of_constants(rows)
    if only := [row for row in rows if row.split == "random"]:
        found.append(f"Only the random split was run, and it leaks: {_names(only)}.")
    notes: dict[str, list[Row]] = {}
    for row in rows:
        for note in row.notes:
            if note != rough_note(row.n_groups):  # said above, of all such rows at once
                notes.setdefault(note, []).append(row)
    found += [f"{note.rstrip('.')} ({_names(named)})." for note, named in notes.items()]
    return found


def _wide(rows: Sequence[Row]) -> list[str]:
    """Intervals too wide to say much, the widest first."""
    wide = [
        (ends[1] - ends[0], f"{row_name(row)}, {METRICS[line.metric]}, {interval(line.score)}")
        for row in rows
        for line in row.lines
        if line.metric not in ERRORS and (ends := line.score.interval) and ends[1] - ends[0] > WIDE
    ]
    named = [name for _, name in sorted(wide, key=lambda one: -one[0])]
    if not named:
        return []
    more = f"; and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    head = "A wide interval" if len(named) == 1 else f"{len(named)} wide intervals"
    return [
        f"{head} (over {number(WIDE, 1)}): {'; '.join(named[:MOST_NAMED])}{more}. More groups would narrow them."
    ]


def _of_sizes(sizes: Mapping[str, int]) -> list[str]:
    if len(sizes) < 2:
        return []
    by_number = sorted(sizes.items(), key=lambda one: -one[1])
    most = ", ".join(f"{n:,} of {size}" for size, n in by_number[:MOST_NAMED])
    more = f" and {len(sizes) - MOST_NAMED} more sizes" if len(sizes) > MOST_NAMED else ""
    return [
        f"Videos of {len(sizes)} sizes ({most} px{more}): positions, sizes and speeds are shares of each "
        "video's own width and height, so that the same number is not the same distance; and of frames of another "
        "shape the model's crop leaves out other parts."
    ]


def _folded(notes: Sequence[str]) -> list[str]:
    """Notes on single films that differ by the film alone, as one."""
    films: dict[str, list[str]] = {}
    for note in notes:
        film, space, rest = note.partition(" ")
        named = bool(space) and "/" in film
        films.setdefault(rest if named else note, []).extend([film.rpartition("/")[2]] if named else [])
    found = []
    for text, named_films in films.items():
        more = f" and {len(named_films) - MOST_NAMED} more" if len(named_films) > MOST_NAMED else ""
        found.append(f"{', '.join(named_films[:MOST_NAMED])}{more} {text}".strip())
    return found


def _of_choice(rows: Sequence[Row]) -> list[str]:
    """That the best of many stands too high by chance, where many were read."""
    taps = {row.tap for row in rows if row.features != CHOSEN}
    if len(taps) > 2:
        advice = (
            "Quote the rows “chosen”: in each fold their tap was chosen on validation groups, and scored on groups "
            "that had no say in it."
            if any(row.features == CHOSEN for row in rows)
            else "Quote the one that was chosen before, or choose it on videos that are not scored."
        )
        return [f"{len(taps)} taps were read: the best of so many stands too high by chance. {advice}"]
    ways = max((sum(other.task == row.task for other in rows) for row in rows), default=0)
    if ways > MANY_WAYS:
        return [
            f"A property was read in up to {ways} ways (features, input, probe): the best of so many stands too "
            "high by chance. Quote the one that was chosen before, or all of them."
        ]
    return []


def _of_constants(rows: Sequence[Row]) -> list[str]:
    """In how many folds nothing beat a constant, which is then what these folds answer."""
    left: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        if constants := sum(isinf(penalty) for penalty in row.chosen):
            left.setdefault((constants, len(row.chosen)), []).append(row)
    return [
        f"In {few} of {count(folds, 'fold')} the inner folds found nothing better than a constant, which is what "
        f"the probe answers there: {_names(named)}."
        for (few, folds), named in sorted(left.items(), reverse=True)
    ]


def _names(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(row_name(row) for row in rows))
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
