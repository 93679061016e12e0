"""The positive control of motion: it reads velocity where order is there, and is judged apart from all others."""

import numpy as np
import pytest
from tests.builders.checks import some

from worldprobe.controls import MOTION_TASKS
from worldprobe.encoders.load import load_encoder
from worldprobe.errors import StoreError
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe, probe_inputs
from worldprobe.results import EvidenceResult, VerdictResult
from worldprobe.store import Series, Store
from worldprobe.video.rendered.scenes import render_scenes

TASKS = ("xy", "motion", "velocity")
INPUTS = ("native", "shuffled", "reversed", "still")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return render_scenes(60, 21, tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def truth(scenes):
    return label(scenes, labeller=load_labeller("truth"))


def plan(**changes):
    fields = {"encoder": "known", "tasks": TASKS, "features": ("z", "delta"), "controls": ("majority", "flow")}
    return Plan(**{**fields, "split": "grouped", **changes})


@pytest.fixture(scope="module")
def store(scenes, tmp_path_factory):
    """Flow of each kind of input but stills, and an encoder that holds noise."""
    made = Store(str(tmp_path_factory.mktemp("store")))
    rng = np.random.default_rng(0)
    for input in INPUTS:
        flow = encode(scenes, encoder=load_encoder("pixels"), store=made, blocks=[0], input=input)
        if input != "still":
            encode(scenes, encoder=load_encoder("flow"), store=made, blocks=[0], input=input)
        for one in flow.series:
            known = Series(
                video=one.video, specs=one.specs, encoder="known", revision="0" * 64, status="trained", twin=None,
                input=input, pool="space", grid=one.grid, view=one.view,
            )  # fmt: skip
            made.create(known, [0], width=8)
            for clip in range(len(one.specs)):
                made.write(known, 0, clip, rng.normal(size=(8, 8)).astype(np.float16))
    return made


@pytest.fixture(scope="module")
def probed(store, truth):
    return probe_inputs(store, truth, plan(), INPUTS)


def flows(probed):
    found = [r for r in probed.results if r.control == "flow" and r.metric in ("r2", "accuracy")]
    return {(r.task, r.features, r.input): r for r in found}


def test_flow_reads_velocity_from_few_scenes_and_stands_beside_motion_alone(probed):
    found = flows(probed)
    assert {(task, input) for task, _, input in found} == {
        (task, input) for task in TASKS if task in MOTION_TASKS for input in INPUTS if input != "still"
    }
    assert found["velocity", "z", "native"].score > 0.6
    assert found["motion", "z", "native"].low > 0.4
    assert {r.encoder for r in found.values()} == {"flow"}


def test_beside_deltas_stands_the_same_flow(probed):
    found = flows(probed)
    for (task, features, input), one in some(found.items()):
        other = found[task, {"z": "delta", "delta": "z"}[features], input]
        assert (one.score, one.low, one.high) == (other.score, other.low, other.high)


def test_shuffled_clips_hold_no_velocity_and_reversed_ones_as_much(probed):
    found = flows(probed)
    assert found["velocity", "z", "shuffled"].high < 0.15
    native, backwards = (found["velocity", "z", input] for input in ("native", "reversed"))
    assert backwards.score == pytest.approx(native.score, abs=0.1)
    of = {r.input: r.n_test for r in probed.results if (r.task, r.control, r.features) == ("velocity", "none", "z")}
    assert of["native"] == of["shuffled"] == of["reversed"]


def test_native_clips_are_compared_with_those_of_every_other_input(probed):
    lines = [x for x in probed.evidence if isinstance(x, EvidenceResult) and x.measure == "contrast"]
    for input in ("still", "shuffled", "reversed"):
        assert {(x.task, x.features) for x in lines if x.against == input} == {
            (task, features) for task in TASKS for features in ("z", "delta")
        }
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


def test_a_store_without_flow_names_the_command_and_tasks_without_motion_need_none(scenes, truth, tmp_path):
    store = Store(str(tmp_path / "s"))
    encode(scenes, encoder=load_encoder("vjepa2-tiny", device="cpu"), store=store, blocks=[0], pool="space")
    of = {"encoder": "vjepa2-tiny", "features": ("z",), "blocks": "0"}
    with pytest.raises(StoreError, match=r"control flow needs .* --controls"):
        probe(store, truth, plan(**of, tasks=("velocity",)))
    assert {r.control for r in probe(store, truth, plan(**of, tasks=("xy",))).results} == {"none", "majority"}
