"""LeRobot datasets: every row at its frame, episodes as groups, and what does not fit is said."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.builders.checks import some
from tests.builders.lerobot_format import NAMES, write_dataset
from tests.builders.robots import some_robots

from worldprobe.encoders.load import load_encoder
from worldprobe.errors import LabelError
from worldprobe.labels.robots.lerobot import Dataset, LeRobot, episode_starts, videos
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe
from worldprobe.pipeline.sources import open_source
from worldprobe.plugins.promises import labels_problem, typed
from worldprobe.store import Store
from worldprobe.video.read import open_video
from worldprobe.video.rendered.robots.lerobot import write_lerobot
from worldprobe.video.rendered.scenes import truth_path

EPISODES, STEPS, FPS = 6, 8, 5


@pytest.fixture(scope="module")
def recorded():
    """Episodes in which a bright square's place is the state, and the next place the action."""
    rng = np.random.default_rng(0)
    place = rng.uniform(8, 40, (EPISODES, 1, 2)) + np.arange(STEPS)[None, :, None] * rng.uniform(
        -1, 1, (EPISODES, 1, 2)
    )
    frames = rng.integers(30, 60, (EPISODES, STEPS, 64, 64, 3)).astype(np.uint8)
    for e in range(EPISODES):
        for t in range(STEPS):
            x, y = place[e, t].astype(int)
            frames[e, t, y : y + 16, x : x + 16] = 220
    return frames, place.astype(np.float32), np.roll(place, -1, axis=1).astype(np.float32)


@pytest.fixture(params=["v3.0", "v2.1"])
def dataset(request, recorded, tmp_path):
    return write_dataset(tmp_path / "robot", *recorded, fps=FPS, version=request.param)


def test_every_row_is_at_its_frame_with_named_dimensions(dataset, recorded):
    _, state, action = recorded
    seen = 0
    for path in some(videos(dataset)):
        with open_video(path) as video:
            table = LeRobot().label(video).table
            starts = episode_starts(path, video.pts_seconds).starts
            assert len(table) == video.ref.frames
        assert table["frame"].to_list() == list(range(len(table)))
        assert starts == tuple(range(0, len(table), STEPS))
        for row in some(table.iter_rows(named=True)):
            e, t = row["object"], row["frame"] % STEPS
            assert [row["state.x"], row["state.y"]] == state[e, t].tolist()
            assert [row["action.0"], row["action.1"]] == action[e, t].tolist()
        seen += len(table)
    assert seen == EPISODES * STEPS


def test_state_is_probed_a_dimension_at_a_time_with_episodes_as_groups(dataset, tmp_path):
    paths = list(videos(dataset))
    store = Store(str(tmp_path / "embeddings.zarr"))
    encode(paths, encoder=load_encoder("pixels"), store=store, blocks=[0], frames=4)
    labels = label(paths, labeller=LeRobot())
    plan = Plan(
        encoder="pixels", tasks=("state", "action"), features=("grid",), controls=("majority", "shuffled"),
        split="grouped",
    )  # fmt: skip
    probed = probe(store, labels, plan)
    real = [r for r in probed.results if r.control == "none" and r.split == "grouped"]
    assert [r.task for r in real] == ["state.x", "state.y", "action.0", "action.1"]
    assert {r.n_groups for r in real} == {EPISODES}
    assert probed.kept + sum(probed.dropped.values()) == EPISODES * STEPS


def test_a_task_that_the_labels_do_not_hold_says_so(recorded, tmp_path):
    root = write_dataset(tmp_path / "robot", *recorded, fps=FPS)
    paths = list(videos(root))
    store = Store(str(tmp_path / "embeddings.zarr"))
    encode(paths, encoder=load_encoder("pixels"), store=store, blocks=[0], frames=4)
    labels = label(paths, labeller=LeRobot())
    bare = type(labels)(labels.table.drop([c for c in labels.table.columns if c.startswith("action.")]))
    plan = Plan(encoder="pixels", tasks=("action",), features=("z",), controls=("majority",), split="grouped")
    (result,) = probe(store, bare, plan).results
    assert result.score is None
    assert result.notes == ["the labels hold no action"]


def test_names_fall_back_to_numbers(dataset):
    found = Dataset.containing(next(videos(dataset)))
    assert found.info.features["observation.state"].names == tuple(NAMES[:2])
    assert found.info.features["action"].names == ("0", "1")


def test_what_does_not_fit_is_one_clear_error(recorded, tmp_path):
    with pytest.raises(LabelError, match="no LeRobot dataset: it has no meta/info"):
        list(videos(tmp_path))
    root = write_dataset(tmp_path / "robot", *recorded, fps=FPS)
    path = next(videos(root))
    with open_video(path) as video:
        for table in (root / "data").rglob("*.parquet"):
            late = pl.read_parquet(table).with_columns(pl.col("timestamp") + 0.15)
            late.write_parquet(table)
        with pytest.raises(LabelError, match=r"episode \d .* has a row at .* no frame within 0\.100 s"):
            LeRobot().label(video)
        for table in (root / "meta" / "episodes").rglob("*.parquet"):
            table.unlink()
        with pytest.raises(LabelError, match=r"cannot be read: .*meta/episodes"):
            LeRobot().label(video)


def test_another_version_is_refused(recorded, tmp_path):
    root = write_dataset(tmp_path / "robot", *recorded, fps=FPS)
    info = json.loads((root / "meta" / "info.json").read_text())
    (root / "meta" / "info.json").write_text(json.dumps({**info, "codebase_version": "v1.6"}))
    with pytest.raises(LabelError, match=r"version v1\.6; this version of worldprobe reads v2\.0, v2\.1 and v3\.0"):
        list(videos(root))


def test_every_stage_takes_episodes_for_shots(recorded, tmp_path):
    path = next(videos(write_dataset(tmp_path / "robot", *recorded, fps=FPS)))
    with open_source(path) as video:
        assert video.shots == (0, STEPS, 2 * STEPS, 3 * STEPS)  # the first of two files


def test_a_file_outside_any_dataset_has_no_episodes(tmp_path):
    assert episode_starts(tmp_path / "film.mp4", np.arange(10.0)) is None


def test_rendered_robots_as_a_dataset_hold_state_and_action_to_the_bit(tmp_path_factory):
    films = some_robots(tmp_path_factory)
    root = write_lerobot(films, tmp_path_factory.mktemp("robots") / "dataset")
    found = list(videos(root))
    assert len(found) == len(films)
    for film, path in zip(films, found, strict=True):
        assert path.read_bytes() == film.read_bytes()
        truth = pl.read_parquet(truth_path(film))
        with open_video(path) as video:
            labels = LeRobot().label(video)
            assert labels_problem(typed(labels), video) == ""
        assert labels.notes == ()
        measured = [name for name in labels.table.columns if name.startswith(("state.", "action."))]
        assert measured == [name for name in truth.columns if name.startswith(("state.", "action."))]
        np.testing.assert_array_equal(
            labels.table.select(measured).to_numpy(), truth.select(measured).to_numpy().astype(np.float32)
        )
        assert labels.table["pts_seconds"].to_list() == pytest.approx(truth["pts_seconds"].to_list())


def test_a_place_without_a_dataset_says_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sets" / "one" / "meta").mkdir(parents=True)
    (tmp_path / "sets" / "one" / "meta" / "info.json").touch()
    for given, said in (
        ("sets", "which sets/one has. Write lerobot:sets/one."),
        ("sets/one/meta/info.json", "which sets/one has. Write lerobot:sets/one."),
        ("sets/gone", "hf download --repo-type dataset sets/gone"),
        ("gone", "there is no such folder. Give the one that holds meta/info.json."),
    ):
        with pytest.raises(LabelError) as caught:
            list(videos(Path(given)))
        assert said in str(caught.value), given
