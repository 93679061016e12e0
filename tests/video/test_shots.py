"""Cuts are found where the picture becomes another, and nowhere else."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from worldprobe.io.files import cache
from worldprobe.protocols import FrameSource
from worldprobe.video import shots as shots_module
from worldprobe.video.read import open_video
from worldprobe.video.rendered.scenes import plan_scene
from worldprobe.video.shots import find_shots
from worldprobe.video.write import write_video

Frames = list[NDArray[np.uint8]]


def scene(index: int, frames: int) -> Frames:
    return [picture for picture, _ in plan_scene(5, index, frames=frames, width=128, height=96).frames()]


def shots(tmp_path: Path, frames: Sequence[NDArray[np.uint8]]) -> tuple[int, ...]:
    write_video(tmp_path / "film.mp4", frames, rate=24)
    with open_video(tmp_path / "film.mp4") as video:
        return video.shots


def test_every_cut_between_scenes_is_found_to_the_frame(tmp_path: Path) -> None:
    lengths = [30, 17, 48, 9, 25]
    film = [picture for index, n in enumerate(lengths) for picture in scene(index, n)]
    assert shots(tmp_path, film) == (0, 30, 47, 95, 104)


@pytest.mark.parametrize("index", range(4))
def test_what_moves_is_no_cut(tmp_path: Path, index: int) -> None:
    assert shots(tmp_path, scene(index, 60)) == (0,)


def test_a_flash_is_no_cut(tmp_path: Path) -> None:
    film = scene(0, 60)
    for at in (20, 40, 41):
        film[at] = np.clip(film[at].astype(int) + 140, 0, 255).astype(np.uint8)
    assert shots(tmp_path, film) == (0,)


def test_a_fade_through_black_is_one_cut_where_the_light_comes_back(tmp_path: Path) -> None:
    def faded(frames: Frames, gains: NDArray[np.float64]) -> Iterator[NDArray[np.uint8]]:
        for picture, gain in zip(frames, gains, strict=True):
            yield (picture * gain).astype(np.uint8)

    away = np.concatenate([np.ones(30), np.linspace(1, 0, 10)])
    film = [*faded(scene(0, 40), away), *faded(scene(1, 40), away[::-1])]
    found = shots(tmp_path, film)
    assert len(found) == 2
    assert 40 <= found[1] <= 44


def test_a_film_that_begins_black_begins_its_first_shot_after(tmp_path: Path) -> None:
    film = [np.zeros((96, 128, 3), np.uint8)] * 12 + scene(0, 40)
    assert shots(tmp_path, film) == (0, 12)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_film_of_a_few_frames_is_one_shot(tmp_path: Path, n: int) -> None:
    assert shots(tmp_path, scene(0, n)) == (0,)


def test_tiny_frames_are_looked_at_too(tmp_path: Path) -> None:
    film = [np.full((6, 10, 3), 30, np.uint8)] * 10 + [np.full((6, 10, 3), 220, np.uint8)] * 10
    assert shots(tmp_path, film) == (0, 10)


def test_what_was_found_once_in_a_video_is_kept_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLDPROBE_CACHE", str(tmp_path / "cache"))
    found = shots(tmp_path, [*scene(3, 12), *scene(4, 12)])
    monkeypatch.setattr(shots_module, "find_shots", lambda video: (0, 5))
    assert shots(tmp_path, [*scene(3, 12), *scene(4, 12)]) == found == (0, 12)
    (kept,) = (cache() / "shots").iterdir()
    kept.write_text('{"frames": 24, "shots"')  # torn
    assert shots(tmp_path, [*scene(3, 12), *scene(4, 12)]) == (0, 5)


def test_a_narrow_film_that_brightens_is_one_shot() -> None:
    """The rows of a cell add up to what 16 bits do not hold, from a brightness of 243 on."""

    class Strip:
        """Much higher than it is wide."""

        ref = SimpleNamespace(rate=24.0)

        def frames(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
            for index in range(15):
                yield index, np.full((16 * 270, 16, 3), 240 + index, np.uint8)

    assert find_shots(cast("FrameSource", Strip())) == (0,)
