"""What cannot be asked of labels, and what would make it so."""

import re

import numpy as np
import polars as pl
import pytest
from tests.builders.known_store import put

from worldprobe.errors import ConfigError, ProbeError
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.answers import Probed
from worldprobe.pipeline.probe.moments import align
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.questions import ask, check_probes
from worldprobe.pipeline.probe.targets import Target, unaskable
from worldprobe.pipeline.stored import find_series, labelled_videos
from worldprobe.records import Labels
from worldprobe.store import Store


def classes(*names, rows=6, notes=()):
    codes = np.arange(rows)[:, None] % max(len(names), 1)
    return Target(codes.astype(float), np.full(rows, bool(names)), names, notes)


@pytest.mark.parametrize(
    ("task", "known", "said"),
    [
        ("class", classes("cat"), r"^class is constant: always 'cat'\. Add video that shows another in 2 groups"),
        ("class", classes("cat", notes=("left out, in fewer than 2 groups: dog",)), "always 'cat'; left out.*dog"),
        ("class", classes(notes=("left out, in fewer than 2 groups: cat, dog",)), "has to be in two: add groups"),
        ("class", classes(), "^the labeller gives no classes$"),
        ("motion", classes(notes=("6 moments without a direction: 6 still",)), "^6 moments without a direction"),
        ("size", Target(np.full((6, 2), 0.1), np.ones(6, bool), ()), "^size is constant. Add video in which"),
        ("size", Target(np.ones((6, 2)), np.zeros(6, bool), ()), "^no usable labels$"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_says_why_and_what_would_make_it_so(task, known, said):
    assert re.search(said, unaskable(task, known))


def test_what_varies_can_be_asked():
    assert not unaskable("class", classes("cat", "dog"))
    assert not unaskable("size", Target(np.array([[1.0, 0.1], [2.0, 0.1]]), np.ones(2, bool), ()))


@pytest.fixture(scope="module")
def seen(rendered, tmp_path_factory):
    """Eight scenes in a store, their truth, and what aligns labels with them."""
    folder = tmp_path_factory.mktemp("seen")
    scenes, store = rendered(8, 5, folder), Store(str(folder / "s"))
    truth = label(scenes, labeller=load_labeller("truth"))
    put(store, scenes, lambda video, t: np.ones(4))

    def moments(labels):
        return align(
            find_series(store, labelled_videos(labels), encoder="known", input="native", block=None), labels
        )

    return truth.table, moments


def plan(*tasks):
    return Plan("known", tasks, ("z",), ("majority",), "grouped")


def test_a_number_that_never_changes_is_said_beside_the_one_that_does(seen):
    table, moments = seen
    (one,) = ask(plan("size"), moments(Labels(table.with_columns(w=pl.lit(20.0)))), Probed())
    assert one.notes[0] == "1 of the 2 numbers of size are constant and not in the score"


def test_a_class_for_each_scene_cannot_be_learnt_from_others(seen):
    table, moments = seen
    result = Probed()
    own = pl.col("video").cast(pl.Categorical).to_physical().cast(pl.String)
    assert not ask(plan("class"), moments(Labels(table.with_columns(own.alias("class")))), result)
    assert "in two: add groups" in result.results[0].notes[0]


def test_fewer_scenes_than_folds_name_the_tasks_and_the_way_out(seen):
    table, moments = seen
    three = table.filter(pl.col("video").is_in(sorted(set(table["video"]))[:3]))
    with pytest.raises(ProbeError, match=r"none of xy, size can be probed: 5 grouped.*found 3 groups.*--split"):
        ask(plan("xy", "size"), moments(Labels(three)), Probed())


def test_a_positive_control_alone_is_refused_before_anything_is_done():
    with pytest.raises(ConfigError, match="controls are flow alone"):
        check_probes(Plan("vjepa2-tiny", ("velocity",), ("z",), ("flow",), "grouped"))
