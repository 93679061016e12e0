import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from tests.builders.checks import some

from worldprobe.errors import VideoError
from worldprobe.video.read import open_video
from worldprobe.video.rendered import processes, sprites
from worldprobe.video.rendered import scenes as module
from worldprobe.video.rendered.scenes import Scene, Sprite, plan_scene, render_scenes, truth_path

SIZE = np.array([module.WIDTH, module.HEIGHT])


@pytest.fixture(scope="module")
def planned() -> list[Scene]:
    return [plan_scene(5, index) for index in range(1500)]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return render_scenes(24, 3, tmp_path_factory.mktemp("scenes"))


def blob(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and size (w, h) of the largest bright region, found without knowing where it was drawn."""
    grey = picture.mean(axis=2)
    regions, _ = ndimage.label(grey > np.median(grey) + 45)
    largest = regions == np.bincount(regions.ravel())[1:].argmax() + 1
    rows, columns = np.nonzero(largest)
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max() + 1, rows.max() + 1])
    return (low + high) / 2, high - low


@pytest.mark.parametrize(("script", "unused"), [(False, "ThreadPoolExecutor"), (True, "ProcessPoolExecutor")])
def test_scenes_of_several_threads_and_processes_are_those_of_one(
    script: bool, unused: str, rendered: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WORTH_PROCESSES", 2)
    monkeypatch.setattr(processes, "_imports_a_script", lambda: script)
    monkeypatch.delattr(processes, unused)
    calls: list[tuple[str, int, int]] = []
    films = render_scenes(5, 3, tmp_path, workers=2, progress=lambda *call: calls.append(call))
    assert calls == [("Rendering scenes", done, 5) for done in range(1, 6)]
    for film, same in zip(some(films), rendered, strict=False):
        assert film.read_bytes() == same.read_bytes()
        assert truth_path(film).read_bytes() == truth_path(same).read_bytes()


@pytest.mark.parametrize("name", ["render.py", "worldprobe"])
def test_a_script_without_a_guard_renders_once(name: str, tmp_path: Path) -> None:
    script = tmp_path / name
    script.write_text(
        "from worldprobe.video.rendered import scenes\n"
        "scenes._WORTH_PROCESSES = 2\n"
        f"print(len(scenes.render_scenes(3, 3, {str(tmp_path)!r}, workers=2)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("3\n", "")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's list of processes")
@pytest.mark.parametrize("how", ["interrupted twice", "killed"])
def test_no_process_is_left_behind(how: str, tmp_path: Path) -> None:
    code = (
        "import signal\n"
        # A shell's jobs in the background ignore interrupts, and so does what such a pytest begins.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from worldprobe.video.rendered import scenes\n"
        "scenes._WORTH_PROCESSES = 2\n"
        f"scenes.render_scenes(2000, 3, {str(tmp_path)!r}, workers=2, progress=lambda *_: print(flush=True))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert run.stdout is not None
    run.stdout.readline()  # it has begun
    if how == "killed":
        run.kill()
    else:
        os.killpg(run.pid, signal.SIGINT)
        time.sleep(0.2)
        os.killpg(run.pid, signal.SIGINT)
    try:
        run.communicate(timeout=60)
        assert run.returncode != 0
        _wait_for_the_end_of(run.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    assert 0 < len(list(tmp_path.rglob("*.mp4"))) < 2000


def _wait_for_the_end_of(group: int) -> None:
    """Fails where a process of the group lives on; one that has ended may not be fetched by anybody."""
    for _ in range(600):
        if not _alive(group):
            return
        time.sleep(0.1)
    pytest.fail("a process was left behind")


def _alive(group: int) -> bool:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            state, _, of, *_ = path.read_text().rpartition(")")[2].split()
            if int(of) == group and state != "Z":
                return True
    return False


def test_a_daemonic_process_renders_by_itself(tmp_path: Path) -> None:
    code = (
        "from worldprobe.video.rendered import scenes\n"
        "import multiprocessing\n"
        "scenes._WORTH_PROCESSES = 2\n"
        "with multiprocessing.get_context('fork').Pool(1) as pool:\n"
        f"    print(len(pool.apply(scenes.render_scenes, (3, 3, {str(tmp_path)!r}), dict(workers=8))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"


_GUARD = "if __name__ == '__main__':\n    sys.exit(main())\n"
_IMPORTS = "import re\nimport sys\nfrom worldprobe.cli import main\n"


@pytest.mark.parametrize(
    ("file", "script", "name", "expected"),
    [
        (None, "", None, False),  # a prompt, a notebook
        ("worldprobe", "#!/usr/bin/python\n# -*- coding: utf-8 -*-\n" + _IMPORTS + _GUARD, None, False),
        ("wp", "#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\n" + _IMPORTS + _GUARD, None, False),
        ("pkgs/worldprobe/__main__.py", "", "worldprobe.__main__", False),
        ("worldprobe", _IMPORTS + "main()\n", None, True),
        ("worldprobe", _IMPORTS + "render()\n" + _GUARD, None, True),
        ("worldprobe", "import sys\n" + _GUARD, None, True),
        ("worldprobe", "", None, True),
        ("worldprobe", "half(", None, True),
        ("gone/worldprobe", None, None, True),
        ("train.py", "import worldprobe\n", None, True),
        ("pkgs/mine/train.py", "import worldprobe\n", "mine.train", True),
    ],
)
def test_processes_are_for_what_imports_no_script(
    file: str | None,
    script: str | None,
    name: str | None,
    expected: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    main = ModuleType("__main__")
    main.__spec__ = ModuleSpec(name, None) if name else None
    if file:
        path = tmp_path / file
        main.__file__ = str(path)
        if script is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(script)
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert processes._imports_a_script() is expected


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "worldprobe").exists(), reason="the command is not installed"
)
def test_the_installed_command_is_known() -> None:
    assert processes._is_our_command(Path(sys.executable).parent / "worldprobe")


@given(
    shape=st.sampled_from(sprites.SHAPES),
    centre=st.tuples(st.floats(-40, 200), st.floats(-40, 180)),
    half=st.tuples(st.floats(2, 60), st.floats(2, 60)),
)
def test_an_outline_covers_nothing_outside_of_its_extent(
    shape: sprites.Shape, centre: tuple[float, float], half: tuple[float, float]
) -> None:
    size = (module.WIDTH, module.HEIGHT)
    whole = sprites.coverage(shape, centre=centre, half=half, box=np.s_[0 : size[1], 0 : size[0]])
    box = sprites.extent(shape, centre, half, size)
    np.testing.assert_array_equal(whole[box], sprites.coverage(shape, centre=centre, half=half, box=box))
    whole[box] = 0
    assert not whole.any()


@given(
    shape=st.sampled_from(sprites.SHAPES),
    name=st.sampled_from(sprites.TEXTURES),
    centres=st.lists(st.tuples(st.floats(-90, 250), st.floats(-90, 230)), min_size=1, max_size=4),
    half=st.tuples(st.floats(2, 60), st.floats(2, 60)),
    angle=st.floats(0, np.pi),
)
def test_many_frames_at_once_are_each_frame_to_the_bit(
    shape: sprites.Shape,
    name: str,
    centres: list[tuple[float, float]],
    half: tuple[float, float],
    angle: float,
) -> None:
    size = (module.WIDTH, module.HEIGHT)
    found = sprites.appearances(
        shape, name, centres=np.array(centres), half=half, period=half[0], angle=angle, size=size
    )
    for centre, (box, mask, pattern) in zip(some(centres), found, strict=True):
        whole = sprites.coverage(shape, centre=centre, half=half, box=np.s_[0 : size[1], 0 : size[0]])
        np.testing.assert_array_equal(mask, whole[box])
        textured = sprites.texture(name, centre=centre, period=half[0], angle=angle, box=box)
        np.testing.assert_array_equal(pattern, np.where(mask > 0, textured, 0))
        whole[box] = 0
        assert not whole.any()


def test_the_subject_is_in_the_decoded_video_where_the_truth_says(rendered: list[Path]) -> None:
    checked = 0
    for path in some(rendered):
        truth = pl.read_parquet(truth_path(path))
        if truth["object"].max() != 0:
            continue  # company would be part of the region that is found
        with open_video(path) as video:
            pictures = dict(video.frames())
        assert len(pictures) == truth.height == module.FRAMES
        for row in some(truth.iter_rows(named=True)):
            centre, half = np.array([row["x"], row["y"]]), np.array([row["w"], row["h"]]) / 2
            if row["visible"] < 0.999 or (centre < half).any() or (centre + half > SIZE).any():
                continue
            found, size = blob(pictures[row["frame"]])
            assert np.abs(found - centre).max() < 1.5, (path, row)
            assert np.abs(size - 2 * half).max() < 3, (path, row)
            checked += 1
    assert checked > 60


def test_velocity_is_the_step_of_the_centre_and_turns_at_the_margins(planned: list[Scene]) -> None:
    bounces = stops = 0
    for scene in some(planned[:200]):
        for sprite in some(scene.sprites):
            assert (sprite.centre >= 0.1 * SIZE - 1e-9).all()
            assert (sprite.centre <= 0.9 * SIZE + 1e-9).all()
            step, speed = np.diff(sprite.centre, axis=0) * scene.rate, sprite.speed
            stopped = (speed == 0).all(axis=1)
            assert np.allclose(step[stopped[:-1]], 0)
            straight = (speed[1:] == speed[:-1]).all(axis=1)
            assert np.allclose(step[straight], speed[:-1][straight])
            moving = speed[~stopped]
            assert np.allclose(np.abs(moving), np.abs(moving[:1])), "a bounce turns the velocity, no more"
            bounces += int((~straight & ~stopped[1:]).sum())
            stops += int((stopped[1:] & ~stopped[:-1]).sum())
    assert bounces > 20
    assert stops > 20


def still_square(*, centre: tuple[float, float], depth: int, colour: float) -> Sprite:
    return Sprite(
        shape="square",
        half=(10.0, 10.0),
        centre=np.array([centre]),
        speed=np.zeros((1, 2)),
        colour=np.full(3, colour),
        texture="gradient",
        period=1e6,
        angle=0.0,
        depth=depth,
    )


def test_visible_fractions_and_occlusion_by_depth() -> None:
    scene = Scene(
        sprites=(
            still_square(centre=(40, 40), depth=2, colour=200),  # its right half is covered
            still_square(centre=(50, 40), depth=0, colour=100),
            still_square(centre=(0, 0), depth=1, colour=150),  # three quarters lie outside
        ),
        tile=np.zeros((256, 256), dtype=np.float32),
        colour=np.full(3, 20.0),
        tint=np.ones(3),
        pan=np.zeros((1, 2)),
        size=(80, 60),
        rate=24,
    )
    [(picture, visible)] = scene.frames()
    assert visible == pytest.approx([0.5, 1.0, 0.25])
    assert picture[40, [35, 45, 55, 65], 0].tolist() == [200, 100, 100, 20]
    assert (picture[:10, :10] == 150).all()


@given(
    st.sampled_from(sprites.SHAPES), st.floats(8, 40), st.floats(0.8, 1.25), st.floats(50, 51), st.floats(50, 51)
)
def test_an_outline_fills_its_box_with_its_area(
    shape: sprites.Shape, a: float, aspect: float, x: float, y: float
) -> None:
    b = min(a * aspect, 40.0)
    mask = sprites.coverage(shape, centre=(x, y), half=(a, b), box=np.s_[0:101, 0:101])
    assert mask.sum() == pytest.approx(sprites.area(shape, a, b), rel=0.02)
    rows, columns = np.nonzero(mask > 0)
    for found, exact in [
        (columns.min(), x - a), (columns.max() + 1, x + a), (rows.min(), y - b), (rows.max() + 1, y + b),
    ]:  # fmt: skip
        assert abs(found - exact) < 2


def test_the_four_outlines_differ_clearly() -> None:
    masks = [sprites.coverage(s, centre=(32, 32), half=(20, 20), box=np.s_[0:64, 0:64]) for s in sprites.SHAPES]
    for i, one in some(enumerate(masks)):
        for other in masks[:i]:
            assert np.minimum(one, other).sum() / np.maximum(one, other).sum() < 0.8


def test_the_background_pans_by_the_corner_between_pixels_too() -> None:
    tile = sprites.wrapped(sprites.noise_tile(np.random.default_rng(0), roughness=1.5), (40, 30))
    here = sprites.window(tile, corner=(250.0, 3.0), size=(40, 30))
    assert np.array_equal(here[:, 2:], sprites.window(tile, corner=(252.0, 3.0), size=(38, 30)))
    half = sprites.window(tile, corner=(250.5, 3.0), size=(39, 30))
    assert np.allclose(half, (here[:, :-1] + here[:, 1:]) / 2, atol=1e-5)
    lower = sprites.window(tile, corner=(250.0, 3.25), size=(40, 29))
    assert np.allclose(lower, 0.75 * here[:-1] + 0.25 * here[1:], atol=1e-5)


def test_classes_and_directions_are_spread_evenly(planned: list[Scene]) -> None:
    subjects = [scene.sprites[0] for scene in planned]
    shapes = [sprite.shape for sprite in subjects]
    for shape in some(sprites.SHAPES):
        assert 0.19 < shapes.count(shape) / len(shapes) < 0.31
    start = np.array([sprite.speed[0] for sprite in subjects])
    still = ~start.any(axis=1)
    degrees = np.rad2deg(np.arctan2(start[~still, 1], start[~still, 0])) % 360
    shares = [still.mean()]
    for axis in (0, 90, 180, 270):
        off = np.abs((degrees - axis + 180) % 360 - 180)
        shares.append((off < 45).mean() * (~still).mean())
        assert off[off < 45].max() <= 25.001
    assert min(shares) > 0.14
    assert max(shares) < 0.26
    assert len(np.unique(degrees.round(0))) > 40


def test_what_is_decoded_is_independent_of_how_it_looks(planned: list[Scene]) -> None:
    subjects = [scene.sprites[0] for scene in planned]
    wanted = {
        "x": [s.centre[0, 0] for s in subjects],
        "y": [s.centre[0, 1] for s in subjects],
        "vx": [s.speed[0, 0] for s in subjects],
        "vy": [s.speed[0, 1] for s in subjects],
        "pace": [np.hypot(*s.speed[0]) for s in subjects],
        "size": [np.sqrt(s.half[0] * s.half[1]) for s in subjects],
    }
    looks = {
        "background": [scene.colour.mean() for scene in planned],
        "contrast": [s.colour.mean() - scene.colour.mean() for s, scene in zip(subjects, planned, strict=True)],
        "hue": [s.colour[0] - s.colour[2] for s in subjects],
        "pan": [scene.pan[1, 0] - scene.pan[0, 0] for scene in planned],
        "company": [len(scene.sprites) for scene in planned],
    }
    for name in sprites.TEXTURES:
        looks[name] = [float(s.texture == name) for s in subjects]
    shapes = {name: [float(s.shape == name) for s in subjects] for name in sprites.SHAPES}
    columns = {**wanted, **shapes, **looks}
    names = list(columns)
    table = np.corrcoef(np.array(list(columns.values()), dtype=np.float64))
    kinds = {name: kind for kind, of in enumerate((wanted, shapes, looks)) for name in of}
    for i, one in enumerate(names):
        for j, other in enumerate(names[:i]):
            if kinds[one] == kinds[other] != 0:  # two names of one choice exclude each other
                continue
            # About 110 pairs: five standard errors of 1500 scenes, so that chance alone stays below.
            assert abs(table[i, j]) < 0.13, (one, other, table[i, j])


def test_the_subject_is_the_largest_and_stands_out_in_the_picture(planned: list[Scene]) -> None:
    for scene in some(planned[:40]):
        subject, *company = scene.sprites
        for other in company:
            assert other.half[0] * other.half[1] < 0.5 * subject.half[0] * subject.half[1]
            assert np.mean(other.colour - scene.colour) < 0.5 * np.mean(subject.colour - scene.colour)
        picture, _ = next(scene.frames())
        masks = [
            sprites.coverage(
                s.shape, centre=tuple(s.centre[0]), half=s.half, box=np.s_[0 : scene.size[1], 0 : scene.size[0]]
            )
            for s in scene.sprites
        ]
        background = np.max(masks, axis=0) == 0
        own = (masks[0] == 1) & (np.max([np.zeros_like(masks[0]), *masks[1:]], axis=0) == 0)
        assert picture[own].mean() - picture[background].mean() > 60


def test_a_scene_is_the_same_whatever_else_is_rendered(rendered: list[Path], tmp_path: Path) -> None:
    def pixels(seed: int, index: int) -> bytes:
        return b"".join(picture.tobytes() for picture, _ in plan_scene(seed, index).frames())

    alone = pixels(3, 1)
    plan_scene(3, 0), plan_scene(4, 1)
    assert pixels(3, 1) == alone
    assert len({alone, pixels(4, 1), pixels(3, 2), pixels(1, 3)}) == 4
    few = render_scenes(2, 3, tmp_path)
    for one, among in some(zip(few, rendered, strict=False)):
        assert one.name == among.name
        assert truth_path(one).read_bytes() == truth_path(among).read_bytes()
    assert render_scenes(1, 4, tmp_path)[0].parent != few[0].parent


def test_a_killed_run_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = module.write_video
    written: list[Path] = []

    def killed_at_the_second(path: Path, *rest: object, **options: object) -> None:
        assert truth_path(path).exists(), "a video that is there has its truth"
        written.append(path)
        if len(written) == 2:
            raise KeyboardInterrupt
        whole(path, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "write_video", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        render_scenes(3, 3, tmp_path)
    first = written[0].stat()
    paths = render_scenes(3, 3, tmp_path)
    assert written == [paths[0], paths[1], paths[1], paths[2]], "what is there is kept, the rest is made"
    assert (paths[0].stat().st_ino, paths[0].stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert sorted(paths[0].parent.iterdir()) == sorted([*paths, *map(truth_path, paths)])


@pytest.mark.parametrize("count", [0, -3])
def test_no_scenes_is_an_error(count: int, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=f"asks for {count} scenes"):
        render_scenes(count, 0, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_scene_is_the_same_file_in_every_rendering(tmp_path):
    digests = set()
    for number in range(6):
        # What else lies in memory must not find its way into the file.
        ballast = [np.random.default_rng(number).bytes(1000 + 977 * number) for _ in range(50)]
        [path, *_] = render_scenes(3, 0, tmp_path / str(number))
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
        del ballast
    assert len(digests) == 1
