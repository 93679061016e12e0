"""Windows are held against what is usual in other groups, and surprise over time is in those units."""

from types import SimpleNamespace

import numpy as np
import pytest

from worldprobe.findings.sections.prediction import read_curves
from worldprobe.pipeline.predict import forecast, pictures
from worldprobe.probes.splits import SplitRows, make_folds
from worldprobe.report.charts.surprise import peak_captions

GROUPS, EACH = 20, 8


def tokens(seed):
    generator = np.random.default_rng(seed)
    n = GROUPS * EACH
    return (generator.normal(size=(n, t, 16, 4)).astype(np.float16) for t in (2, 3, 3))


def folds():
    group = np.repeat(np.arange(GROUPS), EACH)
    rows = SplitRows(group, group, np.tile(np.arange(EACH, dtype=float), GROUPS), 0.0)
    return make_folds(rows, kind="grouped", seed=0)


def test_a_window_is_held_against_other_groups_alone():
    known, told, future = tokens(0)
    split = folds()
    found = forecast._excess(split, known, told, future)
    assert set(found) == {"predictor", "copy-last"}
    assert all(np.isfinite(values).all() for values in found.values())
    other = future.copy()
    other[0] *= 3
    again = forecast._excess(split, known, told, other)["predictor"]
    (test,) = (fold.test for fold in split.folds if 0 in fold.test)
    same = np.setdiff1d(test, [0])
    np.testing.assert_array_equal(again[same], found["predictor"][same])
    assert again[0] > found["predictor"][0] + 1
    few = SimpleNamespace(folds=[SimpleNamespace(train=np.arange(99), test=np.arange(99, 160))])
    assert forecast._excess(few, known, told, future) == forecast._excess(None, known, told, future) == {}


@pytest.mark.parametrize("usual", [True, False])
def test_curves_are_in_deviations_where_it_is_known_what_is_usual(tmp_path, monkeypatch, usual):
    monkeypatch.setattr(
        pictures, "seen", lambda video, encoder, frames: [np.zeros((8, 8, 3), np.uint8)] * len(frames)
    )
    l1 = np.full((10, 3, 16), 0.5, np.float32)
    l1[4] = 0.9
    spec = SimpleNamespace(indices=tuple(range(20)))
    excess = {
        way: np.array([0.1, -0.2, 0.3, 0.0, 4.2, 0.1, -0.1, 0.2, 0.0, -0.3]) for way in ("predictor", "copy-last")
    }
    done = SimpleNamespace(
        windows=[SimpleNamespace(video=0, group=0, seconds=0.5 * k, spec=spec) for k in range(10)],
        errors={way: {"l1": l1} for way in ("predictor", "copy-last")}, changed=np.ones((10, 3, 16), bool),
        excess=excess if usual else {},
    )  # fmt: skip
    pictures.keep_curves(done, [tmp_path / "film.mp4"], SimpleNamespace(tubelet=2), tmp_path, context=4)
    (curve,) = read_curves(tmp_path)
    peak = next(one for one in curve.peaks if one.window == 4)
    number = curve.peaks.index(peak) + 1
    if usual:
        assert (curve.unit, curve.told[4], peak.among) == ("deviations", 4.2, 10)
        assert peak_captions(curve)[number - 1] == f"{number}: 2.0 s, 4.20 (copy-last 4.20), 1 in 10"
    else:
        assert (curve.unit, curve.told[4], peak.among) == ("L1", pytest.approx(0.9), None)
        assert peak_captions(curve)[number - 1] == f"{number}: 2.0 s, 0.90 (copy-last 0.90)"
