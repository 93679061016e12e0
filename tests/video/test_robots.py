import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from tests.builders.robots import COUNT, FOREIGN, SEED, require_robots, some_robots

from worldprobe.errors import VideoError
from worldprobe.labels.truth import SceneTruth
from worldprobe.plugins.promises import labels_problem, typed
from worldprobe.video.read import open_video
from worldprobe.video.rendered.robots import draw, plan
from worldprobe.video.rendered.robots.plan import BEHAVIOURS, CAMERAS, FRAMES, RATE, SIDE, plan_clip
from worldprobe.video.rendered.robots.render import RobotSource, render_robots
from worldprobe.video.rendered.robots.truth import hue_name
from worldprobe.video.rendered.scenes import truth_path
from worldprobe.video.source import resolve


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return some_robots(tmp_path_factory)


@pytest.fixture(scope="module")
def truths(films: list[Path]) -> list[pl.DataFrame]:
    return [pl.read_parquet(truth_path(path)) for path in films]


def numbers(table: pl.DataFrame, *columns: str) -> np.ndarray:
    return table.select(columns).to_numpy().astype(np.float64)


def none(*_: object) -> list[Path]:
    raise AssertionError("nothing else was asked for")


# --- sources


@pytest.mark.parametrize(
    ("written", "count", "seed", "camera"),
    [("robots:8", 8, 0, None), ("robots:8@3", 8, 3, None), ("robots:2@1?camera=wrist", 2, 1, "wrist")],
)
def test_a_source_is_read(written: str, count: int, seed: int, camera: str | None) -> None:
    source = RobotSource.of(written)
    assert (source.count, source.seed, source.camera, source.model) == (count, seed, camera, None)


@pytest.mark.parametrize(
    "written", ["robots:", "robots:0", "robots:-1", "robots:a", "robots:1@", "robots:1@x", "robots:1.5"]
)
def test_what_is_no_number_of_robots_is_refused(written: str, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"is not a number of clips of robots. Write robots:N"):
        resolve([written], cache=tmp_path, scenes=none, lerobot=none)


def test_unknown_options_are_named() -> None:
    with pytest.raises(VideoError, match=r"'camera=above' is no option.*fixed\|orbit\|wrist"):
        RobotSource.of("robots:1?camera=above")
    with pytest.raises(VideoError, match=r"there is no file /nowhere/arm\.xml"):
        RobotSource.of("robots:1?model=/nowhere/arm.xml")


def test_robots_are_rendered_into_the_cache_by_what_they_depend_on(tmp_path: Path) -> None:
    model = tmp_path / "arm.xml"
    model.write_text("<mujoco/>")
    calls: list[tuple[RobotSource, Path]] = []

    def render(source: RobotSource, folder: Path) -> list[Path]:
        calls.append((source, folder))
        return [folder / source.name / "0.mp4"]

    written = ["robots:1", "robots:1@2", "robots:1@2?camera=orbit", f"robots:1?model={model}"]
    found = resolve(written, cache=tmp_path, scenes=none, lerobot=none, robots=render)
    assert len({path.parent for path in found}) == 4
    assert {folder for _, folder in calls} == {tmp_path / "robots"}


# --- plans


def test_a_clip_is_drawn_alike_whatever_else_is() -> None:
    one, again, fixed = plan_clip(3, 5), plan_clip(3, 5), plan_clip(3, 5, camera="wrist")
    assert (one.behaviour, one.deed, one.view.azimuth) == (again.behaviour, again.deed, again.view.azimuth)
    assert (fixed.behaviour, fixed.deed, fixed.view.kind) == (one.behaviour, one.deed, "wrist")
    assert plan_clip(3, 6).deed != one.deed


def test_all_that_is_drawn_comes_up_and_looks_know_nothing_of_deeds() -> None:
    plans = [plan_clip(0, index) for index in range(400)]
    assert {one.behaviour for one in plans} == set(BEHAVIOURS)
    assert {one.view.kind for one in plans} == set(CAMERAS)
    assert {one.things[0].shape for one in plans} == set(plan.SHAPES)
    assert {len(one.things) for one in plans} == {1, 2, 3}
    held = np.array([one.behaviour in ("lift", "place", "drop") for one in plans])
    for look in (
        [one.view.azimuth for one in plans], [one.looks.table.mean() for one in plans],
        [one.things[0].colour[0] for one in plans], [float(len(one.looks.clutter)) for one in plans],
    ):  # fmt: skip
        assert abs(np.corrcoef(held, look)[0, 1]) < 0.15


# --- truth


def test_films_and_truth_have_a_row_a_frame(films: list[Path], truths: list[pl.DataFrame]) -> None:
    assert len(films) == COUNT
    for path, truth in zip(films, truths, strict=True):
        with open_video(path) as video:
            assert (video.ref.width, video.ref.height, video.ref.frames, video.ref.rate) == (
                SIDE,
                SIDE,
                FRAMES,
                RATE,
            )
            labels = SceneTruth().label(video)
            assert labels_problem(typed(labels), video) == ""
        assert truth["frame"].to_list() == list(range(FRAMES))
        box, seen = numbers(truth, "x", "y", "w", "h"), truth["visible"].to_numpy() > 0
        assert ((box[seen, :2] >= 0) & (box[seen, :2] <= SIDE)).all()
        assert (box[seen, 2:] > 0).all()
        assert np.isfinite(numbers(truth, "depth", "gripper", "ee_x", "ee_vx", "joint.0", "action.gripper")).all()


def test_the_hand_moves_as_its_speed_says(truths: list[pl.DataFrame]) -> None:
    for truth in truths:
        at, speed = numbers(truth, "ee_x", "ee_y", "ee_z"), numbers(truth, "ee_vx", "ee_vy", "ee_vz")
        between = (speed[1:] + speed[:-1]) / 2
        assert np.abs(np.diff(at, axis=0) * RATE - between).max() < 0.2
        assert np.corrcoef((np.diff(at, axis=0) * RATE).ravel(), between.ravel())[0, 1] > 0.98


def test_joints_follow_what_is_commanded(truths: list[pl.DataFrame]) -> None:
    for truth in truths:
        joints = [name for name in truth.columns if name.startswith("joint.")]
        assert joints == [f"joint.{number}" for number in range(5)]
        state, action = numbers(truth, *joints), numbers(truth, *(f"action.{name}" for name in joints))
        # Commanded until the next frame: nearer to where the arm then is than to where it is now.
        assert np.abs(action[:-1] - state[1:]).mean() <= np.abs(action[:-1] - state[:-1]).mean() + 1e-3
        assert np.abs(action[:-1] - state[1:]).max() < 0.3
        np.testing.assert_array_equal(state, numbers(truth, *(f"state.{name}" for name in joints)))


def test_touch_and_grasp_are_well_present_and_agree_with_force(truths: list[pl.DataFrame]) -> None:
    whole = pl.concat(truths)
    touching, held = whole["contact"].to_numpy() == 1, whole["grasped"].to_numpy() == 1
    assert 0.2 < touching.mean() < 0.8
    assert 0.15 < held.mean() < 0.7
    np.testing.assert_array_equal(touching, whole["force"].to_numpy() > 0)
    assert not (held & ~touching).any()
    # What is held off the table moves with the hand.
    for truth in truths:
        lifted = (truth["grasped"].to_numpy() == 1) & (truth["object_z"].to_numpy() > 0.08)
        apart = np.linalg.norm(
            numbers(truth, "object_x", "object_y", "object_z") - numbers(truth, "ee_x", "ee_y", "ee_z"), axis=1
        )
        assert (apart[lifted] < 0.04).all()


def test_time_to_contact_counts_down_to_a_touch(truths: list[pl.DataFrame]) -> None:
    counted = 0
    for truth in truths:
        touching, until = truth["contact"].to_numpy() == 1, truth["time_to_contact"].to_numpy()
        assert np.isnan(until[touching]).all()
        both = np.isfinite(until[:-1]) & np.isfinite(until[1:])
        nearer = until[:-1] - until[1:]
        steady = both & (until[:-1] > 1 / RATE)
        np.testing.assert_allclose(nearer[steady], 1 / RATE, atol=1e-9)
        counted += int(steady.sum())
        begins = np.flatnonzero(~touching[:-1] & touching[1:])
        assert (until[begins] <= 1 / RATE + 1e-9).all()
    assert counted > 15


def test_pose_is_the_same_in_the_world_and_in_the_camera(truths: list[pl.DataFrame]) -> None:
    for truth in truths:
        np.testing.assert_allclose(truth["depth"], truth["seen_z"])
        for where in ("object", "seen"):
            six = numbers(truth, *(f"{where}_r{n}" for n in range(6))).reshape(-1, 2, 3)
            np.testing.assert_allclose(
                np.einsum("tai,tbi->tab", six, six), np.tile(np.eye(2), (FRAMES, 1, 1)), atol=1e-6
            )
        # The box is about where the centre falls in the picture, where it is seen whole: one focal length for all.
        whole = truth.filter((pl.col("visible") > 0.99) & (pl.col("seen_x").abs() > 0.08))
        if truth["camera"][0] != "wrist" and len(whole):
            focal = (whole["x"] - SIDE / 2) * whole["depth"] / whole["seen_x"]
            assert ((focal > 0.85 * 150) & (focal < 1.15 * 176)).all()


def test_what_a_clip_is_of_stands_in_words_the_same_throughout(
    films: list[Path], truths: list[pl.DataFrame]
) -> None:
    for index, truth in enumerate(truths):
        drawn = plan_clip(SEED, index)
        said = {name: set(truth[name]) for name in ("shape", "colour", "model", "behaviour", "camera", "symmetry")}
        subject = drawn.things[0]
        turns = {"box": 2, "cross": 4}.get(subject.shape, 0)
        assert said == {
            "shape": {subject.shape}, "colour": {hue_name(subject.colour)}, "model": {"built-in"},
            "behaviour": {drawn.behaviour}, "camera": {drawn.view.kind}, "symmetry": {turns},
        }  # fmt: skip
        hand = numbers(truth, *(f"ee_r{number}" for number in range(6))).reshape(-1, 2, 3)
        np.testing.assert_allclose(
            np.einsum("tai,tbi->tab", hand, hand), np.tile(np.eye(2), (FRAMES, 1, 1)), atol=1e-6
        )


def test_colours_are_called_by_the_nearest_hue() -> None:
    names = {"red": (1, 0, 0), "yellow": (0.9, 0.8, 0.1), "green": (0.1, 1, 0.2), "cyan": (0, 0.9, 1)}
    names |= {"blue": (0.2, 0.1, 1), "magenta": (1, 0, 0.9)}
    assert {name: hue_name(np.array(rgb, dtype=float)) for name, rgb in names.items()} == {n: n for n in names}


def test_a_fixed_camera_stands_still_and_others_move(truths: list[pl.DataFrame], tmp_path: Path) -> None:
    require_robots()
    motion = tuple(f"camera_{axis}" for axis in ("dx", "dy", "dz", "rx", "ry", "rz"))
    for truth in truths:
        if truth["camera"][0] == "fixed":
            np.testing.assert_allclose(numbers(truth, *motion), 0, atol=1e-9)
    (path,) = render_robots(RobotSource(1, 4, "orbit"), tmp_path)
    moved = numbers(pl.read_parquet(truth_path(path)), *motion)
    turned, walked = np.linalg.norm(moved[:, 3:], axis=1), np.linalg.norm(moved[:, :3], axis=1)
    assert (turned > 0.008).all()
    assert np.ptp(turned) < 1e-6
    np.testing.assert_allclose(walked / turned, walked[0] / turned[0], rtol=1e-6)


def test_what_hides_the_subject_is_counted(truths: list[pl.DataFrame]) -> None:
    whole = pl.concat(truths).filter(pl.col("occluded").is_not_nan())
    np.testing.assert_allclose(whole["occluded"].to_numpy(), 1 - whole["visible"].to_numpy())
    assert whole["occluded"].max() > 0.2  # type: ignore[operator]
    assert whole["occluded"].min() == 0


def test_arm_and_objects_are_seen_to_move(films: list[Path], truths: list[pl.DataFrame]) -> None:
    for path, truth in zip(films, truths, strict=True):
        with open_video(path) as video:
            frames = np.stack([frame for _, frame in video.frames()]).astype(np.float64)
        assert frames.std(axis=(1, 2)).mean() > 8, "something is to be seen"
        travelled = np.ptp(numbers(truth, "ee_x", "ee_y", "ee_z"), axis=0).max()
        assert travelled > 0.01
        assert np.abs(frames[0] - frames[-1]).mean() > 0.3


# --- rendering


def test_the_same_seed_gives_the_same_bytes_of_truth_by_several_processes(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worldprobe.video.rendered.robots.render._WORTH_PROCESSES", 2)
    again = render_robots(RobotSource(3, SEED), tmp_path, workers=2)
    assert [path.name for path in again] == [path.name for path in films[:3]]
    for one, other in zip(films, again, strict=False):
        assert truth_path(one).read_bytes() == truth_path(other).read_bytes()
        assert one.read_bytes() == other.read_bytes()


def test_a_rendering_that_was_ended_goes_on(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = RobotSource(2, SEED)
    paths = render_robots(source, tmp_path)
    kept = paths[0].stat().st_mtime_ns
    paths[1].unlink()
    done: list[tuple[str, int, int]] = []
    assert render_robots(source, tmp_path, progress=lambda *told: done.append(told)) == paths
    assert paths[0].stat().st_mtime_ns == kept
    assert paths[1].read_bytes() == films[1].read_bytes()
    monkeypatch.setattr("worldprobe.video.rendered.robots.render._render", none)
    assert render_robots(source, tmp_path) == paths  # nothing is rendered again


def test_another_arm_is_taken_as_it_is_found(tmp_path: Path) -> None:
    require_robots()
    model = tmp_path / "foreign.xml"
    model.write_text(FOREIGN)
    films = render_robots(RobotSource(2, 23, model=model), tmp_path / "out")
    truth = pl.concat([pl.read_parquet(truth_path(film)) for film in films])
    assert [name for name in truth.columns if name.startswith("state.")] == [
        "state.turn", "state.a", "state.b", "state.c", "state.gripper",
    ]  # fmt: skip
    assert np.ptp(numbers(truth, "ee_x", "ee_y", "ee_z"), axis=0).max() > 0.03
    assert truth["ee_z"].min() > 0  # type: ignore[operator]
    # Which end of its jaws' range is open is found out: it lifts what it is to lift, and drops what it is to drop.
    assert set(truth["model"]) == {"foreign"}
    assert set(truth["behaviour"]) == {"lift", "drop"}
    assert truth["grasped"].mean() > 0.3  # type: ignore[operator]
    assert truth["gripper"].min() > -0.05  # type: ignore[operator]
    commanded, opening = truth["action.gripper"].to_numpy(), truth["gripper"].to_numpy()
    assert opening[commanded > 0.9].mean() > opening[commanded < 0.1].mean() + 0.1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no xml", "does not load as MJCF"),
        ("<mujoco><worldbody><body><geom/></body></worldbody></mujoco>", "does not load as MJCF"),
        (FOREIGN.replace('ctrlrange="-.6 0"', 'ctrlrange="-.001 0"'), "does not open"),
        (FOREIGN.replace("jaw", "part"), "has no gripper that is known as one"),
        (
            FOREIGN.replace('<position joint="turn"/><position joint="a"/>', ""),
            "moves 2 joints besides its gripper",
        ),
    ],
)
def test_a_model_that_is_no_arm_is_refused_in_a_line(text: str, why: str, tmp_path: Path) -> None:
    require_robots()
    model = tmp_path / "arm.xml"
    model.write_text(text)
    with pytest.raises(VideoError, match=why) as raised:
        render_robots(RobotSource(1, 0, model=model), tmp_path / "out")
    assert "\n" not in str(raised.value)


# --- what may not be there


@pytest.fixture
def fresh() -> Callable[[], None]:
    draw.mujoco_module.cache_clear()
    return draw.mujoco_module.cache_clear


def test_without_mujoco_the_extra_is_named(fresh: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(VideoError, match=r"pip install 'worldprobe\[robots\]'"):
        draw.mujoco_module()
    fresh()


def test_without_a_gl_library_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_robots()

    class Broken:
        def __init__(self, *_: int) -> None:
            raise AttributeError("'NoneType' object has no attribute 'glGetError'\nand more")

    monkeypatch.setattr(draw, "import_module", lambda _: SimpleNamespace(GLContext=Broken))
    draw.gl_context.cache_clear()
    try:
        with pytest.raises(VideoError, match="apt-get install libosmesa6") as raised:
            draw.gl_context()
        assert "\n" not in str(raised.value)
    finally:
        draw.gl_context.cache_clear()
