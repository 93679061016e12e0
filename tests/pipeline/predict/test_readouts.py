"""What is read of the scene from predicted futures: known answers, and the command from labels to report."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.builders.checks import some
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.errors import ConfigError
from worldprobe.findings.finding import Run
from worldprobe.findings.sections.readouts import Readouts
from worldprobe.findings.summary import summarize
from worldprobe.geometry import TokenGrid, resize_and_crop
from worldprobe.labels.load import load_labeller
from worldprobe.labels.table import write_labels
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.predict.futures import Futures
from worldprobe.pipeline.predict.reading import Guesses, Readable
from worldprobe.pipeline.predict.readouts import readout_lines
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.pipeline.predict.windows import Window
from worldprobe.records import ClipSpec, Labels, VideoRef
from worldprobe.results import ReadoutResult, read_results
from worldprobe.video.rendered.scenes import render_scenes

WINDOWS, CONTEXT, HORIZON, TUBELET, SIDE = 80, 3, 2, 2, 64
TUBELETS = CONTEXT + HORIZON
FRAMES = TUBELETS * TUBELET
SETUP = PredictionSetup("made", "fp32", CONTEXT, HORIZON, "joint", 0)
ENCODER = SimpleNamespace(
    name="made",
    grid=lambda frames: TokenGrid(frames // TUBELET, 2, 2, TUBELET, 16),
    view=lambda width, height: resize_and_crop(width, height, crop=32)[1],
)


def film(number):
    return VideoRef(id=f"{number:064d}", path=f"{number}.mp4", width=SIDE, height=SIDE, frames=FRAMES, rate=10.0)


def windows():
    return [Window(ClipSpec(film(i), 0, FRAMES, 1), i, i, 1.0, 0.0, 1.0, True) for i in range(WINDOWS)]


def made(seed=0):
    """Tokens [n, t, s, d] that hold an object's place and class, and its labels: it turns after the context."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(2, size=WINDOWS)
    time = np.arange(FRAMES)
    # Straight on within the context, then another way: what stands still and what goes on are both wrong.
    turned = np.maximum(0, time - CONTEXT * TUBELET + 0.5)
    x = rng.uniform(24, 40, WINDOWS)[:, None] + np.outer(rng.choice((-0.5, 0.5), WINDOWS), time)
    y = rng.uniform(24, 40, WINDOWS)[:, None] + np.outer(rng.normal(size=WINDOWS) * 1.5, turned)
    place = np.stack([x, y], axis=2).reshape(WINDOWS, TUBELETS, TUBELET, 2).mean(axis=2) / SIDE
    tokens = rng.normal(size=(WINDOWS, 1, 4, 6)) * np.ones((1, TUBELETS, 1, 1))
    tokens[..., :2] = 4 * (place[:, :, None] - 0.5)
    tokens[..., 2] = 2.0 * kind[:, None, None] - 1
    labels = Labels.from_columns(
        video=list(np.repeat([film(i).id for i in range(WINDOWS)], FRAMES)), frame=np.tile(time, WINDOWS),
        pts_seconds=np.tile(time, WINDOWS) / 10, object=0, x=x.ravel(), y=y.ravel(), w=6.0, h=6.0, confidence=1.0,
        source="made", **{"class": list(np.repeat(np.array(["cup", "ball"])[kind], FRAMES))},
    )  # fmt: skip
    return tokens.astype(np.float32), labels


def lines_of(tokens, joint, labels, tasks=("xy", "class"), rolling=None):
    futures = Futures(labels, (2, 2), tubelet=TUBELET, levels=1)
    told = {"joint": joint, "rolling": joint if rolling is None else rolling}
    futures(windows(), tokens[:, :CONTEXT], told, tokens)
    return list(readout_lines(Readable(futures, SETUP), labels, tasks, ENCODER))


def by_method(lines, **at):
    mine = [one for one in lines if all(getattr(one, key) == value for key, value in at.items())]
    found = {(one.method, one.mode, one.horizon): one for one in some(mine)}
    assert len(found) == len(mine) == 9 * HORIZON
    return found


def test_a_future_that_is_right_says_where_the_object_will_be_and_one_that_stands_still_does_not():
    tokens, labels = made()
    still = np.repeat(tokens[:, CONTEXT - 1 : CONTEXT], HORIZON, axis=1)
    lines = lines_of(tokens, tokens[:, CONTEXT:], labels, rolling=still)
    for features in ("z", "grid"):
        found = by_method(lines, task="xy", metric="distance", features=features)
        for horizon in (1, 2):
            right, truth, copied, carried = (
                found[method, mode, horizon]
                for method, mode in (
                    ("predictor", "joint"), ("truth", None), ("copy-last", None), ("constant-velocity", None),
                )
            )  # fmt: skip
            assert right.score < 0.01
            assert truth.score == pytest.approx(right.score, abs=1e-3)
            assert min(copied.score, carried.score) > 0.01 * horizon
            assert {right.against[name] for name in ("copy-last", "constant-velocity", "mean")} == {"above"}
            wrong = found["predictor", "rolling", horizon]
            assert wrong.score == pytest.approx(copied.score, abs=5e-3)
            assert wrong.against["truth"] == "below"
            assert (right.n, right.n_groups, right.split) == (WINDOWS, WINDOWS, "grouped")
    explained = by_method(lines, task="xy", metric="r2", features="z")
    assert explained["predictor", "joint", 2].score > 0.98
    assert explained["mean", None, 2].score == pytest.approx(0.0)


def test_questions_side_by_side_are_answered_as_one_after_the_other():
    tokens, labels = made()
    ahead = tokens[:, CONTEXT:] + np.random.default_rng(3).normal(size=(WINDOWS, HORIZON, 4, 6)).astype(np.float32)
    found = {}
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found[threads] = lines_of(tokens, ahead, labels)
    assert len(some(found[1])) == len(found[2])
    for one, other in zip(found[1], found[2], strict=True):
        assert replace_score(one) == replace_score(other)
        assert one.score == pytest.approx(other.score, abs=1e-6)


def replace_score(line):
    return line.model_copy(update={"score": 0.0, "low": 0.0, "high": 0.0})


def test_labels_carried_on_are_right_where_nothing_turns_and_need_no_tokens():
    tokens, labels = made()
    straight = labels.table.with_columns(y=20.0)
    lines = lines_of(np.random.default_rng(1).normal(size=tokens.shape).astype(np.float32), tokens[:, CONTEXT:],
                     Labels(straight), tasks=("xy",))  # fmt: skip
    found = by_method(lines, metric="distance", features="z")
    assert found["constant-velocity", None, 2].score == pytest.approx(0.0, abs=1e-9)
    assert found["predictor", "joint", 2].against["constant-velocity"] == "below"


def test_a_class_is_kept_or_lost():
    tokens, labels = made()
    lost = np.roll(tokens, 1, axis=0)[:, CONTEXT:]
    found = by_method(lines_of(tokens, tokens[:, CONTEXT:], labels, rolling=lost), task="class", features="z")
    assert {one.metric for one in found.values()} == {"balanced_accuracy"}
    assert found["predictor", "joint", 2].score > 0.95
    assert abs(found["predictor", "rolling", 2].score - 0.5) < 0.2
    assert found["constant-velocity", None, 2].score == 1.0


def test_a_prediction_that_is_displaced_is_read_through_a_map_and_one_that_is_empty_is_not(tmp_path):
    tokens, labels = made()
    displaced = 0.4 * tokens[:, CONTEXT:] + 1.5
    empty = np.random.default_rng(2).normal(size=displaced.shape).astype(np.float32)
    lines = lines_of(tokens, displaced, labels, tasks=("xy",), rolling=empty)
    found = by_method(lines, metric="r2", features="grid")
    for horizon in (1, 2):
        assert found["predictor", "joint", horizon].score < 0.5
        mapped = found["predictor-corrected", "joint", horizon]
        assert mapped.score > 0.98
        assert mapped.against["copy-last"] == mapped.against["mean"] == "above"
        assert found["predictor-corrected", "rolling", horizon].score < 0.1
    read = Readouts.of(Run(tmp_path, tuple(lines), (), "made", {}, {}))
    row, headline = read.shown[0], read.headline
    assert (row.kind, row.corrected) == ("below", "above")
    assert "There, but displaced" in headline
    assert "at horizons 1, 2." in headline
    older = [one for one in lines if one.method != "predictor-corrected"]
    assert "displaced" not in Readouts.of(Run(tmp_path, tuple(older), (), "made", {}, {})).headline


def test_the_map_is_not_fitted_to_the_windows_that_are_read():
    """What other windows hold changes the map of a fold; what its own test windows hold does not."""
    tokens, labels = made()
    displaced = 0.4 * tokens[:, CONTEXT:] + 1.5
    futures = Futures(labels, (2, 2), tubelet=TUBELET, levels=1)
    futures(windows(), tokens[:, :CONTEXT], dict.fromkeys(("joint", "rolling"), displaced), tokens)
    whole = Readable(futures, SETUP)
    before = whole.guesses("grid")
    own = whole.folds.folds[0].test
    arrays = replace(before.arrays, true=before.arrays.true.copy())
    arrays.true[own] = np.random.default_rng(4).normal(size=arrays.true[own].shape)
    after = Guesses.of(arrays, whole.folds, CONTEXT)
    way = ("predictor-corrected", "joint")
    assert np.array_equal(after.guessed[0][way], before.guessed[0][way])
    assert not np.allclose(after.guessed[1][way], before.guessed[1][way])


def test_labels_of_other_films_are_not_in_a_true_future():
    tokens, labels = made()
    other = np.roll(tokens, 1, axis=0)
    found = by_method(lines_of(other, other[:, CONTEXT:], labels, tasks=("xy",)), metric="r2", features="grid")
    assert max(one.score for key, one in found.items() if key[0] != "constant-velocity") < 0.15


def test_what_cannot_be_asked_has_no_lines():
    tokens, labels = made()
    one_class = Labels(labels.table.with_columns(**{"class": labels.table["class"].replace("ball", "cup")}))
    lines = lines_of(tokens, tokens[:, CONTEXT:], one_class, tasks=("class", "depth", "xy", "state"))
    assert {one.task for one in some(lines)} == {"xy"}


def test_the_command_reads_predicted_futures_of_labelled_videos(rendered, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    films = rendered(10, 5, tmp_path)
    write_labels(label(films, labeller=load_labeller("truth")), tmp_path / "l.parquet")
    out = tmp_path / "run"
    asked = ["predict", *map(str, films), "--labels", str(tmp_path / "l.parquet"), "--tasks", "xy,class"]
    app([*asked, "--out", str(out)], standalone_mode=False)
    lines = [one for one in read_results(out / "results.jsonl") if isinstance(one, ReadoutResult)]
    # Two features, nine methods, four horizons; places by two metrics, classes by one; and the twin's.
    assert len(lines) == 2 * 2 * 9 * 4 * 3
    found = summarize(out).readouts
    assert {row.task for row in some(found.rows)} == {"xy", "class"}
    assert all(row.twin for row in found.rows)
    assert "Read better from predicted tokens than from copy-last" in found.headline
    assert (out / "figures" / "readouts.png").exists()
    assert 'id="readouts"' in (out / "report.html").read_text()
    again = ["predict", *map(str, films[:2]), "--no-twin", "--out", str(out)]  # without labels, of a part of them
    app(again, standalone_mode=False)
    assert summarize(out).readouts is None
    assert not (out / "figures" / "readouts.png").exists()
    elsewhere = label(render_scenes(1, 6, tmp_path), labeller=load_labeller("truth"))
    write_labels(elsewhere, tmp_path / "o.parquet")
    done = CliRunner().invoke(
        app, ["predict", *map(str, films), "--labels", str(tmp_path / "o.parquet"), "--out", str(tmp_path / "r")]
    )
    assert isinstance(done.exception, ConfigError)
    assert "--labels speaks of none of these videos" in str(done.exception)
