"""The camera's own motion: measured on pictures whose shift is known, and taken from speeds."""

import weakref
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worldprobe.labels import targets
from worldprobe.labels.load import load_labeller
from worldprobe.labels.motion.camera import camera_velocity, global_motion, with_camera
from worldprobe.labels.motion.register import displacement, look, shrink
from worldprobe.pipeline.label.label import label
from worldprobe.records import Labels, VideoRef
from worldprobe.video.write import write_video

WIDTH, HEIGHT = 192, 144
WAVES = np.random.default_rng(7).normal(0, 0.35, (80, 2))
PHASES = np.random.default_rng(8).uniform(0, 6.28, 80)


def world(x: float, y: float, *, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A smooth texture seen from a corner, exact between pixels too; float32 in 0 to 255."""
    columns, rows = np.arange(width) + x, np.arange(height) + y
    across = np.exp(1j * np.outer(WAVES[:, 0], columns))
    down = np.exp(1j * (np.outer(WAVES[:, 1], rows) + PHASES[:, None]))
    picture = (down.T @ across).real  # of each wave the product, and the sum of all
    return (128 + 6 * picture).clip(0, 255).astype(np.float32)


def rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey.round().astype(np.uint8)[..., None], 3, axis=2)


@given(x=st.floats(-24, 24), y=st.floats(-24, 24), own=st.floats(-6, 6))
@example(x=22.0, y=22.0, own=0.0)
@settings(max_examples=25, deadline=None)
def test_a_shift_is_found_to_a_twentieth_of_a_pixel_whatever_moves_by_itself(
    x: float, y: float, own: float
) -> None:
    before, after = world(50, 50), world(50 - x, 50 - y)
    left = round(60 + own)
    before[40:90, 60:110], after[40:90, left : left + 50] = 240, 240
    noise = np.random.default_rng(0).normal(0, 3, (2, HEIGHT, WIDTH)).astype(np.float32)
    found = displacement(look(before + noise[0]), look(after + noise[1]))
    # A large thing that stands still in the picture may hide a shift of a seventh of it, and is then not believed.
    assert found.reliable or max(abs(x), abs(y)) > 20
    assert not found.reliable or found.xy == pytest.approx((x, y), abs=0.05)


def test_pictures_of_different_things_and_of_nothing_are_not_believed() -> None:
    noise = np.random.default_rng(1).normal(128, 3, (2, HEIGHT, WIDTH)).astype(np.float32)
    flat, other = np.full((HEIGHT, WIDTH), 90, np.float32), world(900, 900)
    for before, after in ((world(0, 0), other), (flat, flat), (noise[0], noise[1]), (flat[:2, :2], flat[:2, :2])):
        assert not displacement(look(before), look(after)).reliable


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 8), (16, 16), (16, 96), (96, 16)])
def test_pictures_smaller_than_the_search_reaches_have_a_shift_too(size: tuple[int, int]) -> None:
    """A film of icons, say: none of it can move as far as the search goes."""
    height, width = size
    before, after = (world(x, 50, width=width + 4, height=height)[:, :width] for x in (50, 48))
    found = displacement(look(before), look(after))
    assert np.abs(found.xy).max() <= max(size)


def test_grey_pictures_are_means_of_squares() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (7, 10, 3), dtype=np.uint8)
    small = shrink(picture, 3)
    expected = picture[:6, :9].reshape(2, 3, 3, 3, 3).mean(axis=(1, 3)) @ [0.299, 0.587, 0.114]
    assert small.shape == (2, 3)
    assert small == pytest.approx(expected, abs=1e-3)


@dataclass
class Pan:
    """A camera that passes over the world, ``step`` px a frame; ``missing`` frames cannot be read."""

    step: tuple[float, float] = (-7.5, 3.0)
    count: int = 12
    shots: tuple[int, ...] = (0,)
    missing: tuple[int, ...] = ()
    size: tuple[int, int] = (384, 288)
    live: list[weakref.ref] = field(default_factory=list)
    most: int = 0

    @property
    def ref(self) -> VideoRef:
        return VideoRef("f" * 64, "pan.mp4", *self.size, self.count, 20.0)

    @property
    def pts_seconds(self) -> np.ndarray:
        return np.arange(self.count) / 20

    def frames(self, indices=None):
        for index in range(self.count):
            if index in self.missing:
                continue
            x, y = (200 - index * step for step in self.step)
            picture = rgb(world(x, y, width=self.size[0], height=self.size[1]))
            self.live = [one for one in self.live if one() is not None] + [weakref.ref(picture)]
            self.most = max(self.most, len(self.live))
            yield index, picture
            del picture


def test_a_films_motion_is_in_source_px_and_unknown_where_a_shot_begins_or_a_frame_lacks() -> None:
    film = Pan(shots=(0, 5), missing=(8,))
    motion = global_motion(film)
    unknown = np.isin(np.arange(12), [0, 5, 8, 9])
    assert np.array_equal(np.isnan(motion).any(axis=1), unknown)
    assert motion[~unknown] == pytest.approx(np.tile(film.step, (8, 1)), abs=0.1)
    assert film.most <= 2  # however long a film is


def test_the_cameras_speed_is_taken_over_the_frames_around_and_never_across_an_unknown_step() -> None:
    motion = np.array([[np.nan] * 2, *[[2.0, -1.0]] * 4, [np.nan] * 2, *[[-3.0, 0.0]] * 3, [np.nan] * 2])
    seconds = np.array([0.0, 0.05, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5])
    speed = camera_velocity(motion, seconds)
    assert speed[0] == pytest.approx([6 / 0.2, -3 / 0.2])
    assert speed[2] == pytest.approx([8 / 0.25, -4 / 0.25])
    assert speed[6] == pytest.approx([-9 / 0.15, 0.0])
    assert np.isnan(speed[9]).all()


RATE, CAMERA = 25, np.array([90.0, -40.0])  # px a second that the camera gives to the picture
OWN = np.array([[60.0, 30.0], [-35.0, 0.0], [0.0, 0.0]])  # px a second against the world


@pytest.fixture(scope="module")
def panned(tmp_path_factory: pytest.TempPathFactory):
    """A film of a panning camera with three squares, and their boxes as a MOT file."""
    folder = tmp_path_factory.mktemp("panned")
    start, side, lines = np.array([[60, 120], [160, 90], [110, 160]]), 26, []

    def frames():
        for time in range(25):
            picture = rgb(world(*(200 - CAMERA * time / RATE), width=320, height=240))
            for number, corner in enumerate(start + (OWN + CAMERA) * time / RATE):
                left, top = (round(value) for value in corner)
                picture[top : top + side, left : left + side] = (250, 60 * number, 20)
                lines.append(f"{time + 1},{number},{corner[0]},{corner[1]},{side},{side},1")
            yield picture

    write_video(folder / "panned.mp4", frames(), rate=RATE)
    (folder / "boxes.txt").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize(("camera", "added"), [("subtracted", 0.0), ("kept", CAMERA)])
def test_the_speed_of_an_object_is_its_own_once_the_cameras_is_subtracted(panned, camera, added) -> None:
    labels = label([panned / "panned.mp4"], labeller=load_labeller(f"mot:{panned / 'boxes.txt'}"), camera=camera)
    tracks = targets.tracks(labels, str(labels.table["video"][0]))
    for number, own in enumerate(OWN):
        found = tracks.speed[tracks.object == number]
        assert found == pytest.approx(np.tile(own + added, (25, 1)), abs=2.0)  # px a second
    names = targets.direction(box=tracks.box, speed=tracks.speed)[tracks.object == 2]
    assert set(names) == ({"still"} if camera == "subtracted" else {"right"})


def test_a_camera_that_is_not_known_is_said() -> None:
    dark = Pan(count=10)
    dark.frames = lambda indices=None: ((i, np.zeros((288, 384, 3), np.uint8)) for i in range(10))
    assert "not known in 10 of 10 frames" in with_camera(Labels.empty(), dark).notes[0]
    assert with_camera(Labels.empty(), Pan()).notes == ()


def test_exact_speeds_of_the_picture_are_freed_too_and_unknown_stays_unknown() -> None:
    film = Pan(shots=(0, 5), count=6)  # frame 5 stands alone: its camera is not known
    columns = {
        "video": "f" * 64, "frame": [1, 2, 5], "pts_seconds": [0.05, 0.1, 0.25], "object": 0, "class": "", "x": 9.0,
        "y": 9.0, "w": 4.0, "h": 4.0, "confidence": 1.0, "source": "t", "vx": 100.0, "vy": 0.0,
    }  # fmt: skip
    other = Labels.from_columns(**{**columns, "video": "g"})
    labels = with_camera(Labels.concat([Labels.from_columns(**columns), other]), film)
    speed = targets.tracks(labels, "f" * 64, shots=film.shots).speed
    assert speed[:2] == pytest.approx(np.array([[250.0, -60.0]] * 2), abs=2.0)
    assert np.isnan(speed[2]).all()
    assert np.isnan(labels.table.filter(labels.table["video"] == "g")["camera_vx"].to_numpy()).all()
