"""Cross-validation of probes that read tokens as they are: the same folds and the same answers as the others'."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.choice import PenaltyChoice
from worldprobe.probes.evaluate import Collected, OutOfFold, Step, unwatched
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Folds
from worldprobe.protocols import TokenProbe

# Rows of noise made at a time.
_CHUNK = 64


def cross_fit_tokens(
    tokens: NDArray[np.float16],
    usable: NDArray[np.int64],
    questions: Sequence[Question],
    folds: Folds,
    *,
    seed: int,
    step: Step = unwatched,
) -> dict[Hashable, OutOfFold]:
    """Out-of-fold answers of token probes, which choose on groups held out of their training rows.

    Args:
        tokens: [n, t, d], in memory or in a file; only batches of it are read.
        usable: the rows [m] that questions' targets and the folds speak of.
        questions: whose probes are ``TokenProbe``.
        step: called after each question of each fold.

    Raises:
        ProbeError: tokens that are not finite, or training rows of one group.
    """
    found = {question.name: Collected(question) for question in questions}
    for question in questions:
        probe = question.probe
        assert isinstance(probe, TokenProbe)
        # By the tokens' rows, since the probe takes its batches out of these.
        target, unit = np.zeros((len(tokens), question.target.shape[1])), np.full(len(tokens), -1)
        target[usable], unit[usable] = question.target, folds.unit
        for fold in folds.folds:
            fitted = probe.fit(
                tokens, target, unit=unit, rows=usable[fold.train], classes=question.classes, seed=seed
            )
            # A probe that chooses by itself has put its slope into what it predicts.
            strength, loss = fitted.choice()
            choice = PenaltyChoice(strength, 1.0, loss)
            found[question.name].add(fold, fitted.predict(tokens, usable[fold.test]), choice)
            step()
    return {name: one.answer() for name, one in found.items()}


def gaussian_like(tokens: NDArray[np.float16], into: NDArray[np.float16], *, seed: int) -> NDArray[np.float16]:
    """Standard normal noise in the shape of ``tokens`` [n, t, d], written into an array of that shape."""
    generator = np.random.default_rng(seed)
    for start in range(0, len(tokens), _CHUNK):
        shape = tokens[start : start + _CHUNK].shape
        into[start : start + _CHUNK] = generator.standard_normal(shape, dtype=np.float32)
    return into
