"""What a score is worth: beside its best control, beside shuffled labels, and in bits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError
from worldprobe.execute.threads import together
from worldprobe.intervals import Draws, Score, no_draws
from worldprobe.probes.choice import Validated, fit_all
from worldprobe.probes.evaluate import Step, require_finite, unwatched
from worldprobe.probes.linear.picked import Picked
from worldprobe.probes.metrics import varying
from worldprobe.probes.question import Question
from worldprobe.probes.splits import Folds
from worldprobe.probes.training import TrainingRows, TrainingSets

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PORTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
# A target that is a number is sent to this share of its spread; it sets the zero of the bits.
PRECISION = 1 / 128
# No residual is taken for smaller than this share of the target's spread: what is sent has no more digits.
_LEAST_SPREAD = PRECISION


def skill(score: Draws, best_control: Draws) -> Score:
    """The share of what the best control leaves that the probe explains: ``(score - best) / (1 - best)``.

    1 is perfect, 0 no better than the control. The interval is of the same resampled groups for both, so both
    have to be drawn under the same seed and groups.
    """
    if best_control.value is not None and best_control.value >= 1:
        return no_draws("the best control is perfect: nothing is left to explain").score()

    def share(score: Floats, best: Floats) -> Floats:
        left = 1 - best
        return np.asarray(np.where(left > 0, (score - best) / np.where(left > 0, left, 1.0), np.nan))

    found = score.combine(best_control, share).score()
    own = score.score().interval
    if found.value != 1 or own is None:
        return found
    # All groups are right: as uncertain as that is, by the score's own interval, is what is explained by it.
    low, high = share(np.array(own), np.full(2, best_control.value)).tolist()
    return found.model_copy(update={"low": low, "high": high})


def selectivity(score: Draws, shuffled: Draws) -> Score:
    """The score less that of the same probe on labels shuffled between groups (Hewitt and Liang 2019, section 2).

    A probe that is high on both learns by itself and says little of the features. Paired as ``skill`` is.
    """
    return difference(score, shuffled)


def difference(one: Draws, other: Draws) -> Score:
    """One score less another, its interval on the same resampled groups."""
    return one.less(other).score()


@dataclass(frozen=True, slots=True)
class CodeLength:
    """Bits to send the targets to someone who has the features, block by block.

    Attributes:
        online: with the probe, refitted after each block.
        constant: with what the earlier blocks' targets alone suggest, refitted likewise.
        uniform: without anything: equally likely classes, or one normal with the target's mean and spread.
        rows: targets sent.
        note: what hides in the figures.
    """

    online: float
    constant: float
    uniform: float
    rows: int
    note: str = ""

    @property
    def compression(self) -> float:
        """``uniform / online``, as Voita and Titov report it; for numbers it depends on ``PRECISION``."""
        return self.uniform / self.online

    @property
    def compression_of_constant(self) -> float:
        """``constant / online``: above 1 only if the features say something."""
        return self.constant / self.online

    @property
    def saved_bits_per_row(self) -> float:
        """What the features save of each row's code, against the constant; depends on no precision."""
        return (self.constant - self.online) / self.rows


def online_code_length(
    inputs: NDArray[np.float32],
    question: Question,
    folds: Folds,
    *,
    seed: int,
    portions: tuple[float, ...] = PORTIONS,
    components: int | None = None,
    step: Step = unwatched,
) -> CodeLength:
    """``online_code_lengths`` of one question."""
    return online_code_lengths(
        inputs, [question], folds, seed=seed, portions=portions, components=components, step=step
    )[0]


def online_code_lengths(
    inputs: NDArray[np.float32],
    questions: Sequence[Question],
    folds: Folds,
    *,
    seed: int,
    portions: tuple[float, ...] = PORTIONS,
    components: int | None = None,
    step: Step = unwatched,
) -> list[CodeLength]:
    """Minimum description length by online coding (Voita and Titov 2020, section 2.2; eq. 3), in bits.

    Units come in random order, or in that of time where neighbours are purged, in blocks that end at the given
    shares of them. The first block is sent by the uniform code; each later one by the probe fitted to all before
    it that is far enough away, its penalty chosen on inner folds of those. A number is sent as a normal around its
    prediction, to 1/128 of the target's spread, with the spread that the constant or the probe left on inner
    folds, mixed with a little of the uniform code. All questions see the same training sets, which are decomposed
    once.

    Args:
        inputs: [n, d].
        questions: of the same rows.
        folds: of the split: its units, and what it keeps apart.
        portions: increasing, ending with 1.
        components: as of ``TrainingSets``.
        step: called after each block but the first, for each question.

    Raises:
        ProbeError: fewer than two units to a later block's fit, features that are not finite, a constant target.
    """
    assert list(portions) == sorted(set(portions))
    assert portions[-1] == 1.0
    require_finite(inputs)
    questions = [_what_varies(question) for question in questions]
    place, ends = _blocks(questions[0], folds, seed, portions)
    sets = TrainingSets(inputs, folds.unit, components=components)
    uniform = [_uniform_bits(question) for question in questions]

    def block(start: int, stop: int) -> list[tuple[float, float]]:
        """Bits of the block of units from ``start`` to ``stop``, by each question's probe and by its constant."""
        sent = np.flatnonzero((place >= start) & (place < stop))
        known = folds.apart(np.flatnonzero(place < start), sent)
        inner = folds.inner(known, seed)
        found = []
        if inner:
            training, shown = sets.prepare(known, inner), Picked(inputs, sent)
            for question, fitted in zip(questions, fit_all(questions, training), strict=True):
                found.append(_block_bits(training, question, fitted, shown, known, sent))
                step()
        else:  # all that came before lies too near
            for bits in uniform:
                found.append((float(bits[sent].sum()),) * 2)
                step()
        return found

    # The last block's training set is the largest: begun first, the others keep the other cores at work meanwhile.
    works = [partial(block, *ends) for ends in reversed(list(itertools.pairwise(ends)))]
    blocks = together(works, nbytes=inputs.nbytes)[::-1]
    return [
        _code_length(question, bits, place < ends[0], [of_block[number] for of_block in blocks])
        for number, (question, bits) in enumerate(zip(questions, uniform, strict=True))
    ]


def _code_length(
    question: Question, uniform: Floats, first: NDArray[np.bool_], blocks: Sequence[tuple[float, float]]
) -> CodeLength:
    """Sum a question's bits: of rows [n] by the uniform code, as which the first are sent, and of later blocks."""
    start = float(uniform[first].sum())
    online, constant = (sum((of_block[code] for of_block in blocks), start=start) for code in (0, 1))
    note = "" if question.classes else f"numbers are sent to {PRECISION:.4f} of their spread"
    return CodeLength(online, constant, float(uniform.sum()), len(uniform), note)


def _blocks(question: Question, folds: Folds, seed: int, portions: tuple[float, ...]) -> tuple[Ints, list[int]]:
    """Each row's place, that of its unit in the order of sending, and the places at which blocks end."""
    names = np.unique(folds.unit)
    if folds.purge is None:
        names = np.random.default_rng(seed).permutation(names)
    ends = sorted({max(2, round(share * len(names))) for share in portions})
    if len(names) < 4 or len(ends) < 2:
        raise ProbeError(
            f"online coding of {question.title} needs at least 4 groups, found {len(names)}. Add video."
        )
    place = np.empty(len(folds.unit), dtype=np.int64)
    for index, name in enumerate(names):
        place[folds.unit == name] = index
    return place, ends


def _what_varies(question: Question) -> Question:
    """A question without the columns that are constant. Raises ProbeError where all are."""
    varies = varying(question.target)
    if not varies.any():
        raise ProbeError(f"{question.title} is constant: there is nothing to send")
    if varies.all() or question.classes:
        return question
    return replace(question, target=question.target[:, varies])


def _block_bits(
    training: TrainingRows, question: Question, fitted: Validated, shown: Picked, known: Ints, sent: Ints
) -> tuple[float, float]:
    """Bits of the rows sent, by the probe and by the constant, both fitted to the rows known."""
    truth = question.target[sent]
    output = fitted.predict(shown)
    if question.classes:
        codes = truth[:, 0].astype(np.int64)
        # Laplace's rule: a class that was not seen yet can still be sent, by either code.
        counts = np.bincount(question.target[known, 0].astype(np.int64), minlength=question.classes) + 1.0
        shares = counts / counts.sum()
        rare = question.classes / counts.sum()
        probability = (1 - rare) * np.exp(output[np.arange(len(codes)), codes]) + rare / question.classes
        return float(-np.log2(probability).sum()), float(-np.log2(shares[codes]).sum())
    spread = question.target.std(axis=0)
    errors = [question.target[train].mean(axis=0) - question.target[held] for _, train, _, held in training.inner]
    plain = (np.concatenate(errors) ** 2).mean(axis=0)
    mean = question.target[known].mean(axis=0)
    # As for classes, either code keeps a little for what the known rows gave no hint of: an error far beyond what
    # was expected costs some bits more than by the uniform code, not the square of its size.
    rare, blind = 1 / (len(known) + 1), _normal_bits(truth - question.target.mean(axis=0), spread, spread)

    def bits(error: Floats, expected: Floats) -> float:
        likely = _normal_bits(error, expected, spread)
        return float(-np.logaddexp2(np.log2(1 - rare) - likely, np.log2(rare) - blind).sum())

    return bits(truth - output, np.sqrt(fitted.errors)), bits(truth - mean, np.sqrt(plain))


def _uniform_bits(question: Question) -> Floats:
    """Of each row [n], by the code that knows nothing."""
    if question.classes:
        return np.full(len(question.target), np.log2(question.classes))
    spread = question.target.std(axis=0)
    bits = _normal_bits(question.target - question.target.mean(axis=0), spread, spread)
    return np.asarray(bits.sum(axis=1))


def _normal_bits(error: Floats, expected: Floats, spread: Floats) -> Floats:
    """Bits [n, k] of errors [n, k] under a normal of the expected size [k], to ``PRECISION`` of the spread [k]."""
    sigma = np.maximum(expected, _LEAST_SPREAD * spread)
    nats = 0.5 * (error / sigma) ** 2 + np.log(sigma * np.sqrt(2 * np.pi) / (PRECISION * spread))
    return np.asarray(nats / np.log(2))
