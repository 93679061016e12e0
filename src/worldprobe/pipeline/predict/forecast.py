"""Tell the future of every window of some videos, beside the ways of telling it that know nothing."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import ProbeError
from worldprobe.execute.fitting import Fitting
from worldprobe.execute.threads import torch_lanes, torch_side_by_side
from worldprobe.pipeline.predict.dressed import DressedFutures, dress_tokens
from worldprobe.pipeline.predict.fitted import FITTED, Errors, Found, Ints, Which, add_errors, score_fitted
from worldprobe.pipeline.predict.windows import MOST, Batch, Window, split_rows, unit_of
from worldprobe.predictors import baselines, scores
from worldprobe.predictors.leak import Leak, PlainForward, Predicts, leak
from worldprobe.predictors.unusual import Usual, known_before, window_errors
from worldprobe.predictors.vjepa2 import INSTEAD, Mode, VJEPA2Predictor, other_mode
from worldprobe.probes.splits import Folds, SplitKind, make_folds

LEAK_CLIPS = 4
OTHER = "other mode"
"""The predictor in the mode that is not the one that is asked for: it is scored beside it, and no more."""
# Of fewer windows of other groups nothing says what is usual.
_FEWEST_USUAL = 100


@dataclass(slots=True, eq=False)
class Forecast:
    """What came of it, by method and metric; axes: n windows, k horizons, s tokens of a tubelet.

    Attributes:
        errors: method, then "l1" or "cosine", float32 [n, k, s].
        at_once: the same of horizon 0, float32 [n, 1, s]: the context's last tubelet, encoded alone, against the
            same frames within the window.
        fitted: errors of the fitted baseline that validation groups chose, for all tokens and for changed ones
            apart; metric to float32 [n, k, s].
        best_fitted: for the same, at each horizon, which were chosen, and in how many folds.
        changed: bool [n, k, s].
        ranks: method to the rank of the true moment, int64 [n, k]; ``moments`` [n] says among how many.
        unit: int64 [n], what is resampled; ``split`` is how it was made.
        excess: how many deviations each window's errors lie above what is usual in other groups, by method, float64
            [n]; none of few windows.
        dressed: futures sampled around what is predicted, of some or all windows; None unless asked for, or of few.
        missing: methods that could not be had, and why.
        leaks: largest changes when only the future changes, for ours and for the plain forward.
    """

    windows: list[Window]
    grid: tuple[int, int]
    errors: dict[str, dict[str, Errors]]
    changed: NDArray[np.bool_]
    ranks: dict[str, Ints]
    moments: Ints
    unit: Ints
    split: SplitKind
    at_once: dict[str, dict[str, Errors]] = field(default_factory=dict)
    fitted: dict[Which, dict[str, Errors]] = field(default_factory=dict)
    best_fitted: dict[Which, list[Counter[str]]] = field(default_factory=dict)
    excess: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    dressed: DressedFutures | None = None
    missing: dict[str, str] = field(default_factory=dict)
    leaks: dict[str, tuple[Leak, int]] = field(default_factory=dict)

    def counted(self, which: Which) -> NDArray[np.bool_]:
        """The tokens that count, bool [n, k, s]."""
        return self.changed if which == "changed" else np.ones_like(self.changed)


class Draw(Protocol):
    """Draw the windows that a decoder draws while their tokens are there."""

    def __call__(
        self,
        windows: Sequence[Window],
        pixels: NDArray[np.uint8],
        predicted: Errors,
        true: Errors,
        changed: NDArray[np.bool_],
    ) -> None:
        """Pixels uint8 [b, t, 3, h, w]; tokens float32 [b, k, s, d]; which of them have changed, bool [b, k, s]."""
        ...


class Keep(Protocol):
    """Keep what is predicted of the windows that are scored, however it is."""

    def __call__(self, windows: Sequence[Window], known: Errors, told: dict[Mode, Errors], true: Errors) -> None:
        """Layer-normed tokens float32 [b, t', s, d]: the context's, those predicted in each mode, the window's."""
        ...


def forecast(
    batches: Iterable[Batch],
    predictor: VJEPA2Predictor,
    *,
    context: int,
    horizon: int,
    mode: Mode,
    seed: int,
    draw: Draw | None = None,
    keep: Keep | None = None,
    several: bool = False,
) -> Forecast | None:
    """Score the predictor, in both modes, and every baseline on the windows to be scored; None where there is none.

    ``draw`` is given what is predicted of the windows to be drawn, ``keep`` that of those to be scored, in every
    mode; ``several``: also sample futures. Tokens wait on the disk in half precision until
    all windows are known: the fitted baselines and the search among moments need them all. The scores of the
    predictor itself are of full precision.
    """
    grid = predictor.encoder.grid((context + horizon) * predictor.tubelet)
    none = np.empty(0, np.int64)
    done = Forecast([], (grid.height, grid.width), {}, np.empty(0, np.bool_), {}, none, none, "grouped")
    fitting = Fitting(predictor.encoder.name, most=MOST, instead=INSTEAD)
    work = partial(tokens_of, predictor, context=context, horizon=horizon, mode=mode)
    if getattr(predictor.encoder, "device", "cpu") == "cpu":
        work = partial(_side_by_side, work)
    with tempfile.TemporaryDirectory(prefix="worldprobe-") as folder:
        scored = _Scored(Path(folder), context)
        for batch in batches:
            known, true, *told = batch.tokens or joined(fitting.map(work, batch.pixels))
            changed = scores.changed(
                batch.pixels, context=context, horizon=horizon, tubelet=predictor.tubelet, side=grid.height
            )
            if draw is not None and (rows := [i for i, window in enumerate(batch.windows) if window.decoded]):
                windows = [batch.windows[i] for i in rows]
                draw(windows, batch.pixels[rows], told[0][rows], true[rows, context:], changed[rows])
            if not (rows := [i for i, window in enumerate(batch.windows) if window.scored]):
                continue
            windows = [batch.windows[i] for i in rows]
            by_mode = {one: tokens[rows] for one, tokens in zip(modes_from(mode), told, strict=True)}
            if keep is not None:
                keep(windows, known[rows], by_mode, true[rows])
            if not done.leaks:
                done.leaks = _leaks(predictor, batch.pixels[rows][: min(LEAK_CLIPS, fitting.most)], context)
            scored.add(known[rows], true[rows], list(by_mode.values()), changed[rows])
            done.windows += windows
        if not done.windows:
            return None
        known_all, true_all, told_all = scored.read()
        done.changed = np.concatenate(scored.changed)
        ahead = true_all[:, context:]
        folds = _group(done, seed)
        ridges = score_fitted(done, folds, known_all, true_all[:, context - 1 : context], ahead)
        if several:
            done.dressed = dress_tokens(folds, known_all, told_all, ahead, ridges, grid=done.grid, seed=seed)
        done.excess = _excess(folds, known_all, told_all, ahead)
        _retrieve(done, {"predictor": told_all, "copy-last": known_all[:, -1:]}, true_all, context)
        scored.close()
    scored.into(done)
    return done


class _Scored:
    """Errors that wait for no other windows (the predictor's, and of what is not fitted), and all tokens, which do,
    in half precision on the disk."""

    def __init__(self, folder: Path, context: int) -> None:
        self.context = context
        self.changed: list[NDArray[np.bool_]] = []
        self._ahead: Found = {}
        self._at_once: Found = {}
        self._spools = [_Spool(folder / name) for name in ("known", "true", "forecast")]

    def add(self, known: Errors, true: Errors, told: Sequence[Errors], changed: NDArray[np.bool_]) -> None:
        """Tokens float32 [b, t', s, d]: the context's, the whole window's, and of each mode those ahead."""
        ahead = true[:, self.context :]
        ways = {
            "predictor": told[0],
            OTHER: told[1],
            "copy-last": baselines.copy_last(known, horizon=ahead.shape[1]),
        }
        if self.context > 1:
            ways["linear"] = baselines.linear(known, horizon=ahead.shape[1])
        for name, way in ways.items():
            add_errors(self._ahead, name, way, ahead)
        add_errors(self._at_once, "copy-last", known[:, -1:], true[:, self.context - 1 : self.context])
        self.changed.append(changed)
        for spool, tokens in zip(self._spools, (known[:, -2:], true, told[0]), strict=True):
            spool.add(tokens)

    def read(self) -> list[NDArray[np.float16]]:
        """All tokens: the contexts' last two tubelets, the windows', and those predicted."""
        return [spool.read() for spool in self._spools]

    def close(self) -> None:
        """Let the files go."""
        for spool in self._spools:
            spool.close()

    def into(self, done: Forecast) -> None:
        """Add the errors to those of fitted baselines."""
        for kept, found in ((done.errors, self._ahead), (done.at_once, self._at_once)):
            for (name, metric), parts in found.items():
                kept.setdefault(name, {})[metric] = np.concatenate(parts)


def modes_from(mode: Mode) -> list[Mode]:
    """Both modes, beginning with this one."""
    return [mode, other_mode(mode)]


def tokens_of(
    predictor: VJEPA2Predictor,
    pixels: NDArray[np.uint8],
    *,
    context: int,
    horizon: int,
    mode: Mode,
) -> tuple[Errors, ...]:
    """Tokens of windows' pixels, float32 [b, t', s, d]: the context's (layer-normed), true ones, and those of each
    mode, this one first."""
    known = predictor.context_tokens(pixels, context)
    true = predictor.targets(pixels, context=context)
    told = (predictor.forecast(known, horizon=horizon, mode=one) for one in modes_from(mode))
    return tuple(tokens.cpu().numpy() for tokens in (predictor.normed(known), true, *told))


def _side_by_side(
    work: Callable[[NDArray[np.uint8]], tuple[Errors, ...]], pixels: NDArray[np.uint8]
) -> tuple[Errors, ...]:
    """Predict windows [b, ...] on a CPU as several parts at a time, each on its cores: small operations do not fill
    them all. Windows need nothing of each other.
    """
    lanes = torch_lanes(len(pixels))
    if lanes < 2:
        return work(pixels)
    return joined(torch_side_by_side([partial(work, part) for part in np.array_split(pixels, lanes)]))


def joined(pieces: Sequence[tuple[Errors, ...]]) -> tuple[Errors, ...]:
    """Tokens of windows that were predicted in pieces."""
    return tuple(np.concatenate(one) for one in zip(*pieces, strict=True))


def _group(done: Forecast, seed: int) -> Folds | None:
    """The units, and the folds of the fitted baselines; None where there are too few groups for these."""
    done.split, done.unit = unit_of(done.windows)
    try:
        return make_folds(split_rows(done.windows), kind=done.split, seed=seed)
    except ProbeError as error:
        done.missing |= dict.fromkeys((*FITTED, "fitted"), f"nothing to fit on apart from what is scored: {error}")
        return None


def _excess(
    folds: Folds | None, known: NDArray[np.float16], told: NDArray[np.float16], future: NDArray[np.float16]
) -> dict[str, NDArray[np.float64]]:
    """How far windows' errors are from usual, float64 [n], of the predictor's and of the last tokens again."""
    if folds is None or min(len(fold.train) for fold in folds.folds) < _FEWEST_USUAL:
        return {}
    parts: dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {"predictor": [], "copy-last": []}
    for start in range(0, len(known), 16):
        seen, came, tokens = (one[start : start + 16].astype(np.float32) for one in (known, future, told))
        for way, guess in (("predictor", tokens), ("copy-last", baselines.copy_last(seen, horizon=came.shape[1]))):
            parts[way].append((known_before(seen, guess), window_errors(guess, came)))
    found = {}
    for way, values in parts.items():
        before, errors = (np.concatenate(one) for one in zip(*values, strict=True))
        found[way] = np.full(len(known), np.nan)
        for fold in folds.folds:
            usual = Usual.fit(before[fold.train], errors[fold.train])
            found[way][fold.test] = usual.excess(before[fold.test], errors[fold.test])
    return found


def _retrieve(
    done: Forecast, forecasts: dict[str, NDArray[np.float16]], true: NDArray[np.float16], context: int
) -> None:
    """Rank the true moment among all moments of its video, each of which stands there once."""
    n, horizon = len(true), true.shape[1] - context
    done.moments = np.zeros(n, np.int64)
    done.ranks = {way: np.zeros((n, horizon), np.int64) for way in forecasts}
    video = np.array([window.video for window in done.windows])
    for number in np.unique(video):
        rows = np.flatnonzero(video == number)
        moments: list[NDArray[np.float16]] = []
        places, count = np.empty((len(rows), horizon), np.int64), 0
        for i, row in enumerate(rows):
            # What the next window has for its context was a horizon of the one before already.
            moments.append(true[row] if done.windows[row].first else true[row, context:])
            count += len(moments[-1])
            places[i] = count - horizon + np.arange(horizon)
        every = np.concatenate(moments)
        done.moments[rows] = count
        for way, tokens in forecasts.items():
            ahead = np.broadcast_to(tokens[rows], (len(rows), horizon, *tokens.shape[2:]))
            flat = ahead.reshape(-1, *tokens.shape[2:])
            done.ranks[way][rows] = scores.ranks(flat, every, places.ravel()).reshape(-1, horizon)


def _leaks(predictor: VJEPA2Predictor, pixels: NDArray[np.uint8], context: int) -> dict[str, tuple[Leak, int]]:
    ways: dict[str, Predicts] = {"prefix": predictor, "plain forward": PlainForward(predictor)}
    return {call: (leak(way, pixels, context), len(pixels)) for call, way in ways.items()}


class _Spool:
    """Arrays of one shape, in half precision on the disk, added one after the other and read as one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("wb")
        self._shape: tuple[int, ...] = ()
        self._count = 0

    def add(self, arrays: NDArray[np.float32]) -> None:
        """[b, ...], of the same shape from the second axis on."""
        self._shape = arrays.shape[1:]
        self._count += len(arrays)
        self._file.write(np.ascontiguousarray(arrays, dtype=np.float16).tobytes())

    def read(self) -> NDArray[np.float16]:
        """All that was added, [n, ...], mapped from the disk."""
        self._file.flush()
        mapped = np.memmap(self._path, dtype=np.float16, mode="r", shape=(self._count, *self._shape))
        return cast("NDArray[np.float16]", mapped)

    def close(self) -> None:
        """Nothing is added afterwards."""
        self._file.close()
