"""Which shots a video has, as every stage opens it."""

import numpy as np

from worldprobe.pipeline.sources import open_source
from worldprobe.video.rendered.scenes import truth_path
from worldprobe.video.write import write_video


def test_a_film_that_was_rendered_has_no_cuts_whatever_it_looks_like(tmp_path):
    film = tmp_path / "film.mp4"
    frames = np.repeat(np.array([40, 220], dtype=np.uint8), 8)[:, None, None, None] + np.zeros(
        (1, 64, 64, 3), np.uint8
    )
    write_video(film, frames, rate=30)
    with open_source(film) as video:
        assert video.shots == (0, 8)
    truth_path(film).touch()
    with open_source(film) as video:
        assert video.shots == (0,)
