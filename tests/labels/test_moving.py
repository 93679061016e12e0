"""The labeller without weights, on made films whose answer is known."""

from dataclasses import dataclass

import numpy as np
import pytest

from worldprobe.errors import LabelError
from worldprobe.labels.boxes import corners, iou
from worldprobe.labels.motion.background import RegisteredFrame
from worldprobe.labels.motion.moving import Moving
from worldprobe.labels.motion.stillness import Stillness
from worldprobe.records import Labels, VideoRef


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


@pytest.fixture(scope="module")
def crossing():
    """The labels of a square that crosses a film."""
    return Moving().label(Film(with_square, 60))


@pytest.fixture(scope="module")
def unmoved():
    """The labels of a film in which only noise changes."""
    return Moving().label(Film(lambda i: picture(background(1, i)), 60))


def test_a_square_that_crosses_is_found_as_one_object(crossing):
    labels = crossing.table
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


def test_nothing_is_found_where_nothing_moves(unmoved):
    assert len(unmoved.table) == 0
    assert len(Moving().label(Film(lambda i: picture(background(1, 0)), 3)).table) == 0
    assert len(Moving().label(Film(lambda i: picture(background(1, 0)), 1)).table) == 0


def test_a_cut_and_a_moving_camera_give_no_boxes():
    cut = Film(lambda i: picture(255 - background(2, i) if i >= 35 else background(3, i)), 80)
    assert len(Moving().label(cut).table) == 0
    wide = np.random.default_rng(4).integers(0, 255, (240, 1200, 3))
    assert len(Moving().label(Film(lambda i: picture(wide[:, 10 * i : 10 * i + 320]), 60)).table) == 0


WIDE = np.random.default_rng(5).integers(60, 140, (60, 160, 3)).repeat(8, axis=0).repeat(8, axis=1)


def corner(index):
    """Of what the camera sees at a frame: it pans to the right, slows, turns down and shakes."""
    shake = np.random.default_rng(index).integers(-2, 3, 2)
    return np.array([40 + 4 * min(index, 50), 40 + 2 * max(0, index - 40)]) + shake


def passed_by(index):
    left, top = corner(index)
    frame = WIDE[top : top + 240, left : left + 320] + np.random.default_rng(index).normal(0, 3, (240, 320, 3))
    x, y = seen_at(index)
    frame[max(0, y) : y + 48, max(0, x) : x + 48] = 230
    return picture(frame)


def seen_at(index):
    """Left and top of a square that walks through the world."""
    return np.array([60 + 7 * index, 130 + index]) - corner(index)


def test_a_camera_that_pans_and_shakes_gives_the_object_and_not_the_picture():
    labels = Moving().label(Film(passed_by, 70))
    good = 0
    for row in labels.table.iter_rows(named=True):
        left, top = seen_at(row["frame"])
        truth = np.array([[max(0, left), max(0, top), min(320, left + 48), min(240, top + 48)]], dtype=float)
        box = corners(np.array([[row["x"], row["y"], row["w"], row["h"]]]))
        good += iou(box, truth)[0, 0] >= 0.5
    assert good >= 60
    assert len(labels.table) - good <= 7
    assert labels.notes == ()


def test_a_film_that_cannot_be_followed_or_shows_nothing_is_said_to_be_so(crossing, unmoved):
    def tossed(index):
        left, top = np.random.default_rng(index).integers(0, [960, 240])
        return picture(3 * (WIDE[top : top + 240, left : left + 320].astype(float) - 60))

    shaky = Moving().label(Film(tossed, 60))
    assert "too shaky" in shaky.notes[0]
    assert "of 60 frames" in shaky.notes[0]
    assert "--labeller onnx:FILE" in shaky.notes[0]
    assert "too still" in unmoved.notes[0]
    assert "made.mp4" in unmoved.notes[0]
    assert Labels.concat([shaky, unmoved]).notes == shaky.notes + unmoved.notes
    assert crossing.notes == ()


def test_an_argument_is_refused():
    with pytest.raises(LabelError, match="takes no argument"):
        Moving("fast")


# Films of the smaller kind: 160 x 120 px, which is what larger ones are shrunk to.
SMALL = (160, 120)
ROOM = np.random.default_rng(6).integers(60, 140, (15, 20, 3)).repeat(8, axis=0).repeat(8, axis=1)
NOISE = np.random.default_rng(7).normal(0, 2, (7, 120, 160, 3))
SIGN = np.random.default_rng(8).integers(0, 255, (12, 12, 3)).repeat(2, axis=0).repeat(2, axis=1)


def film_of(place, *, count=70, light=lambda _: None, shift=lambda _: (0, 0)):
    """A textured square at ``place(frame)``, (left, top) or None; ``light`` says where the background is lit."""

    def make(index):
        frame = ROOM + NOISE[index % 7]
        at = place(index)
        if at is not None:
            left, top = at
            frame[top : top + 24, left : left + 24] = SIGN
        lit = light(index)
        if lit is not None:
            frame[lit] += 60
        return picture(np.roll(frame, shift(index), axis=(0, 1)))

    return Film(make, count, SMALL)


def covered(labels, place):
    """Of each frame in which a box lies over the square, that box's object."""
    found = {}
    for row in labels.table.iter_rows(named=True):
        left, top = place(row["frame"])
        box = corners(np.array([[row["x"], row["y"], row["w"], row["h"]]]))
        if iou(box, np.array([[left, top, left + 24, top + 24]], dtype=float))[0, 0] >= 0.3:
            found[row["frame"]] = row["object"]
    return found


def test_the_place_of_what_was_taken_away_is_no_object():
    labels = Moving().label(film_of(lambda i: (50, 40) if i < 38 else None, count=60))
    assert len(labels.table) == 0
    assert any("boxes that moving found were left out, since nothing changes in them" in n for n in labels.notes)


def test_what_is_carried_away_is_labelled_and_its_place_is_not():
    def place(index):
        return 50 + 2 * max(0, index - 38), 40

    labels = Moving().label(film_of(place, count=75))
    table = labels.table
    # Once it has left the place where it stood, that place is another region, in which nothing changes.
    ghosts = table.filter((table["x"] < 65) & (table["frame"] > 62))
    assert len(ghosts) == 0
    assert set(covered(labels, place)) >= set(range(42, 73))
    assert any("left out" in note for note in labels.notes)


def test_a_light_that_goes_on_is_no_object():
    lit = film_of(lambda _: None, light=lambda i: np.s_[0:45, 0:65] if i >= 40 else None, count=60)
    assert len(Moving().label(lit).table) == 0


@pytest.mark.parametrize("rest", [28, 50])
def test_what_rests_for_a_second_and_more_keeps_its_label_and_moves_on_as_the_same(rest):
    def place(index):
        return 10 + 2 * (min(index, 25) + max(0, index - 25 - rest)), 40

    found = covered(Moving().label(film_of(place, count=45 + rest)), place)
    assert len(set(found.values())) == 1
    # Half a second (10 frames) at either end of a rest is labelled, and a pause as long between them.
    resting = set(range(25 + 11, 25 + rest - 10)) if rest > 30 else set()
    assert not set(found) & resting
    assert len(set(range(3, 42 + rest)) - set(found) - resting) <= 3


def test_a_shaking_camera_does_not_make_a_standing_thing_move():
    def shake(index):
        return tuple(np.random.default_rng([9, index]).integers(-1, 2, 2))

    labels = Moving().label(film_of(lambda i: (50, 40) if i < 40 else None, shift=shake, count=60))
    assert len(labels.table) <= 3


def test_a_crowd_of_fragments_is_said_to_be_one():
    def make(index):
        frame = ROOM + NOISE[index % 7]
        for number in range(8):  # each lives for 9 frames, and is somewhere else then
            life, age = divmod(index + number, 9)
            x, y = np.random.default_rng([number, life]).integers(10, [125, 100])
            frame[y : y + 10, max(0, x + 2 * age - 6) : x + 2 * age + 4] = 250
        return picture(frame)

    (note, *_) = Moving().label(Film(make, 60, SMALL)).notes
    assert "what moving found is fragments" in note
    assert "made.mp4" in note


def test_only_the_frames_around_those_that_wait_are_held():
    seconds = np.arange(120) / 20
    still = Stillness(seconds)
    seen = None
    for index in range(120):
        seen = RegisteredFrame.after(seen, index, np.zeros((24, 32), np.float32))
        still.show(seen, oldest=index)
        if index % 2:
            still.ask(index, [(slice(0, 4), slice(0, 4), np.ones((4, 4), bool))])
        assert list(still.judged()) in ([], [[False]])
        assert len(still._frames) <= 24
