"""Futures around what is predicted: their lines, of tokens and of places, and what is said of them."""

from collections import Counter

import numpy as np
import pytest
from tests.pipeline.predict.test_readouts import CONTEXT, ENCODER, HORIZON, SETUP, WINDOWS, made, windows

from worldprobe.findings.finding import Run
from worldprobe.findings.sections.futures import SeveralFutures
from worldprobe.pipeline.predict import dressed
from worldprobe.pipeline.predict.dressed import dress_tokens
from worldprobe.pipeline.predict.dressed_scores import futures_lines
from worldprobe.pipeline.predict.futures import Futures
from worldprobe.pipeline.predict.reading import Readable
from worldprobe.pipeline.predict.readouts import readout_lines
from worldprobe.predictors.baselines import RidgePredictor
from worldprobe.probes.splits import SplitRows, make_folds
from worldprobe.results import FuturesResult


def tokens(n, seed=0):
    """Windows in whose right half of cells something happens, and a predictor that says so: [n, t, s, d]."""
    rng = np.random.default_rng(seed)
    known = rng.normal(size=(n, 2, 16, 4))
    busy = np.repeat(rng.integers(2, size=(n, 1, 4, 1)), 4, axis=2)
    told = known[:, -1:] + busy * 2.0 * rng.normal(size=(n, 2, 16, 4))
    future = told + np.where(busy, 1.0, 0.1) * rng.normal(size=told.shape)
    return (one.astype(np.float16) for one in (known, told, future))


def folds(n):
    group = np.arange(n)
    return make_folds(SplitRows(group, group, np.zeros(n), 0.0), kind="grouped", seed=0)


def lines_of(done, **at):
    counted = np.ones((len(done.rows), HORIZON, 16), dtype=bool)
    found = futures_lines(done, SETUP, of="all", counted=counted)
    return {(one.method, one.shape, one.metric, one.horizon): one for one in found}


def test_a_predictor_that_shows_where_it_will_be_off_is_worth_more_than_one_width_and_holds_its_radii():
    known, told, future = tokens(90)
    split = folds(90)
    ridges = [
        RidgePredictor.fit(known, future, train=f.inner[0][0], validation=f.inner[0][1])[1] for f in split.folds
    ]
    done = dress_tokens(split, known, told, future, ridges, grid=(4, 4), seed=0)
    found = lines_of(done)
    for horizon in (1, 2):
        own = found["predictor", "dressed", "energy", horizon]
        assert own.against == {
            "point": "above", "constant": "above", "noise": "not shown", "copy-last": "above", "ridge": "above",
        }  # fmt: skip
        assert own.score < 0.9 * found["predictor", "constant", "energy", horizon].score
        for metric, share in (("within50", 0.5), ("within90", 0.9)):
            line = found["predictor", "dressed", metric, horizon]
            assert line.low < share < line.high
        surest, unsure = (found["predictor", "dressed", metric, horizon] for metric in ("surest", "unsure"))
        assert unsure.score > 5 * surest.score
        bins = found["predictor", "dressed", "spread", horizon].calibration
        assert sum(share for *_, share in bins) == pytest.approx(1)
        assert all(found == pytest.approx(expected, rel=0.35) for expected, found, _ in bins)
        assert (own.n, own.n_groups, own.split) == (90 * 16, 90, "grouped")


def test_of_few_windows_there_are_none_and_of_many_some(monkeypatch):
    known, told, future = tokens(90)
    few = slice(0, dressed.FEWEST)
    arrays = [one[few] for one in (known, told, future)]
    assert dress_tokens(folds(dressed.FEWEST), *arrays, [], grid=(4, 4), seed=0) is None
    assert dress_tokens(None, *arrays, [], grid=(4, 4), seed=0) is None
    monkeypatch.setattr(dressed, "_MOST", 60 * 2 * 16 * 4)
    done = dress_tokens(folds(90), known, told, future, [], grid=(4, 4), seed=0)
    assert (len(done.rows), done.rows[0], done.rows[-1]) == (60, 0, 89)
    assert {len(one.point) for one in done.by.values()} == {60}
    assert Counter(method for method, _ in done.by) == {"predictor": 3, "copy-last": 1}
    point = np.sqrt(((future.astype(float) - told) ** 2).mean(axis=3))[done.rows]
    np.testing.assert_allclose(done.by["predictor", "dressed"].point, point, rtol=1e-2)


def places(off, seed=0, *, alike=False):
    """Lines of places read from predictions that are off by so much in each window [n]; ``alike`` in both modes."""
    true, labels = made()
    rng = np.random.default_rng(seed)
    told = true[:, CONTEXT:].copy()
    told[..., :2] += 4 * (off[:, None] * rng.normal(size=(WINDOWS, 2)))[:, None, None]
    other = told.copy()
    if not alike:  # off by as much, another way: that the modes differ says how far
        other[..., :2] = (
            true[:, CONTEXT:, :, :2] + 4 * (off[:, None] * rng.normal(size=(WINDOWS, 2)))[:, None, None]
        )
    kept = Futures(labels, (2, 2), tubelet=2, levels=1)
    kept(windows(), true[:, :CONTEXT], {"joint": told, "rolling": other}, true)
    read = readout_lines(Readable(kept, SETUP), labels, ("xy",), ENCODER, several=True)
    return [one for one in read if isinstance(one, FuturesResult)]


def facts(lines):
    return SeveralFutures.of(Run(None, tuple(lines), (), "made", {}, {}))  # type: ignore[arg-type]


def test_how_sure_places_are_is_said_where_it_is_known_and_only_there():
    off = np.where(np.arange(WINDOWS) % 2 == 0, 0.005, 0.1)
    told = facts(places(off))
    assert {(row.of, row.horizon, row.n) for row in told.rows} == {("xy", 1, WINDOWS), ("xy", 2, WINDOWS)}
    for row in told.rows:
        assert row.energies["dressed"].value < row.energies["point"].value
        assert row.unsure.low > 2 * row.surest.high
        assert row.within[1].low < 0.9 < row.within[1].high
    assert "How sure it is can be said beforehand: 2 tubelets ahead a place is known to within" in told.opening
    alike = facts(places(np.full(WINDOWS, 0.003), alike=True))
    assert alike.opening == ""
    assert "not shown to be better than one for all" in alike.headline


def test_a_reading_that_is_worse_than_what_is_beside_it_says_so():
    lines = places(np.full(WINDOWS, 0.05))
    against = {"point": "above", "constant": "below", "noise": "not shown", "copy-last": "above"}
    own = [
        one.model_copy(update={"against": against if one.against else {}}) for one in lines if one.features == "z"
    ]
    row = facts(own).rows[0]
    assert row.kind == "below"
    assert row.verdict == (
        "better than one future and the same around copy-last; worse than one width for all; not shown over noise "
        "of the same size"
    )
    assert facts([]) is None
