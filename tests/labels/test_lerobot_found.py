"""LeRobot datasets as they are found: read right, or left out and said, or refused by name."""

import json
import re
import shutil
from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest
from tests.builders.checks import some
from tests.builders.lerobot_format import CAMERA, change_info, change_tables, write_dataset
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.encoders.load import load_encoder
from worldprobe.errors import LabelError, VideoError, WorldprobeError
from worldprobe.labels.robots.info import read_info
from worldprobe.labels.robots.lerobot import LeRobot, left_out, videos
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.sources import open_source, ref_of
from worldprobe.pipeline.stored import find_series
from worldprobe.store import Store

EPISODES, STEPS, FPS = 6, 8, 5
WRIST = "observation.images.wrist"


def recorded(seed=0, episodes=EPISODES, steps=STEPS):
    """Frames of two cameras of one even grey that no other frame has, and states that say which row each is."""
    rng = np.random.default_rng(seed)
    state = rng.normal(size=(episodes, steps, 2)).cumsum(axis=1).astype(np.float32)
    grey = (np.arange(episodes * steps) * 4 + 20).reshape(episodes, steps).astype(np.uint8)
    frames = np.broadcast_to(grey[:, :, None, None, None], (episodes, steps, 32, 32, 3)).copy()
    return frames, 255 - frames, state


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Datasets that were written once, by what they are."""
    written = {}

    def of(version, cameras_are):
        if (version, cameras_are) not in written:
            front, wrist, state = recorded()
            root = tmp_path_factory.mktemp("original") / "robot"
            also = {WRIST: wrist}
            written[version, cameras_are] = write_dataset(
                root, front, state, -state, fps=FPS, version=version, also=also, cameras_are=cameras_are
            )
        return written[version, cameras_are]

    return of


@pytest.fixture
def dataset(originals):
    """Copies of them, to be spoilt."""

    def copy(root, version="v3.0", cameras_are="videos"):
        return Path(shutil.copytree(originals(version, cameras_are), root))

    return copy


def command(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)


def refused(*arguments):
    """The one line that a command ends with."""
    with pytest.raises(WorldprobeError) as refusal:
        command(*arguments)
    said = str(refusal.value)
    assert "\n" not in said
    return said


def label_of(root):
    return "label", f"lerobot:{root}", "--labeller", "lerobot", "--out", root.parent / "l.parquet"


def of_camera(root, camera):
    return [path for path in videos(root) if camera in str(path)]


def pairs(paths):
    """(grey of the frame, episode, state) of every labelled frame, as the tables tell them."""
    found = []
    for path in paths:
        with open_source(path) as video:
            table = LeRobot().label(video).table
            frames = dict(video.frames(table["frame"].to_list()))
        for row in table.iter_rows(named=True):
            found.append((float(frames[row["frame"]].mean()), row["object"], row["state.x"]))
    return found


def assert_right(found, *, wrist=False):
    """Every state beside the very frame that was taken with it."""
    _, _, state = recorded()
    for grey, episode, x in some(found):
        place = round(((255 - grey if wrist else grey) - 20) / 4)
        assert divmod(place, STEPS) == (episode, int(np.argmin(np.abs(state[episode, :, 0] - x)))), grey


# Cameras that lack episodes, and files that lie elsewhere than others.


@pytest.mark.parametrize("which", ["chunk_index", "every"])
def test_an_episode_that_a_camera_lacks_is_left_out_for_it_and_said(dataset, tmp_path, which):
    root = dataset(tmp_path / "robot")

    def without(table):
        keys = ["chunk_index", "file_index", "from_timestamp", "to_timestamp"] if which == "every" else [which]
        return table.with_columns(
            pl.when(pl.col("episode_index") == 2).then(None).otherwise(pl.col(f"videos/{WRIST}/{key}")).alias(
                f"videos/{WRIST}/{key}"
            )
            for key in keys
        )  # fmt: skip

    change_tables(root / "meta" / "episodes", without)
    seen = pairs(of_camera(root, WRIST))
    assert_right(seen, wrist=True)
    assert sorted({episode for _, episode, _ in seen}) == [0, 1, 3, 4, 5]
    assert {episode for _, episode, _ in pairs(of_camera(root, CAMERA))} == set(range(EPISODES))
    assert left_out(root) == (f"{WRIST} did not film episode 2: left out for this camera.",)
    done = command("label", f"lerobot:{root}", "--labeller", "lerobot", "--out", tmp_path / "l.parquet")
    assert done.exit_code == 0
    assert f"{WRIST} did not film episode 2: left out" in done.stderr
    # What the wrist's film shows meanwhile belongs to no episode, and to no group of another camera's.
    (film,) = of_camera(root, WRIST)
    with open_source(film) as video:
        assert video.shots == (0, 8, 16, 24, 32, 40)
        assert [bool(name) for name in video.episodes] == [True, True, False, True, True, True]


def test_files_of_other_cuts_than_the_data_files_and_than_other_cameras(dataset, tmp_path):
    root = dataset(tmp_path / "robot")  # the front's two files, the wrist's one, the tables' two
    whole = pl.concat(pl.read_parquet(path) for path in sorted((root / "data").rglob("*.parquet")))
    cut = root / "data" / "chunk-000"
    whole.filter(pl.col("episode_index") < 1).write_parquet(cut / "file-000.parquet")
    whole.filter(pl.col("episode_index") >= 1).sample(fraction=1.0, shuffle=True, seed=3).write_parquet(
        cut / "file-001.parquet"
    )
    change_tables(
        root / "meta" / "episodes",
        lambda table: table.with_columns((pl.col("episode_index") >= 1).cast(pl.Int64).alias("data/file_index"))
        .sample(fraction=1.0, shuffle=True, seed=5),
    )  # fmt: skip
    found = pairs(of_camera(root, CAMERA))
    assert len(found) == EPISODES * STEPS
    assert_right(found)
    assert_right(pairs(of_camera(root, WRIST)), wrist=True)


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
@pytest.mark.parametrize("where", ["videos", "bytes"])
def test_of_a_whole_dataset_nothing_is_said(dataset, tmp_path, version, where):
    root = dataset(tmp_path / "robot", version, where)
    assert left_out(root) == ()
    assert label(list(videos(root)), labeller=LeRobot()).notes == ()


def test_frames_without_a_row_are_counted(dataset, tmp_path):
    root = dataset(tmp_path / "robot")
    change_tables(root / "data", lambda table: table.filter(pl.col("frame_index") < 6))
    found = label(of_camera(root, WRIST), labeller=LeRobot())
    assert len(found.table) == 6 * EPISODES
    assert [note.partition(": ")[2] for note in found.notes] == [
        f"{2 * EPISODES} frames of its episodes have no row, and no labels."
    ]


def test_gaps_in_the_numbers_of_episodes_of_version_3(dataset, tmp_path):
    root = dataset(tmp_path / "robot")
    for folder in ("data", "meta/episodes"):
        change_tables(
            root / folder,
            lambda table: table.filter(pl.col("episode_index") != 1).with_columns(
                pl.when(pl.col("episode_index") > 3).then(pl.col("episode_index") + 100)
                .otherwise(pl.col("episode_index")).alias("episode_index")
            ),
        )  # fmt: skip
    found = pairs(of_camera(root, CAMERA))
    assert {episode for _, episode, _ in found} == {0, 2, 3, 104, 105}
    assert_right([(grey, episode % 100, x) for grey, episode, x in found])
    assert "speaks of 6 episodes, and there are 5." in left_out(root)[-1]


def test_gaps_in_the_numbers_of_episodes_of_version_2(dataset, tmp_path):
    root = dataset(tmp_path / "robot", "v2.1")
    for path in [*root.rglob("episode_000001.*")]:
        path.unlink()
    change_info(root, lambda info: info.update(total_episodes=5))
    found = pairs(of_camera(root, CAMERA))
    assert {episode for _, episode, _ in found} == {0, 2, 3, 4, 5}
    assert_right(found)
    assert left_out(root) == ()


def test_an_episode_that_stands_twice_is_refused_where_it_differs(dataset, tmp_path):
    root = dataset(tmp_path / "robot")
    change_tables(root / "meta" / "episodes", lambda table: pl.concat([table, table.head(1)]))
    assert len(pairs(of_camera(root, CAMERA))) == EPISODES * STEPS  # the same said twice is said once
    change_tables(
        root / "meta" / "episodes",
        lambda table: pl.concat([table, table.tail(1).with_columns(pl.lit(1, pl.Int64).alias("episode_index"))]),
    )
    with pytest.raises(LabelError, match="says of episode 1 what differs"):
        list(videos(root))


def test_episodes_that_lie_over_each_other_are_refused(dataset, tmp_path):
    root = dataset(tmp_path / "robot")
    key = f"videos/{WRIST}/from_timestamp"
    change_tables(root / "meta" / "episodes", lambda table: table.with_columns((pl.col(key) * 0.8).alias(key)))
    with pytest.raises(LabelError, match=r"episodes 0 and 1 .* lie over each other"):
        open_source(of_camera(root, WRIST)[0])


# Clocks.


def late(path, seconds):
    """Write the film anew, every picture that much later, as remuxing does."""
    moved = path.with_suffix(".late.mp4")
    with av.open(str(path)) as source, av.open(str(moved), "w") as target:
        stream = source.streams.video[0]
        out = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is None:
                continue
            shift = round(seconds / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, out
            target.mux(packet)
    moved.replace(path)


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_a_film_whose_clock_begins_late_is_matched_by_time(dataset, tmp_path, version):
    root = dataset(tmp_path / "robot", version)
    (path, *_) = of_camera(root, CAMERA)
    late(path, 2 / FPS)
    with open_source(path) as video:
        assert video.ref.first_pts_seconds == pytest.approx(2 / FPS)
        labels = LeRobot().label(video)
        shots = video.shots
    _, _, state = recorded()
    episodes = 4 if version == "v3.0" else 1
    rows = state[:episodes].reshape(-1, 2)[2:]
    assert labels.table["state.x"].to_list() == rows[:, 0].tolist()
    assert labels.table["frame"].to_list() == list(range(len(rows)))
    assert labels.table["pts_seconds"].to_numpy() == pytest.approx(np.arange(len(rows)) / FPS)
    assert any(
        re.search(r"its first frame is at 0\.400 s\): 2 of \d+ rows have no frame", one) for one in labels.notes
    )
    assert shots == ((0, 6, 14, 22, 30) if version == "v3.0" else (0,))


def test_a_film_whose_clock_begins_late_with_metadata_that_say_so(dataset, tmp_path):
    root = dataset(tmp_path / "robot")
    for path in of_camera(root, CAMERA):
        late(path, 2 / FPS)
    keys = [f"videos/{CAMERA}/{key}" for key in ("from_timestamp", "to_timestamp")]
    change_tables(root / "meta" / "episodes", lambda table: table.with_columns(pl.col(keys) + 2 / FPS))
    found = pairs(of_camera(root, CAMERA))
    assert len(found) == EPISODES * STEPS
    assert_right(found)


def test_rows_whose_times_begin_late_are_matched_by_time(dataset, tmp_path):
    root = dataset(tmp_path / "robot", "v2.1")
    change_tables(root / "data", lambda table: table.with_columns(pl.col("timestamp") + 3 / FPS))
    (path, *_) = of_camera(root, CAMERA)
    with open_source(path) as video:
        labels = LeRobot().label(video)
    assert labels.table["frame"].to_list() == [3, 4, 5, 6, 7]
    assert any("3 of 8 rows have no frame within 0.100 s" in note for note in labels.notes)


def test_rows_of_another_clock_are_refused(dataset, tmp_path):
    root = dataset(tmp_path / "robot")
    # Times that count through all episodes, as some converters write them.
    change_tables(
        root / "data",
        lambda table: table.with_columns(pl.col("timestamp") + pl.col("episode_index").cast(pl.Float32) * 10),
    )
    with (
        open_source(of_camera(root, WRIST)[0]) as video,
        pytest.raises(LabelError, match=r"episode 1 of .* no frame"),
    ):
        LeRobot().label(video)
    change_tables(root / "data", lambda table: table.with_columns(pl.lit(0.0).alias("timestamp")))
    with (
        open_source(of_camera(root, WRIST)[0]) as video,
        pytest.raises(LabelError, match="do not increase from row to row"),
    ):
        LeRobot().label(video)


# Depth.


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("observation.images.front_depth", {}),
        ("observation.depth.front", {}),
        ("observation.images.second", {"info": {"is_depth_map": True}}),
        ("observation.images.second", {"info": {"video.is_depth_map": True}}),
        ("observation.images.second", {"video_info": {"video.pix_fmt": "gray16le"}}),
        ("observation.images.second", {"info": {"video.pix_fmt": "gray12le", "video.is_depth_map": False}}),
    ],
)
def test_depth_cameras_are_no_colour_cameras(dataset, tmp_path, name, said):
    front, wrist, state = recorded()
    root = write_dataset(tmp_path / "robot", front, state, state, fps=FPS, also={name: wrist})
    change_info(root, lambda info: info["features"][name].update(said))
    assert [path.parts[-3] for path in videos(root)] == [CAMERA, CAMERA]
    assert left_out(root) == (f"{name} is a depth camera: left out.",)
    done = command(*label_of(root))
    assert done.exit_code == 0
    assert f"{name} is a depth camera: left out." in done.stderr


@pytest.mark.parametrize("pixels", ["yuv420p", "gray", None])
def test_a_grey_or_colour_camera_is_no_depth_camera(dataset, tmp_path, pixels):
    root = dataset(tmp_path / "robot")
    change_info(root, lambda info: info["features"][WRIST].update(info={"video.pix_fmt": pixels}))
    assert left_out(root) == ()


def test_a_dataset_of_depth_alone_is_one_line(dataset, tmp_path):
    root = dataset(tmp_path / "robot")
    for camera in (CAMERA, WRIST):
        change_info(root, lambda info, camera=camera: info["features"][camera].update(info={"is_depth_map": True}))
    assert f"has only depth cameras ({CAMERA}, {WRIST})" in refused(*label_of(root))
    change_info(root, lambda info: [info["features"].pop(camera) for camera in (CAMERA, WRIST)])
    with pytest.raises(LabelError, match="has no cameras"):
        list(videos(root))


# Cameras whose frames are pictures.


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
@pytest.mark.parametrize("where", ["bytes", "files"])
def test_cameras_that_are_pictures_are_films(dataset, tmp_path, version, where):
    root = dataset(tmp_path / "robot", version, cameras_are=where)
    paths = list(videos(root))
    assert len(paths) == 2 * EPISODES
    for path in some(paths):
        ref = ref_of(path)
        assert (ref.frames, ref.rate, ref.width, ref.height) == (STEPS, FPS, 32, 32)
    assert_right(pairs(of_camera(root, CAMERA)))
    assert_right(pairs(of_camera(root, WRIST)), wrist=True)
    # By whichever camera an episode was seen, it is one group.
    front, wrist = ([ref_of(path).episodes for path in of_camera(root, one)] for one in (CAMERA, WRIST))
    assert front == wrist
    assert len({name for (name,) in front}) == EPISODES


def test_pictures_and_videos_of_one_episode_are_one_group(dataset, tmp_path):
    """The same recording, its cameras once as videos and once as pictures: known by its rows."""
    films = dataset(tmp_path / "films", "v2.1")
    stills = dataset(tmp_path / "stills", "v2.1", cameras_are="bytes")
    assert [ref_of(path).episodes for path in videos(films)] == [ref_of(path).episodes for path in videos(stills)]


def test_a_dataset_of_pictures_is_encoded_and_labelled_once(dataset, tmp_path):
    root = dataset(tmp_path / "robot", cameras_are="bytes")
    encoding = ("encode", f"lerobot:{root}", "--encoder", "pixels", "--frames", 4, "--store", tmp_path / "s")
    assert f"{2 * 2 * EPISODES} clips" in command(*encoding).stdout
    assert " 0 clips" in command(*encoding).stdout  # known by content
    assert f"{2 * EPISODES * STEPS} labels of {2 * EPISODES} objects" in command(*label_of(root)).stdout


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("where", ["bytes", "files"])
def test_a_dataset_of_pictures_through_every_stage(tmp_path, where):
    front, _, state = recorded(episodes=12)
    rng = np.random.default_rng(0)
    noisy = np.clip(front.astype(int) // 2 + rng.integers(0, 90, front.shape), 0, 255).astype(np.uint8)
    root = write_dataset(tmp_path / "robot", noisy, state, -state, fps=FPS, cameras_are=where)
    source, out, table = f"lerobot:{root}", tmp_path / "run", tmp_path / "labels.parquet"
    store, coded = ("--store", tmp_path / "s"), ("--encoder", "pixels")
    for step in (
        ["encode", source, *coded, "--frames", 4, *store],
        ["label", source, "--labeller", "lerobot", "--out", table],
        [
            "probe", *store, "--labels", table, *coded, "--tasks", "state", "--features", "z", "--controls",
            "majority", "--out", out,
        ],
        ["decode", source, *store, *coded, "--steps", 20, "--out", out],
        ["predict", source, "--context", 1, "--horizon", 1, "--out", tmp_path / "future"],
        ["report", out],
    ):  # fmt: skip
        done = command(*step)
        assert done.exit_code == 0, done.output


def test_a_picture_that_is_missing_is_a_frame_that_cannot_be_read(dataset, tmp_path):
    root = dataset(tmp_path / "robot", cameras_are="bytes")

    def without(table):
        lost = (pl.col("episode_index") == 0) & (pl.col("frame_index") == 3)
        return table.with_columns(pl.when(lost).then(None).otherwise(pl.col(CAMERA)).alias(CAMERA))

    change_tables(root / "data", without)
    with open_source(of_camera(root, CAMERA)[0]) as video:
        assert [frame for frame, _ in video.frames()] == [0, 1, 2, 4, 5, 6, 7]
        assert video.unreadable == [3]
        with pytest.raises(VideoError, match=r"frame 3 of .* has no picture"):
            video.frame(3)
    change_tables(root / "data", lambda table: table.drop(CAMERA))
    with pytest.raises(VideoError, match=r"there are no pictures by observation\.images\.front, neither in"):
        open_source(of_camera(root, CAMERA)[0])


# Values.


def values(root):
    with open_source(of_camera(root, CAMERA)[0]) as video:
        return LeRobot().label(video)


@pytest.mark.parametrize("hole", [float("nan"), float("inf"), None])
def test_values_that_are_no_numbers_are_left_out_and_counted(dataset, tmp_path, hole):
    root = dataset(tmp_path / "robot", "v2.1")

    def change(table):
        rows = table["observation.state"].to_list()
        rows[2] = [hole, rows[2][1]]
        return table.with_columns(pl.Series("observation.state", rows, pl.List(pl.Float32)))

    change_tables(root / "data", change)
    _, _, state = recorded()
    found = values(root)
    x, y = (found.table[name].to_numpy() for name in ("state.x", "state.y"))
    assert np.isnan(x[2])
    np.testing.assert_array_equal(np.delete(x, 2), np.delete(state[0, :, 0], 2))
    np.testing.assert_array_equal(y, state[0, :, 1])
    assert any("observation.state has values that are no finite numbers in 1 row" in note for note in found.notes)


def test_what_is_left_out_does_not_poison_the_tubelet_that_it_lies_in(dataset, tmp_path):
    from worldprobe.pipeline.probe.moments import align

    root = dataset(tmp_path / "robot", "v2.1")
    hole = pl.when(pl.col("frame_index") == 2).then(None).otherwise(pl.col("observation.state"))
    change_tables(root / "data", lambda table: table.with_columns(hole.alias("observation.state")))
    paths, store = of_camera(root, CAMERA), Store(str(tmp_path / "s"))
    encode(paths, encoder=load_encoder("pixels"), store=store, blocks=[0], frames=4)
    series = find_series(store, [ref_of(path).id for path in paths], encoder="pixels", input="native", block=None)
    moments = align(series, label(paths, labeller=LeRobot()))
    _, _, state = recorded()
    means = state.astype(np.float64).reshape(EPISODES, STEPS // 2, 2, 2).mean(axis=2)[:, :, 0]
    means[:, 1] = state[:, 3, 0]  # of frames 2 and 3 one is known
    np.testing.assert_allclose(moments.measured["state.x"].reshape(EPISODES, -1), means)


@pytest.mark.parametrize(
    ("kind", "column", "said"),
    [
        (pl.List(pl.Float32), [[1.0, 2.0]] * 7 + [[1.0]], "has other than 2 values in 1 row"),
        (pl.List(pl.Float32), [[1.0, 2.0]] * 7 + [None], "is empty in 1 row"),
        (
            pl.List(pl.Float32),
            [[1.0, 2.0, 3.0]] * 8,
            "has 3 values a row, meta/info.json says 2: they are numbered",
        ),
        (pl.List(pl.String), [["a", "b"]] * 8, "holds no numbers"),
        (pl.String, ["a"] * 8, "holds no numbers"),
        (pl.List(pl.Float32), [None] * 8, "is empty in 8 rows"),
    ],
)
def test_what_a_column_holds_is_read_or_said(dataset, tmp_path, kind, column, said):
    root = dataset(tmp_path / "robot", "v2.1")
    change_tables(root / "data", lambda table: table.with_columns(pl.Series("observation.state", column, kind)))
    found = values(root)
    assert any(f"observation.state {said}" in note for note in found.notes), found.notes
    assert [name for name in found.table.columns if name.startswith("action.")] == ["action.0", "action.1"]


@pytest.mark.parametrize(
    ("shape", "kind", "column", "columns"),
    [
        ([1], pl.Float32, [0.5] * 8, [[0.5] * 8]),
        ([1], pl.Boolean, [True, False] * 4, [[1.0, 0.0] * 4]),
        ([2], pl.List(pl.Int64), [[3, 4]] * 8, [[3.0] * 8, [4.0] * 8]),
        ([2, 2], pl.List(pl.List(pl.Float64)), [[[1, 2], [3, 4]]] * 8, [[float(n)] * 8 for n in (1, 2, 3, 4)]),
        ([2], pl.Array(pl.Float32, 2), [[3, 4]] * 8, [[3.0] * 8, [4.0] * 8]),
    ],
)  # fmt: skip
def test_shapes_and_types_of_values(dataset, tmp_path, shape, kind, column, columns):
    root = dataset(tmp_path / "robot", "v2.1")
    change_info(root, lambda info: info["features"]["observation.state"].update(shape=shape, names=None))
    change_tables(root / "data", lambda table: table.with_columns(pl.Series("observation.state", column, kind)))
    table = values(root).table
    assert [table[f"state.{number}"].to_list() for number in range(len(columns))] == columns


@pytest.mark.parametrize(
    ("count", "names", "right"),
    [
        (2, {"motors": ["a", "b"]}, ("a", "b")),
        (2, ["a", "b"], ("a", "b")),
        (4, [["a", "b"], ["c", "d"]], ("a", "b", "c", "d")),
        (4, {"left": {"motors": ["a", "b"]}, "right": ["c", "d"]}, ("a", "b", "c", "d")),
        (2, {"y": 1, "x": 0}, ("x", "y")),
        (2, ["joint/0.pos", "wrist [/rad]"], ("joint/0.pos", "wrist [/rad]")),
        (1, "gripper", ("gripper",)),
        (2, ["a", "a"], ("0", "1")),
        (2, ["a"], ("0", "1")),
        (2, ["a", None], ("0", "1")),
        (2, ["", "a"], ("0", "1")),
        (2, None, ("0", "1")),
        (2, 3.5, ("0", "1")),
    ],
)
def test_names_of_dimensions(dataset, tmp_path, count, names, right):
    root = dataset(tmp_path / "robot")
    change_info(root, lambda info: info["features"]["action"].update(shape=[count], names=names))
    assert read_info(root / "meta" / "info.json").features["action"].names == right
    change_info(root, lambda info: info["features"]["action"].pop("names"))
    assert read_info(root / "meta" / "info.json").features["action"].names == tuple(map(str, range(count)))


def test_a_dataset_without_states_has_actions(dataset, tmp_path):
    root = dataset(tmp_path / "robot", "v2.1")
    change_info(root, lambda info: info["features"].pop("observation.state"))
    change_tables(root / "data", lambda table: table.drop("observation.state"))
    found = values(root)
    assert [name for name in found.table.columns if "." in name] == ["action.0", "action.1"]
    assert not found.notes


# What is not there.


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_a_video_that_is_not_there_is_a_failure(dataset, tmp_path, version):
    root = dataset(tmp_path / "robot", version)
    gone = of_camera(root, CAMERA)[-1]
    gone.unlink()
    out, store = tmp_path / "l.parquet", tmp_path / "s"
    for step in (
        ["label", f"lerobot:{root}", "--labeller", "lerobot", "--out", out],
        ["encode", f"lerobot:{root}", "--encoder", "pixels", "--frames", 4, "--store", store],
    ):
        done = command(*step)
        assert done.exit_code == 3, done.output
        assert f"skipped {gone}: {gone} is not there, and by the LeRobot dataset {CAMERA} filmed" in done.stderr


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_rows_that_are_not_there_are_one_line(dataset, tmp_path, version):
    root = dataset(tmp_path / "robot", version)
    table = sorted((root / "data").rglob("*.parquet"))[0]
    table.unlink()
    said = refused(*label_of(root))
    assert f"cannot be read from {table}" in said
    assert "get the whole dataset" in said


@pytest.mark.parametrize("what", ["videos", "data", "meta/episodes", "meta/info.json"])
def test_pointers_of_git_lfs_are_told_as_what_they_are(dataset, tmp_path, what):
    root = dataset(tmp_path / "robot")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1\n"
    files = (
        [root / what] if (root / what).is_file() else [one for one in (root / what).rglob("*.*") if one.is_file()]
    )
    for path in files:
        path.write_text(pointer + "size 12345\n")
    assert "is a Git LFS pointer, not the file: run `git lfs pull`" in refused(*label_of(root))


# Metadata that say what cannot be.


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda info: info.update(fps=None), "fps is missing; it must be a number above 0"),
        (lambda info: info.update(fps="30"), 'fps is "30"'),
        (lambda info: info.update(fps=float("nan")), "fps is NaN"),
        (lambda info: info.update(fps=0), "fps is 0"),
        (lambda info: info.update(chunks_size=0), "chunks_size is 0"),
        (lambda info: info.update(features=None), "features are missing"),
        (lambda info: info.update(features=[1]), "features are [1]"),
        (lambda info: info["features"].update(action=None), "the feature 'action' is missing"),
        (lambda info: info["features"]["action"].pop("dtype"), "the dtype of the feature 'action'"),
        (lambda info: info["features"]["action"].update(shape="7"), "the shape of the feature 'action'"),
        (lambda info: info["features"]["action"].update(shape=[-1]), "the shape of the feature 'action'"),
        (lambda info: info["features"]["action"].update(shape=[9999, 9999]), "99980001 dimensions"),
        (lambda info: info.pop("data_path"), "it has no data_path"),
        (lambda info: info.update(video_path=None), "it has no video_path"),
        (lambda info: info.update(video_path=7), "video_path is 7"),
        (lambda info: info.update(video_path="{x.__class__}"), "{x.__class__} in the path"),
        (lambda info: info.update(video_path="{episode_index.__class__}"), "{episode_index.__class__} in the path"),
        (lambda info: info.update(video_path="v/{file_index:0999999999d}.mp4"), "{file_index} in the path"),
        (lambda info: info.update(video_path="v/{0}.mp4"), "{0} in the path"),
        (lambda info: info.update(video_path="v/{file_index"), "expected '}' before end of string"),
        (lambda info: info.update(video_path="../{video_key}/{chunk_index}/{file_index}.mp4"), "leads out of"),
        (lambda info: info.update(video_path="/etc/{video_key}{chunk_index}{file_index}"), "leads out of"),
        (lambda info: info.update(video_path="v/{episode_index}.mp4"), "a path needs episode_index"),
        (lambda info: info.update(data_path="../{file_index}.parquet"), "leads out of"),
        (lambda info: info.update(codebase_version=3), "codebase_version is 3"),
        (lambda info: info.clear(), "it has no codebase_version"),
    ],
)  # fmt: skip
def test_what_info_json_gets_wrong_is_one_line(tmp_path, whole, change, said):
    root = tmp_path / "robot"
    shutil.copytree(whole, root)
    change_info(root, change)
    found = refused(*label_of(root))
    assert said in found
    assert str(root) in found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    front, _, state = recorded(episodes=2, steps=4)
    return write_dataset(tmp_path_factory.mktemp("whole") / "robot", front, state, state, fps=FPS)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("data/chunk_index", None, "data/chunk_index is missing"),
        ("data/file_index", "x", "data/file_index is 'x'"),
        ("data/file_index", 0.5, "data/file_index is 0.5"),
        ("episode_index", -1, "episode_index is -1"),
        ("episode_index", None, "episode_index is missing"),
        ("data/file_index", 2**62, "data/file_index is 4611686018427387904"),
        (f"videos/{CAMERA}/file_index", [0], "file_index is [0]"),
        (f"videos/{CAMERA}/from_timestamp", "0", "from_timestamp is '0'"),
        (f"videos/{CAMERA}/to_timestamp", -1.0, "to_timestamp is -1.0"),
        (f"videos/{CAMERA}/to_timestamp", 0.0, "end before it begins"),
        (f"videos/{CAMERA}/to_timestamp", ..., "has no column 'videos/observation.images.front/to_timestamp'"),
        ("data/chunk_index", ..., "has no column 'data/chunk_index'"),
        ("episode_index", ..., "has no column 'episode_index'"),
    ],
)
def test_what_the_table_of_episodes_gets_wrong_is_one_line(tmp_path, whole, key, value, said):
    root = tmp_path / "robot"
    shutil.copytree(whole, root)
    change_tables(
        root / "meta" / "episodes",
        lambda table: table.drop(key) if value is ... else table.with_columns(pl.Series(key, [value] * len(table))),
    )
    assert said in refused(*label_of(root))


@pytest.mark.parametrize("written", ["", "[", "[]", "7", "[" * 100_000, '"v3.0"', "\x00", '{"episode_index": "x"}'])
def test_json_that_is_none_is_one_line(dataset, tmp_path, written):
    root = dataset(tmp_path / "robot", "v2.1")
    (root / "meta" / "episodes.jsonl").write_text('{"episode_index": 0}\n' + (written or "{}") + "\n")
    with pytest.raises(LabelError, match=r"line 2: (this is no JSON|episode_index is)"):
        list(videos(root))
    (root / "meta" / "info.json").write_text(written)
    with pytest.raises(LabelError, match="cannot be read as a LeRobot dataset's"):
        list(videos(root))


def test_the_list_of_episodes_of_version_2_tells_what_should_be_there(dataset, tmp_path):
    root = dataset(tmp_path / "robot", "v2.1")
    lines = [
        json.dumps({"episode_index": number, "tasks": [""], "length": STEPS}) for number in range(EPISODES + 1)
    ]
    (root / "meta" / "episodes.jsonl").write_text("\n".join(lines))
    missing = [path for path in videos(root) if not path.exists()]
    assert [path.name for path in missing] == ["episode_000006.mp4"] * 2
