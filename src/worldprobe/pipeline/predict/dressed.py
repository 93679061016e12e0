"""Sample futures around what is predicted, and around what knows nothing of the future.

Axes: n windows, k horizons, s tokens of a tubelet, d width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.execute.threads import side_by_side
from worldprobe.predictors.baselines import RidgePredictor
from worldprobe.predictors.dressing import SHAPES, Dressed, Errors, Shape, dress, token_features
from worldprobe.probes.splits import Fold, Folds

Half = NDArray[np.float16]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Method = Literal["predictor", "copy-last", "ridge"]
# Of fewer windows of other groups nothing says how errors lie.
FEWEST = 40
# Numbers of all windows' futures that are dressed; of more windows, some that are evenly spread.
_MOST = 2**25
_CHUNK = 16


@dataclass(frozen=True, slots=True, eq=False)
class DressedFutures:
    """Scores of the windows ``rows``, by what is predicted by and what is added to it; ``unit`` is theirs."""

    rows: Ints
    unit: Ints
    split: str
    by: dict[tuple[Method, Shape], Dressed]


def dress_tokens(
    folds: Folds | None,
    known: Half,
    told: Half,
    future: Half,
    ridges: Sequence[RidgePredictor],
    *,
    grid: tuple[int, int],
    seed: int,
) -> DressedFutures | None:
    """Dress what is predicted, the context's last tokens, and a ridge's guess; None of too few windows.

    Args:
        known: the contexts' last tubelets [n, c, s, d]; ``told`` and ``future`` [n, k, s, d].
        ridges: of each fold, fitted to its training windows, whose errors are taken as they are: it has far fewer
            inputs than there are tokens. None of a context of 1.
        grid: rows and columns of the s tokens.
    """
    if folds is None:
        return None
    most = max(FEWEST, _MOST // max(1, int(np.prod(future.shape[1:]))))
    rows = np.unique(np.linspace(0, len(future) - 1, min(most, len(future))).round().astype(np.int64))
    cut = folds if len(rows) == len(future) else of_some(folds, rows)
    if not enough(cut):
        return None
    seen = future[rows].astype(np.float32)
    context, guess = known[rows], told[rows]
    last = np.broadcast_to(context[:, -1:], guess.shape)
    by: dict[tuple[Method, Shape], Dressed] = {}
    centers: dict[Method, Half] = {"predictor": guess, "copy-last": last}
    for method, center in centers.items():
        before, errors = _before(context, center, grid), _less(seen, center)
        of = partial(dress, errors, before, shapes=shapes_of(method), seed=seed)
        by |= in_order(
            method, side_by_side([partial(of, train=fold.train, test=fold.test) for fold in cut.folds]), cut
        )
    if len(ridges) == len(cut.folds):

        def of_ridge(ridge: RidgePredictor, fold: Fold) -> dict[Shape, Dressed]:
            center = _guess(ridge, context)
            before, errors, shapes = _before(context, center, grid), _less(seen, center), shapes_of("ridge")
            return dress(errors, before, train=fold.train, test=fold.test, shapes=shapes, seed=seed)

        works = [partial(of_ridge, *pair) for pair in zip(ridges, cut.folds, strict=True)]
        by |= in_order("ridge", side_by_side(works), cut)
    return DressedFutures(rows, cut.unit, cut.kind, by)


def enough(folds: Folds) -> bool:
    """Whether each fold leaves enough windows of other groups to say how errors lie, and all are tested."""
    tested = sum(len(fold.test) for fold in folds.folds)
    fewest = min((len(fold.train) if len(fold.test) else 0 for fold in folds.folds), default=0)
    return fewest >= FEWEST and tested == len(folds.unit)


def shapes_of(method: Method) -> tuple[Shape, ...]:
    """The predictor's futures stand beside those of other shapes, and beside other methods' dressed."""
    return SHAPES if method == "predictor" else ("dressed",)


def in_order(
    method: Method, parts: Sequence[dict[Shape, Dressed]], folds: Folds
) -> dict[tuple[Method, Shape], Dressed]:
    """Put the folds' test windows back in the order of all windows; each was tested once."""
    place = np.argsort(np.concatenate([fold.test for fold in folds.folds]))
    return {
        (method, shape): Dressed(
            *(np.concatenate(one)[place] for one in zip(*(part[shape] for part in parts), strict=True))
        )
        for shape in shapes_of(method)
    }


def of_some(folds: Folds, rows: Ints) -> Folds:
    """The same folds of some rows alone, sorted, which are numbered anew."""

    def kept(of: Ints) -> Ints:
        return np.asarray(np.searchsorted(rows, np.intersect1d(of, rows)), dtype=np.int64)

    cut = (
        Fold(kept(fold.train), kept(fold.test), tuple((kept(train), kept(held)) for train, held in fold.inner))
        for fold in folds.folds
    )
    return replace(folds, folds=tuple(cut), unit=folds.unit[rows], purge=None)


def _guess(model: RidgePredictor, context: Half) -> Half:
    parts = [model.predict(context[at : at + _CHUNK].astype(np.float32)) for at in range(0, len(context), _CHUNK)]
    return np.concatenate(parts).astype(np.float16)


def _before(context: Half, center: Half, grid: tuple[int, int]) -> Floats:
    """What is known before, [n, k, s, f]."""
    parts = [slice(at, at + _CHUNK) for at in range(0, len(context), _CHUNK)]
    return np.concatenate(
        [token_features(context[at].astype(np.float32), center[at].astype(np.float32), grid) for at in parts]
    )


def _less(seen: NDArray[np.float32], center: Half) -> Errors:
    # Half precision is slow to convert, and each error is asked for several times.
    errors = seen - center.astype(np.float32)
    return lambda rows: errors[rows]
