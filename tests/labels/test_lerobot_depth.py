"""LeRobot data as it is found: depth as a target, tasks in words, datasets that were merged."""

import io
import shutil

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.builders.checks import some
from tests.builders.lerobot_format import (
    CAMERA,
    change_info,
    change_tables,
    film_depth,
    merge_datasets,
    write_dataset,
    write_tasks,
)
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.encoders.load import load_encoder
from worldprobe.errors import LabelError, WorldprobeError
from worldprobe.labels.robots.depth import PARTS
from worldprobe.labels.robots.lerobot import LeRobot, videos
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.moments import align
from worldprobe.pipeline.probe.questions import dimensions
from worldprobe.pipeline.sources import open_source, ref_of
from worldprobe.pipeline.stored import find_series
from worldprobe.store import Store

EPISODES, STEPS, FPS, SIDE = 6, 8, 5, 48
DEEP = "observation.images.front_depth"
CODING = {"video.depth_min": 0.1, "video.depth_max": 6.0, "video.shift": 2.0, "video.use_log": True}


def codes():
    """12 bit numbers [e, t, h, w]: each ninth of each picture is even, and no two are alike."""
    ninths = np.arange(EPISODES * STEPS * 9).reshape(EPISODES, STEPS, 3, 3) * 9 + 100
    return np.kron(ninths, np.ones((SIDE // 3, SIDE // 3))).astype(np.uint16)


def grey(seed=0):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 255, (EPISODES, STEPS, SIDE, SIDE, 3), dtype=np.uint8)
    return frames, rng.normal(size=(EPISODES, STEPS, 2)).cumsum(axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    frames, state = grey()
    root = tmp_path_factory.mktemp("deep") / "robot"
    write_dataset(root, frames, state, state, fps=FPS, also={DEEP: frames})
    film_depth(root, DEEP, codes(), fps=FPS)
    return root


@pytest.fixture
def dataset(original, tmp_path):
    return shutil.copytree(original, tmp_path / "robot")


def metres(code):
    low, high = np.log(0.1 + 2.0), np.log(6.0 + 2.0)
    return np.exp(low + code / 4095 * (high - low)) - 2.0


def measured(root):
    """Depths of all episodes, [e, t, 9], and what was noted."""
    found = label(list(videos(root)), labeller=LeRobot("depth"))
    table = found.table.sort("object", "frame")
    return table.select(f"depth.{part}" for part in PARTS).to_numpy().reshape(-1, STEPS, 9), found.notes


@pytest.mark.parametrize(("coding", "read"), [(None, lambda code: code), (CODING, metres)])
def test_depth_is_a_target_by_parts_of_the_picture_with_all_its_bits(dataset, coding, read):
    if coding:
        change_info(dataset, lambda info: info["features"][DEEP]["info"].update(coding))
    found, notes = measured(dataset)
    wanted = read(codes()[:, :, ::16, ::16].reshape(EPISODES, STEPS, 9).astype(float))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    unit = "metres" if coding else "the dataset's own numbers"
    assert any(f"depth is by {DEEP}, the median of each ninth of it in {unit}." in note for note in notes)


def test_where_nothing_was_measured_there_is_no_depth(dataset):
    holes = codes()
    holes[1, 2, :16, :16] = 0
    holes[1, 3, :16, :7] = 0  # less than half of the part
    film_depth(dataset, DEEP, holes, fps=FPS, coding=CODING)
    found, _ = measured(dataset)
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 2, 0]]


def test_linear_codes_and_codes_that_cannot_be(dataset):
    change_info(dataset, lambda info: info["features"][DEEP]["info"].update({**CODING, "video.use_log": False}))
    found, _ = measured(dataset)
    np.testing.assert_allclose(found[0, 0, 0], 0.1 + 100 / 4095 * 5.9)
    change_info(dataset, lambda info: info["features"][DEEP]["info"].update({"video.depth_max": 0.0}))
    with pytest.raises(LabelError, match=r"depths of the feature .* are from 0\.1 to 0\.0 m"):
        list(videos(dataset))


def test_an_episode_that_the_depth_camera_lacks_has_no_depth(dataset):
    keys = [f"videos/{DEEP}/{key}" for key in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")]
    lacks = pl.col("episode_index") == 2
    change_tables(
        dataset / "meta" / "episodes",
        lambda table: table.with_columns(
            pl.when(lacks).then(None).otherwise(pl.col(key)).alias(key) for key in keys
        ),
    )
    found, notes = measured(dataset)
    assert np.isnan(found[2]).all()
    assert np.isfinite(np.delete(found, 2, axis=0)).all()
    assert any(f"{DEEP} did not film episode 2: no depth there." in note for note in notes)


def test_depth_in_pictures_of_16_bits(tmp_path):
    frames, state = grey()
    root = write_dataset(
        tmp_path / "robot", frames, state, state, fps=FPS, also={DEEP: frames}, cameras_are="bytes"
    )
    change_info(root, lambda info: info["features"][DEEP].update(info={"is_depth_map": True}))

    def picture(code):
        held = io.BytesIO()
        Image.fromarray(code).save(held, "PNG")
        return {"bytes": held.getvalue(), "path": "x.png"}

    def change(table):
        places = table.select("episode_index", "frame_index").rows()
        return table.with_columns(pl.Series(DEEP, [picture(codes()[place]) for place in places]))

    change_tables(root / "data", change)
    found, _ = measured(root)
    np.testing.assert_allclose(found, codes()[:, :, ::16, ::16].reshape(EPISODES, STEPS, 9))


def test_the_depth_camera_of_a_camera_is_known_by_its_name(dataset):
    change_info(dataset, lambda info: info["features"].update(other=info["features"][CAMERA]))
    change_info(dataset, lambda info: info["features"].update({"wrist.depth": info["features"].pop(DEEP)}))
    found = label([next(iter(videos(dataset)))], labeller=LeRobot("depth"))
    assert not [name for name in found.table.columns if name.startswith("depth")]
    assert any(f"no depth camera goes with {CAMERA} by its name" in note for note in found.notes)


def test_what_holds_no_distances_is_one_line(dataset, tmp_path):
    rng = np.random.default_rng(0)
    frames = np.repeat(rng.integers(0, 255, (2, 4, 1, 1, 3)), 64, axis=2).repeat(64, axis=3).astype(np.uint8)
    state = np.zeros((2, 4, 2), np.float32)
    root = write_dataset(tmp_path / "coloured", frames, state, state, fps=FPS, also={DEEP: frames})
    with pytest.raises(LabelError, match="shows depth as colours, from which nobody can tell distances"):
        measured(root)
    change_info(root, lambda info: info["features"].pop(DEEP))
    with pytest.raises(LabelError, match=r"coloured has no depth camera"):
        measured(root)
    (film,) = (dataset / "videos" / DEEP).rglob("*.mp4")
    film.write_bytes(film.read_bytes()[:50])
    with pytest.raises(LabelError, match=r"the depth camera's film .* cannot be read"):
        measured(dataset)
    with pytest.raises(LabelError, match="takes the argument depth or none, got 'deep'"):
        LeRobot("deep")


def test_depth_is_probed_a_part_at_a_time(dataset, tmp_path):
    paths, store = list(videos(dataset)), Store(str(tmp_path / "s"))
    encode(paths, encoder=load_encoder("pixels"), store=store, blocks=[0], frames=4)
    series = find_series(store, [ref_of(path).id for path in paths], encoder="pixels", input="native", block=None)
    moments = align(series, label(paths, labeller=LeRobot("depth")))
    assert dimensions(["depth"], moments) == [f"depth.{part}" for part in PARTS]
    pairs = codes()[:, :, ::16, ::16].reshape(EPISODES, STEPS // 2, 2, 9).mean(axis=2)
    np.testing.assert_allclose(moments.measured["depth.top-left"], pairs[:, :, 0].ravel())


# Tasks in words.


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_what_robots_were_to_do_is_a_column(tmp_path, version):
    frames, state = grey()
    root = write_dataset(tmp_path / "robot", frames, state, state, fps=FPS, version=version)
    if version == "v2.1":
        assert "task" not in label(list(videos(root)), labeller=LeRobot()).table.columns
    texts = ["pick the ball", "push it  ", ""]
    write_tasks(root, dict(enumerate(texts)))
    change_tables(
        root / "data",
        lambda table: table.with_columns((pl.col("episode_index") % 4).cast(pl.Int64).alias("task_index")),
    )
    table = label(list(videos(root)), labeller=LeRobot()).table
    for episode, task in table.select("object", "task").unique().iter_rows():
        assert task == ["pick the ball", "push it", "", ""][episode % 4]


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_tasks_that_are_none_are_one_line(tmp_path, version):
    frames, state = grey()
    root = write_dataset(tmp_path / "robot", frames[:2], state[:2], state[:2], fps=FPS, version=version)
    write_tasks(root, {0: "a"})
    (path,) = (root / "meta").glob("tasks.*")
    spoilt = ["damaged", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"]
    for content in some(spoilt):
        path.write_text(content)
        with pytest.raises(WorldprobeError) as refusal:
            label(list(videos(root)), labeller=LeRobot())
        assert "\n" not in str(refusal.value)
    if version == "v2.1":
        path.write_text('{"task_index": 0, "task": 7}')
        with pytest.raises(LabelError, match="task_index 0 is 7; it must be a text"):
            label(list(videos(root)), labeller=LeRobot())
    else:
        pl.DataFrame({"task_index": [0]}).write_parquet(path)
        with pytest.raises(LabelError, match="has no columns of numbers"):
            label(list(videos(root)), labeller=LeRobot())


# Merged datasets, and clips that do not fit.


def test_a_merged_dataset_is_read_as_its_parts_are(tmp_path):
    states, parts = [], []
    for seed in range(2):
        frames, state = grey(seed)
        parts.append(
            write_dataset(tmp_path / f"part{seed}", frames, state, -state, fps=FPS, also={"wrist": frames})
        )
        states.append(state)
    root = merge_datasets(*parts, tmp_path / "whole")
    found = label(list(videos(root)), labeller=LeRobot())
    assert not found.notes
    table = found.table
    assert sorted(table["object"].unique()) == list(range(2 * EPISODES))
    both = np.concatenate(states)
    for episode in range(2 * EPISODES):
        rows = table.filter(pl.col("object") == episode).sort("video", "frame")["state.x"].to_numpy()
        np.testing.assert_array_equal(rows.reshape(2, STEPS), [both[episode, :, 0]] * 2)
    names = {name for path in videos(root) for name in ref_of(path).episodes}
    assert len(names) == 2 * EPISODES
    # The films are those of the parts; an episode is known by its rows, of which the counters have changed.
    for path in videos(root):
        with open_source(path) as video:
            assert len(video.shots) in (2, 4, EPISODES)


def test_episodes_shorter_than_a_clip_are_one_line(tmp_path):
    frames, state = grey()
    root = write_dataset(tmp_path / "robot", frames, state, state, fps=FPS)
    arguments = [
        "encode",
        f"lerobot:{root}",
        "--encoder",
        "pixels",
        "--frames",
        "16",
        "--store",
        str(tmp_path / "s"),
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "4 shots, all shorter; a clip of 16 frames with stride 1 needs 16" in str(done.exception)
