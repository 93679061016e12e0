"""One decomposition per training set, for every probe, target and penalty.

L2-penalised linear models see their inputs only through the inner products of the rows. Turning the
standardised inputs X = U S V' to Z = U S loses nothing: weights found on Z are the weights on X, turned.
S and U, or V, come from the smaller of the two Gram matrices (n x n or d x d), in float64; they and Z itself are
made only for those that ask for them. Ridge does not: it solves, with the Gram matrix as three diagonals, for
targets or for few rows to predict. Of fewer rows than columns it predicts by products of rows, without weights
as long as a row. Products are added up over blocks of columns: nothing as large as the rows is made besides.

A design may be cut to the first few axes: principal components, found in its own rows alone. All is then done on
these, at about the cost of ridge's reduction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.execute.threads import lazy
from worldprobe.probes.linear.axes import column_scale, principal
from worldprobe.probes.linear.lapack import solve_positive
from worldprobe.probes.linear.picked import Picked, block, blocks, centred, mean_and_spread, values_of
from worldprobe.probes.linear.remembered import Last
from worldprobe.probes.linear.scatter import Scatter
from worldprobe.probes.linear.shifted import Shifted
from worldprobe.probes.linear.softmax import Axes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Inputs = NDArray[np.float32]
_Solve = Callable[[Floats, Sequence[float]], list[Floats]]
# Rows of float32 are turned to float64 this many at a time.
_CHUNK = 1024
# Rows for each column that are many: turned, they take more memory than what a decomposition leaves.
_MANY = 4
# So many strengths, each solved for by itself, take less than the reduction.
_ALONE = 2
# Standardised values that are kept until `forget` rather than made for each product: 64 MB.
_FEW = 2**23
# So many are kept after it too: 8 MB.
_FEWER = 2**20
# Of held-out rows by training rows, or by columns, so few values are solved for at all strengths once: 13 MB of 13.
_SMALL = 2**17


class Design:
    """Rows to fit on, standardised by themselves. Satisfies ``protocols.TrainingSet``.

    Args:
        inputs: float32 [n, d], or more rows, of which ``rows`` says which are meant.
        unit: what the split keeps together, int64 [n]; each row for itself where it is not given.
        scatter: of these rows, where it is known already; it saves passing over them.
        rows: int64 [n]; all where it is not given.
        components: axes to keep, those along which the standardised rows vary most; all where it is not given.
    """

    def __init__(
        self, inputs: NDArray[np.float32], *, unit: Ints | None = None, scatter: Scatter | None = None,
        rows: Ints | None = None, components: int | None = None,
    ) -> None:  # fmt: skip
        self._source = inputs
        self._rows = np.arange(len(inputs)) if rows is None else rows
        self._scatter = scatter
        self.unit: Ints = np.arange(len(self._rows)) if unit is None else unit
        self.mean: Floats
        own: Floats | None = None
        if scatter is not None:
            self.mean, spread = scatter.mean, np.sqrt(np.diag(scatter.matrix).clip(0) / scatter.count)
        elif len(self._rows) < inputs.shape[1] and len(self._rows) * inputs.shape[1] <= _FEW:
            own, self.mean, spread = centred(self._own)
        else:
            self.mean, spread = mean_and_spread(self._own)
        self.scale = column_scale(spread)
        if own is not None:  # what the property would make again
            self.__dict__["_standard"] = np.divide(own, self.scale, out=own)
        # As many as there can be are all.
        fewer = components is not None and components < min(len(self._rows), len(self.mean))
        self._components = components if fewer else None
        # All targets and strengths of a fold ask for the same rows one after the other.
        self._centred = Last(lambda rows: np.asarray(values_of(rows) - self.mean))
        self._crossed = Last(self._cross)
        self._reflected = Last(lambda rows: self._reduced.turn(self._facing(rows).T).T)
        self._answering: Last[dict[tuple[float, ...], Floats]] = Last(lambda rows: {})
        self._turned = Last(self._rotate)
        self._known: dict[bytes, Floats] = {}
        self._asked: set[float] = set()

    @lazy
    def inputs(self) -> NDArray[np.float32]:
        """As they came: float32 [n, d]."""
        return self._source if len(self._rows) == len(self._source) else self._source[self._rows]

    @property
    def rotated(self) -> Floats:
        """U S, float64 [n, r]."""
        if self._wide:  # as large as U, and made in no time: not kept beside it
            return np.asarray(self._vectors * np.sqrt(self.squares))
        return self._rotated

    @lazy
    def _rotated(self) -> Floats:
        return self.apply(self.inputs, self._vectors)

    @property
    def squares(self) -> Floats:
        """S squared, float64 [r], decreasing."""
        return self._decomposition[0]

    def standardize(self, inputs: NDArray[np.float32]) -> Floats:
        """Rows [m, d] less the training rows' mean, over their spread: float64 [m, d], or components [m, r]."""
        if self._components is None or not self.squares.size:  # rows that do not vary have no axes
            return self._standardize(values_of(inputs))
        # Over the spread of all components together: those that vary least are not made as long as the others.
        return np.asarray(self.rotate(inputs) / np.sqrt(self.squares.mean() / len(self._rows)))

    def rotate(self, inputs: NDArray[np.float32]) -> Floats:
        """Other rows [m, d], turned as ``rotated``: float64 [m, r]; the last that were asked for are remembered."""
        return self._turned(inputs)

    def unrotate(self, weights: Floats) -> Floats:
        """Weights [r, k] on the axes as weights [d, k] on standardised inputs."""
        if self._wide:  # V = X' U / S, which is as large as the rows and is not made
            return self._sum_products(self._vectors @ (weights / np.sqrt(self.squares)[:, None]))
        return np.asarray(self._vectors @ weights)

    def apply(self, inputs: NDArray[np.float32], weights: Floats) -> Floats:
        """Standardised rows [m, d] times weights [d, k]: float64 [m, k]."""
        centred = inputs - self.mean if inputs is self.__dict__.get("inputs") else self._centred(inputs)
        return np.asarray(centred @ (weights / self.scale[:, None]))

    def ridge(self, target: Floats, strengths: Sequence[float]) -> Callable[[Inputs], list[Floats]]:
        """Ridge at each strength for a centred target [n, k]: predicts rows [m, d], float64 [m, k] each."""
        aimed: list[Floats] = []
        solved: list[Callable[[Inputs], list[Floats]]] = []

        def predict(inputs: Inputs) -> list[Floats]:
            if self._answers_rows(inputs, strengths):
                try:
                    rows = self._answered_rows(inputs, strengths)
                except np.linalg.LinAlgError:
                    pass  # rounding made it indefinite; the axes leave out what is rounding
                else:
                    if not aimed:
                        aimed.append(self._reduced.turn(target if self._wide else self._products(target)))
                    return list((rows.reshape(-1, rows.shape[2]) @ aimed[0]).reshape(*rows.shape[:2], -1))
            if not solved:
                solved.append(self._solved(target, strengths))
            return solved[0](inputs)

        return predict

    def _answers_rows(self, inputs: Inputs, strengths: Sequence[float]) -> bool:
        """Whether other rows are solved for, once for all targets, rather than each target."""
        few = len(inputs) * min(len(self._rows), len(self.mean)) <= _SMALL
        return few and self._reducible(strengths) and not self._alone(strengths)

    def _answered_rows(self, inputs: Inputs, strengths: Sequence[float]) -> Floats:
        """Other rows [m, d] as they multiply a target that is turned, at each strength: [strengths, m, n or d]."""
        known, wanted = self._answering(inputs), tuple(strengths)
        if wanted not in known:
            known[wanted] = np.ascontiguousarray(self._reduced.solve_rows(self._reflected(inputs), wanted))
        return known[wanted]

    def _solved(self, target: Floats, strengths: Sequence[float]) -> Callable[[Inputs], list[Floats]]:
        """Solve for a target, so that any rows are predicted by products."""
        if self._wide and (turned := self._try(self._solve_turned, target, strengths)) is not None:
            return self._by_rows(np.concatenate(turned, axis=1), len(strengths))
        found = None if self._wide else self._try(self._solve_reduced, target, strengths)
        seen = None
        if found is None:
            found, seen = self._turned_solutions(target, strengths), self._turned
        weights = np.concatenate(found, axis=1)

        def predict(inputs: Inputs) -> list[Floats]:
            values = self.apply(inputs, weights) if seen is None else seen(inputs) @ weights
            return np.split(values, len(strengths), axis=1)

        return predict

    @lazy
    def axes(self) -> Axes:
        """The rows as logistic regression works on them: reduced to three diagonals, or principal components."""
        if self._components is not None:
            return Axes(
                self.rotated.astype(np.float32), self.squares, np.zeros(max(0, len(self.squares) - 1)), False
            )
        diagonals = self._reduced.diagonals
        if self._wide:
            return Axes(self._basis, *diagonals, dual=True)
        return Axes(self._standardize(self.inputs).astype(np.float32) @ self._basis, *diagonals, dual=False)

    def along_axes(self, inputs: Inputs, weights: Floats) -> Floats:
        """Other rows [m, d] times weights [r, k] on ``axes``: float64 [m, k]."""
        if self._components is not None:
            return np.asarray(self.rotate(inputs) @ weights)
        if self._wide:
            return np.asarray(self._reflected(inputs) @ weights)
        return self.apply(inputs, self.of_axes(weights))

    def of_axes(self, weights: Floats) -> Floats:
        """Weights [r, k] on ``axes`` as weights [d, k] on standardised inputs."""
        if self._components is not None:
            return self.unrotate(weights)
        if self._wide:
            return self._sum_products(self._reduced.turn(weights, back=True))
        return np.asarray(self._basis @ weights.astype(np.float32), dtype=np.float64)

    @lazy
    def _basis(self) -> Inputs:
        return self._reduced.basis()

    def _by_rows(self, turned: Floats, parts: int) -> Callable[[Inputs], list[Floats]]:
        """Predict by products of rows with weights [n, parts k] as the reduction has them.

        Whatever is less is turned: the weights, or the products, which all targets share.
        """
        weights: list[Floats] = []

        def predict(inputs: Inputs) -> list[Floats]:
            if turned.shape[1] > len(inputs):
                return np.split(self._reflected(inputs) @ turned, parts, axis=1)
            if not weights:
                weights.append(self._reduced.turn(turned, back=True))
            return np.split(self._crossed(inputs) @ weights[0], parts, axis=1)

        return predict

    def solve(self, target: Floats, strengths: Sequence[float]) -> list[Floats]:
        """Ridge weights [d, k] on standardised inputs at each strength, for a centred target [n, k]."""
        found = self._try(self._solve_reduced, target, strengths)
        if found is None:
            weights = self.unrotate(np.concatenate(self._turned_solutions(target, strengths), axis=1))
        elif self._wide:
            weights = self._sum_products(np.concatenate(found, axis=1))
        else:
            return found
        return np.split(weights, len(strengths), axis=1)

    def _turned_solutions(self, target: Floats, strengths: Sequence[float]) -> list[Floats]:
        """Weights [r, k] on the axes, at each strength."""
        squares = self.squares[:, None]
        if self._wide:
            turned = np.sqrt(squares) * (self._vectors.T @ target)
        else:
            turned = self._vectors.T @ self._products(target)
        return [turned / (squares + strength) for strength in strengths]

    def _try(self, solve: _Solve, target: Floats, strengths: Sequence[float]) -> list[Floats] | None:
        """Weights on rows [n, k] or columns [d, k], whichever are fewer; None where the axes do better."""
        if not self._reducible(strengths):
            return None
        try:
            return solve(target, strengths)
        except np.linalg.LinAlgError:
            return None  # rounding made it indefinite; the axes leave out what is rounding

    def _reducible(self, strengths: Sequence[float]) -> bool:
        """Whether strengths are solved for by the reduction: else there are axes already, or have to be."""
        return not self._decomposed and self._components is None and min(strengths) > 0

    def _alone(self, strengths: Sequence[float]) -> bool:
        """Whether a strength is had for less than the reduction, which nobody has asked for yet."""
        if self._wide or len(strengths) > 1 or "_reduced" in self.__dict__:
            return False
        self._asked |= set(strengths)
        return len(self._asked) <= _ALONE

    def _solve_turned(self, target: Floats, strengths: Sequence[float]) -> list[Floats]:
        return self._reduced.solve_turned(target, strengths)

    def _solve_reduced(self, target: Floats, strengths: Sequence[float]) -> list[Floats]:
        if self._wide:
            return self._reduced.solve(target, strengths)
        products = self._products(target)
        if self._alone(strengths):
            gram = self._gram()
            gram[np.diag_indices_from(gram)] += strengths[0]
            return [solve_positive(gram, products)]
        return self._reduced.solve(products, strengths)

    def reduce(self) -> None:
        """Do now what all questions share, as several threads that ask for it at once would each do it."""
        _ = self.squares if self._components is not None else self._reduced

    def forget(self) -> None:
        """Let go of what grows with the rows; the decomposition stays, the rest is made again if asked for."""
        for kept in (self._centred, self._crossed, self._reflected, self._turned):
            kept.forget()
        self._answering.forget()
        # Where rows are not many more than columns, what is turned of them is no more than the decomposition.
        turned: tuple[str, ...] = ("axes",) if len(self._rows) > _MANY * len(self.mean) else ()
        if self._wide:  # made again in no time
            turned = ("axes", "_basis")
        # Of a few MB the next that ask may have it as it is.
        large: tuple[str, ...] = ("_standard",) if len(self._rows) * len(self.mean) > _FEWER else ()
        for name in ("inputs", "_rotated", *large, *turned):
            self.__dict__.pop(name, None)

    def _products(self, target: Floats) -> Floats:
        """Standardised inputs times target, [d, k]; kept, since a training set may serve two outer folds."""
        key = target.tobytes()
        if key not in self._known:
            self._known[key] = self._sum_products(target)
        return self._known[key]

    def _sum_products(self, target: Floats) -> Floats:
        if self._few:
            return np.asarray(self._standard.T @ target)
        if self._wide:
            parts = [self._standardize_some(self._own, some).T @ target for some in self._blocks()]
            return np.concatenate(parts)
        sums = np.zeros((target.shape[1], len(self.mean)))
        for start in range(0, len(target), _CHUNK):
            rows = slice(start, start + _CHUNK)
            sums += target[rows].T @ (self._source[self._rows[rows]] - self.mean)
        return (sums / self.scale).T

    def _cross(self, inputs: Inputs) -> Floats:
        """Other rows [m, d] times the training rows', both standardised: float64 [m, n]."""
        if self._few:
            return np.asarray(self._standardize(values_of(inputs)) @ self._standard.T)
        total = np.zeros((len(inputs), len(self._rows)))
        for some in self._blocks():
            total += self._standardize_some(inputs, some) @ self._standardize_some(self._own, some).T
        return total

    def _facing(self, inputs: Inputs) -> Floats:
        """Other rows [m, d] by what the reduction is of: their products with the training rows, or columns."""
        return self._crossed(inputs) if self._wide else self._centred(inputs) / self.scale

    def _rotate(self, inputs: Inputs) -> Floats:
        if self._wide:
            return np.asarray(self._cross(inputs) @ (self._vectors / np.sqrt(self.squares)))
        return self.apply(inputs, self._vectors)

    @lazy
    def _decomposition(self) -> tuple[Floats, Floats]:
        """S squared, and U where there are fewer rows than columns, else V."""
        return principal(self._gram(), most=self._components)

    @lazy
    def _reduced(self) -> Shifted:
        return Shifted(self._gram())

    def _gram(self) -> Floats:
        """The smaller one of the standardised rows: of the rows [n, n], or of the columns [d, d]."""
        if not self._wide and self._scatter is not None:
            return np.asarray(self._scatter.matrix / self.scale / self.scale[:, None])
        if self._wide and not self._few:
            total = np.zeros((len(self._rows),) * 2)
            for some in self._blocks():
                x = self._standardize_some(self._own, some)
                total += x @ x.T
            return total
        x = self._standard if self._few else self._standardize(self.inputs)
        return np.asarray(x @ x.T if self._wide else x.T @ x)

    @property
    def _decomposed(self) -> bool:
        return "_decomposition" in self.__dict__

    @property
    def _vectors(self) -> Floats:
        return self._decomposition[1]

    @property
    def _wide(self) -> bool:
        return len(self._rows) < len(self.mean)

    @property
    def _few(self) -> bool:
        return self._wide and len(self._rows) * len(self.mean) <= _FEW

    @lazy
    def _standard(self) -> Floats:
        return self._standardize(self.inputs)

    def _standardize(self, inputs: Inputs) -> Floats:
        found = inputs - self.mean
        found /= self.scale
        return np.asarray(found)

    def _standardize_some(self, inputs: Inputs, columns: slice) -> Floats:
        found = block(inputs, columns) - self.mean[columns]
        found /= self.scale[columns]
        return np.asarray(found)

    def _blocks(self) -> Iterator[slice]:
        return blocks(len(self._rows), len(self.mean))

    @property
    def _own(self) -> Inputs:
        """The training rows, which need not be copied."""
        whole = len(self._rows) == len(self._source)
        return self._source if whole else Picked(self._source, self._rows).as_inputs()
