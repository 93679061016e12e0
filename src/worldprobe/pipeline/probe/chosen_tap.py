"""Which tap to quote: chosen on validation groups in each fold, and scored on groups that had no say in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from worldprobe.pipeline.probe.answers import Answered
from worldprobe.pipeline.probe.plan import CHOSEN
from worldprobe.probes.evaluate import OutOfFold

# Losses that differ by less than this share are alike.
_ROUNDING = 1e-9


def chosen_taps(answered: Sequence[Answered]) -> list[Answered]:
    """Of each probe, control and split one more answer: in each fold that of the tap with the least inner loss.

    The best of many taps, picked by its score, stands too high by chance. Here the pick is part of the fit: inner
    folds make it, among all blocks and kinds of features, and the outer fold's test groups score it (nested
    cross-validation; Cawley and Talbot 2010). Controls choose among their own taps in the same way.
    """
    together: dict[tuple[str, ...], list[Answered]] = {}
    for one in answered:
        key = (one.probe_task.task, one.probe_task.probe, one.plan.input, one.control, one.folds.kind)
        together.setdefault(key, []).append(one)
    return [_chosen(several) for several in together.values()]


def _chosen(several: Sequence[Answered]) -> Answered:
    first = several[0]
    answers = [one.answer for one in several]
    losses = np.array([one.validation for one in answers])
    # Where all are left at the constant their losses differ by rounding, which must not choose: the first does.
    best = (losses <= losses.min(axis=0) * (1 + _ROUNDING)).argmax(axis=0)
    prediction, constant = answers[0].prediction.copy(), answers[0].constant
    shares = None if answers[0].shares is None else (answers[0].shares[0].copy(), answers[0].shares[1])
    for fold, index in zip(first.folds.folds, best, strict=True):
        prediction[fold.test] = answers[index].prediction[fold.test]
        if shares is not None:
            shares[0][fold.test] = answers[index].shares[0][fold.test]
    picks = [(answers[index], fold) for fold, index in enumerate(best)]
    picked = OutOfFold(
        prediction,
        constant,
        tuple(one.chosen[fold] for one, fold in picks if one.chosen),
        tuple(one.slopes[fold] for one, fold in picks if one.slopes),
        tuple(one.validation[fold] for one, fold in picks),
        shares,
    )
    taps = tuple(f"{several[index].tap} {several[index].features}" for index in best)
    tap = first.tap.rpartition("/")[0] + f"/{CHOSEN}"
    return replace(first, tap=tap, features=CHOSEN, answer=picked, taps=taps, detectable=None)
