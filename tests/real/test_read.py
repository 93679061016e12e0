from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from worldprobe.video.read import open_video
from worldprobe.video.sample import clips

# frames, width, height, rate: as in the data's README
CLIPS = {
    "bbb_720p_5s.mp4": (132, 1280, 720, 25),
    "bbb_144p_2min.mp4": (2880, 256, 144, 24),
    "sintel_480p_5s.mp4": (120, 854, 480, 24),
    "pets09_s2l1.avi": (795, 768, 576, 10),
    "person_walking.mp4": (1394, 768, 432, 10),
    "tabletop_box.mp4": (455, 640, 480, 29.97),
    "dog.mp4": (289, 1280, 720, 29.97),
    "blocks.mp4": (292, 1280, 720, 29.97),
}


@pytest.mark.parametrize("name", CLIPS)
def test_real_clips_read_whole_and_by_index(name: str, data: Path) -> None:
    frames, width, height, rate = CLIPS[name]
    with open_video(data / "videos" / name) as video:
        ref = video.ref
        assert (ref.frames, ref.width, ref.height, ref.missing) == (frames, width, height, 0)
        assert ref.rate == pytest.approx(rate, rel=1e-3)
        assert len(clips(ref, frames=16, stride=1)) == frames // 16
        wanted = [0, 1, frames // 2, frames - 30, frames - 1]
        read = 0
        expected: dict[int, np.ndarray] = {}
        for index, rgb in video.frames():
            assert index == read
            assert rgb.shape == (height, width, 3)
            read += 1
            if index in wanted:
                expected[index] = rgb
        assert read == frames
        assert video.unreadable == []
        for index, rgb in video.frames(wanted):
            np.testing.assert_array_equal(rgb, expected[index])
        np.testing.assert_array_equal(video.frame(frames - 1), expected[frames - 1])


def test_a_cut_download_is_read_as_far_as_it_goes(data: Path, tmp_path: Path) -> None:
    whole = data / "videos" / "pets09_s2l1.avi"
    part = tmp_path / "part.avi"
    part.write_bytes(whole.read_bytes()[:2_000_000])
    with open_video(whole) as video, open_video(part) as cut:
        assert 100 < cut.ref.frames < 300
        assert cut.ref.frames + cut.ref.missing == 795
        last = cut.ref.frames - 1
        np.testing.assert_array_equal(cut.frame(last), video.frame(last))
