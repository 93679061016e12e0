"""What shows the same is one group: an episode seen by two cameras, a film under two names; and nothing else is."""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.builders.checks import some
from tests.builders.lerobot_format import write_dataset
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.encoders.load import load_encoder
from worldprobe.labels.robots.lerobot import LeRobot, videos
from worldprobe.pipeline.decode.rows import deal
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.predict.windows import Cut, read_windows, unit_of
from worldprobe.pipeline.probe.moments import align
from worldprobe.pipeline.probe.targets import split_rows, target
from worldprobe.pipeline.sources import ref_of
from worldprobe.pipeline.stored import find_series
from worldprobe.probes.splits import make_folds
from worldprobe.records import Labels
from worldprobe.results import read_results
from worldprobe.store import Store
from worldprobe.video.write import write_video

EPISODES, STEPS, FPS = 12, 8, 5


def recording(seed):
    """Frames of two cameras [e, t, h, w, 3], and states [e, t, d] that they show."""
    rng = np.random.default_rng(seed)
    state = rng.normal(size=(EPISODES, STEPS, 2)).cumsum(axis=1).astype(np.float32)
    front, wrist = (rng.integers(0, 256, (EPISODES, STEPS, 32, 32, 3), dtype=np.uint8) for _ in range(2))
    return front, wrist, state


def dataset(root, version="v3.0", seed=0):
    front, wrist, state = recording(seed)
    also = {"observation.images.wrist": wrist}
    return write_dataset(root, front, state, -state, fps=FPS, version=version, also=also)


def command(*arguments):
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def encoded(paths, store):
    encode(paths, encoder=load_encoder("pixels"), store=store, blocks=[0], frames=4)
    ids = list(dict.fromkeys(ref_of(path).id for path in paths))
    return find_series(store, ids, encoder="pixels", input="native", block=None)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A dataset by its version and seed, written once for all tests, which only read it."""
    return cache(
        lambda version="v3.0", seed=0: dataset(tmp_path_factory.mktemp("recorded") / "robot", version, seed)
    )


@pytest.fixture(params=["v3.0", "v2.1"])
def two_cameras(request, recorded):
    return recorded(request.param)


def test_an_episode_that_two_cameras_saw_is_one_group_of_every_score(two_cameras, tmp_path):
    source, out = f"lerobot:{two_cameras}", tmp_path / "run"
    command("encode", source, "--encoder", "pixels", "--frames", 4, "--store", tmp_path / "s")
    command("label", source, "--labeller", "lerobot", "--out", tmp_path / "labels.parquet")
    command(
        "probe", "--store", tmp_path / "s", "--labels", tmp_path / "labels.parquet", "--encoder", "pixels",
        "--tasks", "state", "--features", "z", "--controls", "majority,shuffled", "--evidence", "none",
        "--out", out,
    )  # fmt: skip
    found = [line for line in read_results(out / "results.jsonl") if line.kind == "probe"]
    assert {line.n_groups for line in found} == {EPISODES}
    assert {line.n_test for line in found} == {
        2 * EPISODES * STEPS // 2
    }  # tubelets of two frames, by either camera
    # The same moments of an episode by either camera have the same unit, so they were held out together.
    rows = pl.read_parquet(out / "answers.parquet").filter(pl.col("task") == "state.x")
    by_state = (
        rows.with_columns(value=pl.col("target").list.first()).group_by("value").agg(pl.col("unit").n_unique())
    )
    assert by_state["unit"].max() == 1
    assert len(by_state) == EPISODES * STEPS // 2


def test_no_split_has_one_camera_train_on_what_another_is_tested_on(two_cameras, tmp_path):
    paths = list(videos(two_cameras))
    series = encoded(paths, Store(str(tmp_path / "s")))
    moments = align(series, label(paths, labeller=LeRobot()))
    asked = target(moments, "state.x", moments.group)
    rows = split_rows(moments, asked.usable)
    episode = np.unique(asked.values[:, 0], return_inverse=True)[1]  # states tell moments: no two are equal
    for kind in ("grouped", "blocked"):
        for fold in some(make_folds(rows, kind=kind, seed=0).folds):
            assert not set(episode[fold.train]) & set(episode[fold.test]), kind
            for train, held in some(fold.inner):
                assert not set(episode[train]) & set(episode[held]), kind


def test_leaving_a_video_out_leaves_out_all_that_show_its_episodes(recorded, tmp_path):
    paths = list(videos(recorded("v2.1")))
    series = encoded(paths, Store(str(tmp_path / "s")))
    moments = align(series, label(paths, labeller=LeRobot()))
    rows = split_rows(moments, target(moments, "state.x", moments.group).usable)
    folds = make_folds(rows, kind="video", seed=0)
    assert len(folds.folds) == EPISODES
    assert all(len(np.unique(moments.video[fold.test])) == 2 for fold in some(folds.folds))


def test_decoders_and_predictions_hold_out_whole_episodes(two_cameras, tmp_path):
    paths = list(videos(two_cameras))
    series = encoded(paths, Store(str(tmp_path / "s")))
    clips = [(number, clip) for number, one in enumerate(series) for clip in range(len(one.specs))]
    # Every episode has two clips, and every camera its own two of the same times.
    group = deal(series, clips, split="grouped", seed=0)[3]
    assert np.unique(group, return_counts=True)[1].tolist() == [4] * EPISODES
    failures = []
    batches = read_windows(
        paths, load_encoder("vjepa2-tiny"), Cut(2, 1), failures=failures, progress=lambda *_: None, stage="test"
    )
    windows = [window for batch in batches for window in batch.windows]
    assert not failures
    split, unit = unit_of(windows)
    assert split == "grouped"
    assert len(np.unique(unit)) == EPISODES


def test_episodes_of_equal_number_in_two_datasets_are_two_groups(recorded, tmp_path):
    paths = [path for seed in (0, 1) for path in videos(recorded(seed=seed))]
    series = encoded(paths, Store(str(tmp_path / "s")))
    moments = align(series, label(paths, labeller=LeRobot()))
    assert len(np.unique(moments.group)) == 2 * EPISODES
    assert len(np.unique(moments.recording)) == 2


def test_a_dataset_that_lies_in_two_places_is_one(recorded, tmp_path):
    """One camera encoded here, the other one there: the store knows the episode by what was recorded."""
    root = recorded()
    there = Path(shutil.copytree(root, tmp_path / "there"))
    store = Store(str(tmp_path / "s"))
    front = [path for path in videos(root) if "front" in str(path)]
    wrist = [path for path in videos(there) if "wrist" in str(path)]
    series = [*encoded(front, store), *encoded(wrist, store)]
    moments = align(series, label([*front, *wrist], labeller=LeRobot()))
    assert len(np.unique(moments.group)) == EPISODES


def test_embeddings_that_do_not_know_their_episodes_are_refused(recorded, tmp_path):
    from dataclasses import replace

    from worldprobe.errors import StoreError

    paths = list(videos(recorded()))
    series = encoded(paths, Store(str(tmp_path / "s")))
    forgot = [replace(one, video=replace(one.video, episodes=())) for one in series]
    with pytest.raises(StoreError, match=r"do not say which episodes.*Encode into another store"):
        align(forgot, label(paths, labeller=LeRobot()))


def film(path, seed):
    rng = np.random.default_rng(seed)
    frames = np.full((40, 32, 32, 3), 20, np.uint8)
    for index, x in enumerate(rng.integers(0, 24, 40)):
        frames[index, 8:16, x : x + 8] = 230
    write_video(path, list(frames), rate=10)
    return path


def test_a_film_under_two_names_is_taken_once_and_that_is_said(tmp_path):
    first = film(tmp_path / "a.mp4", 0)
    shutil.copy(first, tmp_path / "b.mp4")
    done = command("label", first, tmp_path / "b.mp4", "--labeller", "moving", "--out", tmp_path / "both.parquet")
    assert "b.mp4 holds the same as " in done.stderr
    command("label", first, "--labeller", "moving", "--out", tmp_path / "one.parquet")
    assert pl.read_parquet(tmp_path / "both.parquet").equals(pl.read_parquet(tmp_path / "one.parquet"))


def test_a_film_under_two_names_is_one_group_for_those_who_call_the_library(tmp_path):
    first, other = film(tmp_path / "a.mp4", 0), film(tmp_path / "c.mp4", 1)
    again = Path(shutil.copy(first, tmp_path / "b.mp4"))
    once = label([first, other], labeller=_Whole())
    assert label([first, again, other], labeller=_Whole()).table.equals(once.table)
    batches = read_windows(
        [first, again, other],
        load_encoder("vjepa2-tiny"),
        Cut(2, 1),
        failures=[],
        progress=lambda *_: None,
        stage="t",
    )
    windows = [window for batch in batches for window in batch.windows]
    groups = {number: {w.group for w in windows if w.video == number} for number in range(3)}
    assert groups[0] == groups[1]
    assert not groups[0] & groups[2]


class _Whole:
    name = "whole"

    def label(self, video):
        n = video.ref.frames
        return Labels.from_columns(
            video=[video.ref.id] * n, frame=list(range(n)), pts_seconds=video.pts_seconds, object=0,
            **{"class": ""}, x=16.0, y=16.0, w=8.0, h=8.0, confidence=1.0, source="whole",
        )  # fmt: skip
