"""Cross-validation of probes that read tokens as they are: the same folds and the same answers as the others'."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.evaluate import OutOfFold, Question, Step, constant_of, unwatched
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
    answers: dict[Hashable, OutOfFold] = {}
    for question in questions:
        probe = question.probe
        assert isinstance(probe, TokenProbe)
        width = 1 if question.classes else question.target.shape[1]
        prediction, constant = np.full((2, len(question.target), width), np.nan)
        # By the tokens' rows, since the probe takes its batches out of these.
        target, unit = np.zeros((len(tokens), question.target.shape[1])), np.full(len(tokens), -1)
        target[usable], unit[usable] = question.target, folds.unit
        chosen, validation = [], []
        for fold in folds.folds:
            fitted = probe.fit(
                tokens, target, unit=unit, rows=usable[fold.train], classes=question.classes, seed=seed
            )
            output = fitted.predict(tokens, usable[fold.test])
            prediction[fold.test] = output.argmax(axis=1)[:, None] if question.classes else output
            constant[fold.test] = constant_of(question, fold.train)
            strength, loss = fitted.choice()
            chosen.append(strength)
            validation.append(loss)
            step()
        answers[question.name] = OutOfFold(prediction, constant, tuple(chosen), tuple(validation))
    return answers


def gaussian_like(tokens: NDArray[np.float16], into: NDArray[np.float16], *, seed: int) -> NDArray[np.float16]:
    """Standard normal noise in the shape of ``tokens`` [n, t, d], written into an array of that shape."""
    generator = np.random.default_rng(seed)
    for start in range(0, len(tokens), _CHUNK):
        shape = tokens[start : start + _CHUNK].shape
        into[start : start + _CHUNK] = generator.standard_normal(shape, dtype=np.float32)
    return into
