"""Choose a penalty, and how far to believe what comes of it, on the inner folds of a training set."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.linear.picked import Picked
from worldprobe.probes.question import Question
from worldprobe.probes.slope import Believed, HeldOut, Numbers, Shares, class_slope
from worldprobe.probes.training import TrainingRows
from worldprobe.protocols import Fitted

Floats = NDArray[np.float64]
# After so many penalties in a row at which less than this share of the gain was left, weaker ones are not tried.
_PATIENCE, _LEAST_SHARE = 2, 0.9
# So many predictions, half a MB, are judged together.
_NEAR = 2**16
# A gain of less than this share of the constant's loss is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class PenaltyChoice:
    """What inner folds choose: the penalty and the slope, and their loss.

    Attributes:
        strength: infinite where the constant was taken.
        slope: 0 to 1.
        loss: log loss, or squared error in units of each column's variance, a held-out row; infinite where there
            are no inner folds.
    """

    strength: float
    slope: float
    loss: float


@dataclass(frozen=True, slots=True, eq=False)
class Validated:
    """A fitted probe, and what the inner folds say of it.

    Attributes:
        fitted: predicts values [m, k], or log-probabilities [m, classes].
        choices: of each block of the target.
        errors: mean squared error of each column on held-out rows, [k]; empty for classes.
        by_products: whether the probe reads rows through its training set alone, and so need not have copies.
    """

    fitted: Fitted
    choices: tuple[PenaltyChoice, ...]
    errors: Floats
    by_products: bool = False

    @property
    def choice(self) -> PenaltyChoice:
        """That of the first block."""
        return self.choices[0]

    def predict(self, inputs: NDArray[np.float32] | Picked) -> Floats:
        """As the fitted probe, of rows or of some that are picked out of others."""
        return self.fitted.predict(_read(inputs, by_products=self.by_products))


def _read(inputs: NDArray[np.float32] | Picked, *, by_products: bool) -> NDArray[np.float32]:
    """Rows as a probe reads them: picked ones as they are, if it can, else their values."""
    if not isinstance(inputs, Picked):
        return inputs
    return inputs.as_inputs() if by_products else inputs.values()


def _by_products(question: Question) -> bool:
    return _declares(question.probe, "by_products")


def _declares(probe: object, ability: str) -> bool:
    """Whether a probe's own class has an ability: one that inherits and fits otherwise may have lost it."""
    return bool(vars(type(probe)).get(ability, False))


@dataclass(slots=True, eq=False)
class _Best:
    """Of each block, the penalty, slope and summed loss [blocks] that did best so far.

    A search ends for each question by itself: ``owner`` says whose each block is, ``behind`` for how many penalties
    in a row a question gained too little. Its blocks then stay as they are. ``products`` are what the judge added
    up of the predictions that did best.
    """

    strengths: Floats
    slopes: Floats
    losses: Floats
    constant: Floats
    owner: NDArray[np.int64]
    behind: NDArray[np.int64]
    products: Floats

    @classmethod
    def begin(cls, constant: Floats, owner: NDArray[np.int64], products: Floats) -> _Best:
        """Begin with the constant: its losses [blocks], and its products, zeros [..., blocks, columns]."""
        blocks = len(constant)
        none = np.zeros(owner.max() + 1, dtype=np.int64)
        return cls(
            np.full(blocks, np.inf), np.zeros(blocks), constant.copy(), constant, owner, none, products
        )  # fmt: skip

    def improve(self, strength: float, slopes: Floats, losses: Floats, products: Floats) -> None:
        """Take what is better; a weaker penalty has to win by more than rounding."""
        going = self.behind[self.owner] < _PATIENCE
        better = going & (slopes > 0) & (losses < self.losses * (1 - _ROUNDING))
        self.strengths[better], self.slopes[better], self.losses[better] = strength, slopes[better], losses[better]
        self.products[..., better, :] = products[..., better, :]
        gain, gained = self.constant - losses, self.constant - self.losses
        some = np.bincount(self.owner, gained > 0) > 0
        short = some & (np.bincount(self.owner, ~(gain <= _LEAST_SHARE * gained)) == 0)
        self.behind = np.where(self.behind == _PATIENCE, _PATIENCE, np.where(short, self.behind + 1, 0))

    @property
    def done(self) -> bool:
        """Whether weaker penalties are to be tried for no question."""
        return bool((self.behind == _PATIENCE).all())


# Of the inner folds' held-out predictions: slopes and losses [blocks], and products [..., blocks, columns].
_Judge = Callable[[list[Floats]], tuple[Floats, Floats, Floats]]


def fit_chosen(question: Question, training: TrainingRows) -> Validated:
    """Fit a question's probe at the penalty and the slope that the inner folds choose.

    At each penalty the inner folds find the slope in [0, 1] at which the held-out predictions lose least
    (``probes.slope``), and the penalty that then loses least is taken. A probe that offers one penalty is taken as
    it is; without inner folds the strongest penalty is.
    """
    return fit_all([question], training)[0]


def fit_all(questions: Sequence[Question], training: TrainingRows) -> list[Validated]:
    """Fit each question's probe as ``fit_chosen`` does, each at a penalty and a slope of its own.

    Ridge regressions of equally wide targets are solved for side by side: the same numbers for less work.
    """
    found: dict[int, Validated] = {}
    beside: dict[Hashable, list[int]] = {}
    for index, question in enumerate(questions):
        if len(question.probe.strengths) == 1 or not training.inner:
            found[index] = _as_it_is(question, training)
        elif question.classes:
            found[index] = _of_classes(question, training)
        else:
            probe = question.probe
            joined: Hashable = index
            if _declares(probe, "side_by_side"):
                joined = (type(probe), tuple(probe.strengths))  # those of one class may differ in their penalties
            width = question.target.shape[1] // question.blocks
            beside.setdefault((joined, width), []).append(index)
    for together in beside.values():
        found |= zip(together, _of_numbers([questions[index] for index in together], training), strict=True)
    return [found[index] for index in range(len(questions))]


def _as_it_is(question: Question, training: TrainingRows) -> Validated:
    """The only penalty there is, or the strongest."""
    target, strength = question.target[training.rows], max(question.probe.strengths)
    fitted = question.probe.fit(training.design, target, strength=strength, classes=question.classes)
    choices = (PenaltyChoice(strength, 1.0, np.inf),) * question.blocks
    return Validated(fitted, choices, target.var(axis=0), _by_products(question))


def _of_numbers(questions: Sequence[Question], training: TrainingRows) -> list[Validated]:
    """Of questions whose blocks are equally wide, by the same probe."""
    owner = np.repeat(np.arange(len(questions)), [one.blocks for one in questions])
    values = questions[0].target
    if len(questions) > 1:
        values = np.concatenate([one.target for one in questions], axis=1)
    joined = replace(questions[0], target=values, blocks=len(owner))
    inner = [(train, rows) for _, train, _, rows in training.inner]
    held = HeldOut.of(values, inner, width=values.shape[1] // len(owner))
    shape = (2, len(training.inner), len(owner), held.width)
    search = _search_at_once if _declares(joined.probe, "at_all") else _search
    best = search(joined, training, held, _Best.begin(held.constant, owner, np.zeros(shape)))
    slope = np.repeat(best.slopes, held.width)
    errors = held.errors(slope, best.products.reshape(*shape[:2], -1))
    of = Numbers.of(values[training.rows])
    found = []
    for index, (question, fitted) in enumerate(zip(questions, _fit_each(questions, training, best), strict=True)):
        blocks = np.flatnonzero(owner == index)
        columns = slice(held.width * int(blocks[0]), held.width * int(blocks[-1] + 1))
        believed = Believed(fitted, of.at(columns), slope[columns])
        choices = _choices(best, blocks, held.rows)
        found.append(Validated(believed, choices, errors[columns], _by_products(question)))
    return found


def _of_classes(question: Question, training: TrainingRows) -> Validated:
    known = [Shares.of(question.target[train], question.classes) for _, train, _, _ in training.inner]
    held = [question.target[rows, 0].astype(np.int64) for *_, rows in training.inner]
    codes = np.concatenate(held)
    shares = np.repeat([one.log for one in known], [len(rows) for rows in held], axis=0)

    def judge(outputs: list[Floats]) -> tuple[Floats, Floats, Floats]:
        deviation = np.concatenate([one.deviation(output) for one, output in zip(known, outputs, strict=True)])
        slope, loss = class_slope(codes, shares, deviation)
        return np.array([slope]), np.array([loss]), np.zeros((1, 1))

    constant = np.array([-float(shares[np.arange(len(codes)), codes].sum())])
    begun = _Best.begin(constant, np.zeros(1, dtype=np.int64), np.zeros((1, 1)))
    best = _search(question, training, judge, begun)
    target = question.target[training.rows]
    of = Shares.of(target, question.classes)
    fitted = _fit_at(question, training, target, best.strengths)
    choices = _choices(best, np.zeros(1, dtype=np.int64), len(codes))
    return Validated(Believed(fitted, of, best.slopes), choices, np.empty(0), _by_products(question))


def _search(question: Question, training: TrainingRows, judge: _Judge, best: _Best) -> _Best:
    """Try penalties from the strongest on, beside a constant."""
    fitted: list[Fitted | None] = [None] * len(training.inner)
    targets = [question.target[train] for _, train, _, _ in training.inner]
    held = [_read(rows, by_products=_by_products(question)) for _, _, rows, _ in training.inner]
    for strength in sorted(question.probe.strengths, reverse=True):
        outputs = []
        for index, ((design, *_), rows) in enumerate(zip(training.inner, held, strict=True)):
            fitted[index] = now = question.probe.fit(
                design, targets[index], strength=strength, classes=question.classes, start=fitted[index]
            )
            outputs.append(now.predict(rows))
        best.improve(strength, *judge(outputs))
        # The slope sets how long weights are, which is all that weaker penalties would still change.
        if best.done or all(getattr(one, "certain", False) for one in fitted):
            break
    return best


def _search_at_once(question: Question, training: TrainingRows, held: HeldOut, best: _Best) -> _Best:
    """As ``_search``, of a probe that predicts at all its penalties together."""
    strengths = sorted(filter(np.isfinite, question.probe.strengths), reverse=True)
    products = np.empty((len(strengths), *best.products.shape[:2], question.target.shape[1]))
    for fold, (design, train, rows, _) in enumerate(training.inner):
        predict = question.probe.at_all(design, question.target[train])  # type: ignore[attr-defined]
        outputs = iter(predict(_read(rows, by_products=_by_products(question))))
        # As many penalties together as are near enough to the processor.
        some, done = max(1, _NEAR // held.truth[fold].size), 0
        while chunk := list(itertools.islice(outputs, some)):
            found = held.products(fold, np.stack(chunk) if len(chunk) > 1 else chunk[0][None])
            products[done : done + len(chunk), :, fold] = found.swapaxes(0, 1)
            done += len(chunk)
    for strength, each in zip(strengths, products, strict=True):
        best.improve(strength, *held.judge(each), each.reshape(best.products.shape))
        if best.done:
            break
    return best


def _choices(best: _Best, blocks: NDArray[np.int64], rows: int) -> tuple[PenaltyChoice, ...]:
    """Of some blocks, whose losses are those of so many rows."""
    losses = best.losses[blocks] / rows
    found = zip(best.strengths[blocks].tolist(), best.slopes[blocks].tolist(), losses.tolist(), strict=True)
    return tuple(PenaltyChoice(*one) for one in found)


def _fit_each(questions: Sequence[Question], training: TrainingRows, best: _Best) -> list[Fitted]:
    """Each question's probe at its penalties; those at the same one are fitted side by side."""
    targets = [question.target[training.rows] for question in questions]
    if not _declares(questions[0].probe, "side_by_side"):
        return [
            _fit_at(question, training, target, best.strengths[best.owner == index])
            for index, (question, target) in enumerate(zip(questions, targets, strict=True))
        ]
    target = targets[0] if len(targets) == 1 else np.concatenate(targets, axis=1)
    shared = _Shared(_by_column(questions[0], training, target, best.strengths))
    ends = np.cumsum([target.shape[1] for target in targets]).tolist()
    return [_Part(shared, slice(end - one.shape[1], end)) for one, end in zip(targets, ends, strict=True)]


def _by_column(question: Question, training: TrainingRows, target: Floats, strengths: Floats) -> Fitted:
    """The probe at each block's penalty [blocks], where it finds each column of a target as if it were alone."""
    probe = getattr(question.probe, "of_a_column", question.probe)
    wanted = sorted(set(strengths.tolist()), reverse=True)
    width, parts = target.shape[1] // len(strengths), []
    for strength in wanted:
        columns = np.repeat(strengths == strength, width)
        own = target if columns.all() else target[:, columns]
        fitted = probe.fit(training.design, own, strength=strength, classes=question.classes, start=None)
        parts.append((fitted, columns))
    return parts[0][0] if len(parts) == 1 else _Columns(tuple(parts))


def _fit_at(question: Question, training: TrainingRows, target: Floats, strengths: Floats) -> Fitted:
    """The probe at each block's penalty."""

    def fit(strength: float, start: Fitted | None = None) -> Fitted:
        return question.probe.fit(training.design, target, strength=strength, classes=question.classes, start=start)

    wanted = sorted(set(strengths.tolist()), reverse=True)
    if len(wanted) == 1:
        return fit(wanted[0])
    start = fit(max(question.probe.strengths))
    width = target.shape[1] // len(strengths)
    return _Several(tuple((fit(one, start), np.repeat(strengths == one, width)) for one in wanted))


class _Shared:
    """One probe of several questions' targets, which are asked for the same rows one after the other."""

    def __init__(self, fitted: Fitted) -> None:
        self._fitted = fitted
        self._last: tuple[NDArray[np.float32], Floats] | None = None

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Values float64 [m, k]."""
        if self._last is None or self._last[0] is not inputs:
            self._last = (inputs, self._fitted.predict(inputs))
        return self._last[1]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One question's columns of a probe of several."""

    shared: _Shared
    columns: slice

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Values float64 [m, k]."""
        return self.shared.predict(inputs)[:, self.columns]


@dataclass(frozen=True, slots=True, eq=False)
class _Several:
    """One probe at several penalties, of which each answers some columns, bool [k]."""

    parts: tuple[tuple[Fitted, NDArray[np.bool_]], ...]

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Values float64 [m, k]."""
        outputs = [(fitted.predict(inputs), columns) for fitted, columns in self.parts]
        result = np.empty_like(outputs[0][0])
        for output, columns in outputs:
            result[:, columns] = output[:, columns]
        return result


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Probes of which each was fitted to some columns of a target alone, bool [k]."""

    parts: tuple[tuple[Fitted, NDArray[np.bool_]], ...]

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Values float64 [m, k]."""
        result = np.empty((len(inputs), len(self.parts[0][1])))
        for fitted, columns in self.parts:
            result[:, columns] = fitted.predict(inputs)
        return result
