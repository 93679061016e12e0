"""Questions to answers: those that are known on the same rows share every decomposition."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.pipeline.probe.answers import Answers, ProbeTask, numbers, shuffled
from worldprobe.pipeline.probe.plan import LINEAR_PROBES
from worldprobe.probes.detection import power
from worldprobe.probes.evaluate import OutOfFold, Step, cross_fit, unwatched
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Folds
from worldprobe.probes.tokens import cross_fit_tokens
from worldprobe.probes.training import Sums

Rows = NDArray[Any]


def answer(
    inputs: Rows,
    probe_tasks: Sequence[ProbeTask],
    *,
    real: bool = True,
    leaky: bool = False,
    shuffle: bool = False,
    seed: int = 0,
    planted: dict[Hashable, Question] | None = None,
    sums: Sums | None = None,
    components: int | None = None,
    step: Step = unwatched,
) -> Answers:
    """Answers from features float32 [n, d] of all moments; ``sums`` of moments, where others add them up, and
    ``components`` as of ``cross_fit``.

    ``real``: by folds that keep groups apart; ``leaky``: also, or alone, by random ones. ``planted`` gets for each
    linear probe's question one of planted effects, which is answered too. ``step`` is called after each fit, of
    which there are as many as ``fits`` says.
    """

    signals: dict[bytes, power.Signals] = {}

    def fit(usable: NDArray[np.int64], questions: Sequence[Question], folds: Folds) -> dict[Hashable, OutOfFold]:
        known = None if sums is None else lambda sets: sums([usable[rows] for rows in sets])
        return cross_fit(only(inputs, usable), questions, folds, sums=known, components=components, step=step)

    def plant(usable: NDArray[np.int64], one: ProbeTask) -> list[Question]:
        if planted is None or one.probe not in LINEAR_PROBES:
            return []
        rows, key = only(inputs, usable), usable.tobytes()
        if key not in signals:  # the same for all tasks on the same rows
            signals[key] = power.Signals.of(rows, seed=seed)
        targets = power.planted(rows, numbers(one.question), one.folds, seed=seed, signals=signals[key])
        planted[one.question.name] = power.question_of(one.question.name, targets)
        return [planted[one.question.name]]

    return _answers(fit, probe_tasks, real=real, leaky=leaky, shuffle=shuffle, seed=seed, plant=plant)


def answer_tokens(
    tokens: Rows,
    probe_tasks: Sequence[ProbeTask],
    *,
    leaky: bool = False,
    shuffle: bool = False,
    seed: int = 0,
    step: Step = unwatched,
) -> Answers:
    """Answers from tokens float16 [n, t, d] of all moments, which may lie in a file; ``step`` as of ``answer``."""

    def fit(usable: NDArray[np.int64], questions: Sequence[Question], folds: Folds) -> dict[Hashable, OutOfFold]:
        return cross_fit_tokens(tokens, usable, questions, folds, seed=seed, step=step)

    return _answers(fit, probe_tasks, leaky=leaky, shuffle=shuffle, seed=seed)


def only(inputs: Rows, usable: NDArray[np.int64]) -> Rows:
    """Some rows of features [n, d]; all of them are not copied."""
    return inputs if len(usable) == len(inputs) else inputs[usable]


def rows_of(one: ProbeTask) -> Hashable:
    """What is equal for tasks on the same rows with the same folds, which may share training sets."""
    purge = one.folds.purge
    return one.target.usable.tobytes(), one.folds.unit.tobytes(), purge.seconds if purge else 0.0


def fits(probe_tasks: Sequence[ProbeTask], *, leaky: bool = False, shuffle: bool = False) -> int:
    """How many fits answering takes: of each question on each fold, inner ones apart."""
    return sum(
        len(one.folds.folds) * (1 + shuffle) + (len(one.leaky.folds) if leaky and one.leaky is not None else 0)
        for one in probe_tasks
    )


def planted_fits(probe_tasks: Sequence[ProbeTask]) -> int:
    """How many fits planted effects add to these."""
    return sum(len(one.folds.folds) for one in probe_tasks if one.probe in LINEAR_PROBES)


def _answers(
    fit: Any,
    probe_tasks: Sequence[ProbeTask],
    *,
    real: bool = True,
    leaky: bool,
    shuffle: bool,
    seed: int,
    plant: Callable[[NDArray[np.int64], ProbeTask], list[Question]] = lambda usable, one: [],
) -> Answers:
    by_rows: dict[Hashable, list[ProbeTask]] = {}
    for one in probe_tasks:
        by_rows.setdefault(rows_of(one), []).append(one)
    found: Answers = {}
    for together in by_rows.values():
        usable = np.flatnonzero(together[0].target.usable)
        questions = [one.question for one in together]
        if leaky and together[0].leaky is not None:
            for name, given in fit(usable, questions, together[0].leaky).items():
                found[name, "random"] = given
        if not real:
            continue
        names = {one.question.name: (one.question.name, "real") for one in together}
        if shuffle:
            mixed = [shuffled(one, seed) for one in together]
            pairs = zip(mixed, together, strict=True)
            names |= {other.name: (one.question.name, "shuffled") for other, one in pairs}
            questions += mixed
        for one in together:
            for other in plant(usable, one):
                names[other.name] = (one.question.name, "planted")
                questions.append(other)
        for name, given in fit(usable, questions, together[0].folds).items():
            found[names[name]] = given
    return found
