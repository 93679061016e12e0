"""The labeller without weights, on made films whose answer is known."""

from dataclasses import dataclass

import numpy as np
import pytest

from worldprobe.errors import LabelError
from worldprobe.labels.boxes import corners, iou
from worldprobe.labels.moving import Moving
from worldprobe.records import VideoRef


@dataclass
class Film:
    """Frames that are made when asked for."""

    make: object
    count: int
    size: tuple = (320, 240)
    shots: tuple = (0,)

    @property
    def ref(self):
        return VideoRef("f" * 64, "made.mp4", *self.size, self.count, 20.0)

    @property
    def pts_seconds(self):
        return np.arange(self.count) / 20

    def frames(self, indices=None):
        for index in range(self.count) if indices is None else indices:
            yield index, self.make(index)


def background(seed, index):
    still = np.random.default_rng(seed).integers(60, 140, (30, 40, 3)).repeat(8, axis=0).repeat(8, axis=1)
    return still + np.random.default_rng([seed, index]).normal(0, 3, still.shape)


def picture(array):
    return np.clip(array, 0, 255).astype(np.uint8)


def square_at(index):
    return 20 + 4 * index, 80


def with_square(index):
    frame = background(0, index)
    left, top = square_at(index)
    frame[top : top + 48, left : left + 48] = 230
    return picture(frame)


def test_a_square_that_crosses_is_found_as_one_object():
    labels = Moving().label(Film(with_square, 60)).table
    good = 0
    for row in labels.iter_rows(named=True):
        left, top = square_at(row["frame"])
        truth = np.array([[left, top, left + 48, top + 48]], dtype=float)
        box = corners(np.array([[row["x"], row["y"], row["w"], row["h"]]]))
        good += iou(box, truth)[0, 0] >= 0.5
    assert good >= 54
    assert len(labels) - good <= 6
    main = labels.filter(labels["w"] > 30)
    assert main["object"].n_unique() == 1
    assert labels["confidence"].is_between(0, 1).all()
    assert set(labels["class"]) == {""}


def test_nothing_is_found_where_nothing_moves():
    assert len(Moving().label(Film(lambda i: picture(background(1, i)), 60)).table) == 0
    assert len(Moving().label(Film(lambda i: picture(background(1, 0)), 3)).table) == 0
    assert len(Moving().label(Film(lambda i: picture(background(1, 0)), 1)).table) == 0


def test_a_cut_and_a_moving_camera_give_no_boxes():
    cut = Film(lambda i: picture(255 - background(2, i) if i >= 35 else background(3, i)), 80)
    assert len(Moving().label(cut).table) == 0
    wide = np.random.default_rng(4).integers(0, 255, (240, 1200, 3))
    assert len(Moving().label(Film(lambda i: picture(wide[:, 10 * i : 10 * i + 320]), 60)).table) == 0


def test_an_argument_is_refused():
    with pytest.raises(LabelError, match="takes no argument"):
        Moving("fast")
