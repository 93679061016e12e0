"""The positive control of motion: it reads velocity where order is there, and is judged apart from all others."""

import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.known_store import ref_of
from threadpoolctl import threadpool_limits

from worldprobe.encoders.load import load_encoder
from worldprobe.errors import StoreError
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.job import Beside
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe, probe_inputs
from worldprobe.records import Labels
from worldprobe.results import EvidenceResult, VerdictResult
from worldprobe.store import Series, Store

TASKS = ("xy", "velocity")
INPUTS = ("native", "shuffled", "reversed")
CONTROLS = ("majority", "flow", "gaussian", "shuffled")


@pytest.fixture(scope="module")
def scenes(rendered, tmp_path_factory):
    return rendered(60, 21, tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def truth(scenes):
    return label(scenes, labeller=load_labeller("truth"))


def plan(**changes):
    fields = {"encoder": "known", "tasks": TASKS, "features": ("z",), "controls": ("majority", "flow")}
    return Plan(**{**fields, "split": "grouped", **changes})


def put_known(store, series):
    """An encoder that holds noise, of the same clips."""
    rng = np.random.default_rng(0)
    for one in series:
        known = Series(
            video=one.video, specs=one.specs, encoder="known", revision="0" * 64, status="trained", twin=None,
            input=one.input, pool="space", grid=one.grid, view=one.view,
        )  # fmt: skip
        store.create(known, [0], width=4)
        for clip in range(len(one.specs)):
            store.write(known, 0, clip, rng.normal(size=(8, 4)).astype(np.float16))


@pytest.fixture(scope="module")
def store(scenes, tmp_path_factory):
    """Flow of each kind of input but stills, and an encoder that holds noise; of a few scenes stills too."""
    made, pixels = Store(str(tmp_path_factory.mktemp("store"))), load_encoder("pixels")
    beside = [Beside(load_encoder("flow"), [0])]
    for input in INPUTS:
        put_known(made, encode(scenes, encoder=pixels, store=made, blocks=[0], input=input, beside=beside).series)
    put_known(made, encode(scenes[:12], encoder=pixels, store=made, blocks=[0], frames=4, input="still").series)
    return made


@pytest.fixture(scope="module")
def probed(store, truth):
    return probe_inputs(store, truth, plan(), INPUTS)


def flows(probed):
    found = [r for r in probed.results if r.control == "flow" and r.metric in ("r2", "accuracy")]
    return {(r.task, r.features, r.input): r for r in found}


def test_flow_reads_velocity_from_few_scenes_and_stands_beside_motion_alone(probed):
    found = flows(probed)
    assert {(task, input) for task, _, input in found} == {("velocity", input) for input in INPUTS}
    assert found["velocity", "z", "native"].score > 0.6
    assert {r.encoder for r in found.values()} == {"flow"}


def test_beside_deltas_stands_the_same_flow(store, truth):
    found = flows(probe(store, truth, plan(features=("z", "delta"), tasks=("motion",))))
    z, delta = (found["motion", kind, "native"] for kind in ("z", "delta"))
    assert (z.score, z.low, z.high, z.n_test) == (delta.score, delta.low, delta.high, delta.n_test)
    assert z.low > 0.4


def test_shuffled_clips_hold_no_velocity_and_reversed_ones_as_much(probed):
    found = flows(probed)
    assert found["velocity", "z", "shuffled"].high < 0.15
    native, backwards = (found["velocity", "z", input] for input in ("native", "reversed"))
    assert backwards.score == pytest.approx(native.score, abs=0.1)
    of = {r.input: r.n_test for r in probed.results if (r.task, r.control, r.features) == ("velocity", "none", "z")}
    assert of["native"] == of["shuffled"] == of["reversed"]


def test_native_clips_are_compared_with_those_of_every_other_input(probed):
    lines = [x for x in probed.evidence if isinstance(x, EvidenceResult) and x.measure == "contrast"]
    for input in ("shuffled", "reversed"):
        assert {x.task for x in lines if x.against == input} == set(TASKS)
    assert all(x.input == "native" for x in lines if x.against in INPUTS)


def test_the_difference_from_flow_is_paired_and_flow_is_none_to_be_above(probed):
    lines = [x for x in probed.evidence if isinstance(x, EvidenceResult)]
    (one,) = [x for x in lines if (x.task, x.features, x.input, x.against) == ("velocity", "z", "native", "flow")]
    (real,) = [
        r for r in probed.results
        if (r.task, r.features, r.input, r.control, r.split) == ("velocity", "z", "native", "none", "grouped")
    ]  # fmt: skip
    assert one.measure == "contrast"
    assert one.score == pytest.approx(real.score - flows(probed)["velocity", "z", "native"].score)
    assert one.high < -0.3
    assert not any("flow" in x.against for x in probed.evidence if isinstance(x, VerdictResult))
    assert not any(x.against == "flow" for x in lines if x.measure == "skill")


def test_of_stills_flow_is_left_out_and_that_is_said(probed, store, truth):
    said = "The control flow is change in time: of stills it is nothing, and left out"
    still = probe_inputs(store, truth, plan(tasks=("velocity",)), ("still",), partial=True)
    assert said in still.notes
    assert {r.control for r in some(still.results)} == {"none", "majority"}
    assert said not in probed.notes


def test_a_store_without_flow_names_the_command_and_tasks_without_motion_need_none(scenes, truth, tmp_path):
    store = Store(str(tmp_path / "s"))
    scenes = scenes[:12]
    truth = Labels(truth.table.filter(truth.table["video"].is_in([ref_of(path).id for path in scenes])))
    put_known(store, encode(scenes, encoder=load_encoder("pixels"), store=store, blocks=[0]).series)
    with pytest.raises(StoreError, match=r"control flow needs .* --controls"):
        probe(store, truth, plan(tasks=("velocity",)))
    found = probe(store, truth, plan(tasks=("xy",)))
    assert {r.control for r in found.results} == {"none", "majority"}


def test_questions_answered_side_by_side_are_answered_as_one_after_the_other(store, truth):
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(probe(store, truth, plan(tasks=("velocity",), controls=CONTROLS)).results)
    assert len(found[0]) > 5
    assert found[0] == found[1]
