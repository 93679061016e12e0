"""Real clips have no cut inside; joined, each has one where it was joined."""

from pathlib import Path

import numpy as np
import pytest

from worldprobe.video.read import open_video
from worldprobe.video.write import write_video

ONE_SHOT = ("blocks.mp4", "dog.mp4", "person_walking.mp4", "pets09_s2l1.avi", "tabletop_box.mp4", "bbb_720p_5s.mp4")


@pytest.mark.parametrize("name", ONE_SHOT)
def test_no_cut_inside_a_single_shot(name: str, data: Path) -> None:
    with open_video(data / "videos" / name) as video:
        assert video.shots == (0,)


def test_every_join_is_found_within_two_frames(data: Path, tmp_path: Path) -> None:
    joined, joins = [], [0]
    for name in (*ONE_SHOT, "blocks.mp4", "tabletop_box.mp4"):
        with open_video(data / "videos" / name) as video:
            for _, rgb in video.frames(range(10, 45)):
                h, w = rgb.shape[:2]
                joined.append(rgb[:: max(1, h // 120), :: max(1, w // 160)][:120, :160])
        joins.append(len(joined))
    assert {picture.shape for picture in joined} == {(120, 160, 3)}
    write_video(tmp_path / "joined.mp4", joined, rate=24)
    with open_video(tmp_path / "joined.mp4") as video:
        found = video.shots
    assert len(found) == len(joins) - 1
    assert np.abs(np.array(found) - joins[:-1]).max() <= 2
