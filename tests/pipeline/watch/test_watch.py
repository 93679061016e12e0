"""A training whose collapse is known: measured once, whatever comes in between, and concluded from."""

import json
import os
import shutil
import time

import pytest
from tests.builders.checkpoints import WIDTH, save
from tests.builders.checks import some

from worldprobe.config import make_experiment
from worldprobe.errors import ConfigError, LabelError, WorldprobeError
from worldprobe.findings.watched import Watched
from worldprobe.io.arrays import read_arrays
from worldprobe.pipeline.compare import compare
from worldprobe.pipeline.watch import watch as watching
from worldprobe.pipeline.watch.measure import POOLED
from worldprobe.pipeline.watch.watch import Watch, Watching
from worldprobe.report.forms.watched import watched_html, watched_markdown, watched_tables, write_watched
from worldprobe.report.write import write_report

VALUES = {
    "encoder": "{}", "labeller": "truth", "frames": 8, "evidence": ["unlabelled"], "controls": ["majority"],
    "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="module")
def scenes(rendered, tmp_path_factory):
    return rendered(12, 5, tmp_path_factory.mktemp("scenes"))


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    monkeypatch.setattr(watching, "SETTLED_SECONDS", 0.0)


def of(folder, scenes, out, *, tasks=(), **more):
    values = {
        **VALUES,
        "videos": [str(scenes[0].parent)],
        **({"tasks": list(tasks), "features": ["z"]} if tasks else {}),
    }
    return Watching(folder, out, scenes, make_experiment(values), tasks=bool(tasks), **more)


def lines(out):
    return [json.loads(line) for line in (out / "watch.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def training(tmp_path_factory, scenes):
    """Three checkpoints with ever fewer directions, watched with one task."""
    folder = tmp_path_factory.mktemp("training")
    for step, left in ((0, WIDTH), (100, WIDTH // 2), (20, WIDTH - 4)):
        save(folder / "checkpoints" / f"checkpoint-{step}", left=left)
    save(folder / "checkpoints" / "checkpoint-300", left=3)
    out = folder / "watch"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "SETTLED_SECONDS", 0.0)
        with Watch(of(folder / "checkpoints", scenes, out, tasks=["xy"])) as watch:
            assert watch.round() == 4
            found = watch.facts()
    write_watched(out, found)
    return folder, found


def test_checkpoints_stand_in_order_beside_one_twin(training, scenes):
    folder, found = training
    assert [one.step for one in found.checkpoints] == [0, 20, 100, 300]
    assert [one["kind"] for one in lines(folder / "watch")] == ["twin", *["checkpoint"] * 4]
    assert found.twin.encoder == f"random:{folder / 'checkpoints' / 'checkpoint-0'}"
    for one in (found.twin, *found.checkpoints):
        assert (one.videos, one.width, len(one.scores)) == (12, WIDTH, 1)
        assert len(one.features) == 8


def test_the_collapse_is_concluded(training):
    _, found = training
    rank = [one.features["effective rank"].value for one in found.checkpoints]
    assert rank == sorted(rank, reverse=True)
    assert rank[-1] < 3
    assert any("effective rank fell" in one and "collapsing" in one for one in found.conclusions)


def test_drift_is_from_the_first_and_from_the_one_before(training):
    _, found = training
    first, *others = found.checkpoints
    assert first.drift == {}
    for before, one in zip(found.checkpoints, others, strict=False):
        assert set(one.drift) == {first.revision, before.revision}
    near, far = others[0].drift[first.revision], others[-1].drift[first.revision]
    assert near.low <= near.value <= near.high < far.value


def test_scores_are_held_against_the_twin_as_compare_does(training):
    folder, found = training
    out, last = folder / "watch", found.checkpoints[-1]
    cell = compare([out / found.twin.folder, out / last.folder]).readings[0].cells[1]
    (score,) = last.scores
    assert (score.over_twin, score.standing) == (cell.difference, cell.standing)
    assert score.score.value == pytest.approx(cell.score.value, abs=1e-4)


def test_embeddings_are_dropped_and_each_folder_is_a_run(training):
    folder, found = training
    assert not list((folder / "watch").rglob("*.zarr"))
    place = folder / "watch" / found.checkpoints[0].folder
    assert write_report(place).encoder.name == found.checkpoints[0].encoder


def test_all_forms_say_it(training):
    folder, found = training
    out = folder / "watch"
    assert (out / "figures" / "training.png").stat().st_size > 10_000
    for page in ((out / "watch.html").read_text(), (out / "watch.md").read_text()):
        for one in some(found.conclusions):
            assert one.split(" [")[0].replace("'", "&#39;")[:30] in page.replace("\\", "")
        assert "checkpoint-300" in page.replace("\\", "")
        assert "collapsing" in page
    assert len(watched_tables(found)) == 2
    named = found.model_copy(update={"folder": "<b>bold</b>"})
    assert "<b>bold" not in watched_html(named) + watched_markdown(named)
    assert Watched.model_validate_json(found.model_dump_json()) == found


def test_what_was_measured_is_not_measured_again_and_what_comes_is(training, scenes, tmp_path, monkeypatch):
    folder, found = training
    shutil.copytree(folder / "watch", out := tmp_path / "watch")
    shutil.copytree(folder / "checkpoints", checkpoints := tmp_path / "checkpoints")  # with the times of its files
    loaded = []
    monkeypatch.setattr(watching, "load_encoder", lambda name, **more: loaded.append(name) or load(name, **more))
    before = (out / "watch.jsonl").read_bytes()
    with Watch(of(checkpoints, scenes, out, tasks=["xy"])) as watch:
        assert watch.round() == 0
        assert loaded == []
        assert (out / "watch.jsonl").read_bytes() == before
        shutil.copytree(checkpoints / "checkpoint-20", checkpoints / "latest")
        shutil.rmtree(checkpoints / "checkpoint-0")  # as trainings do: what was measured stays
        save(checkpoints / "checkpoint-60", left=WIDTH - 10)
        assert watch.round() == 1
        now = watch.facts()
    assert [one.step for one in now.checkpoints] == [0, 20, 60, 100, 300]
    assert now.checkpoints[1].title == "checkpoint-20 = latest"
    # The one after it has another before it now.
    assert now.checkpoints[2].revision in now.checkpoints[3].drift
    assert now.checkpoints[0] == found.checkpoints[0]


load = watching.load_encoder


def test_a_checkpoint_that_is_written_over_is_measured_again_and_the_first_stays(scenes, tmp_path):
    save(tmp_path / "c" / "latest")
    with Watch(of(tmp_path / "c", scenes[:4], tmp_path / "w")) as watch:
        assert (watch.round(), watch.round()) == (1, 0)
        save(tmp_path / "c" / "latest", left=9)
        assert watch.round() == 1
        assert [one.name for one in watch.facts().checkpoints] == ["latest", "latest"]


def test_a_half_written_checkpoint_is_tried_again_then_left_and_taken_when_it_is_whole(scenes, tmp_path):
    save(tmp_path / "c" / "step-1")
    whole = (save(tmp_path / "c" / "step-2", left=9) / "model.safetensors").read_bytes()
    weights, said = tmp_path / "c" / "step-2" / "model.safetensors", []
    weights.write_bytes(whole[: len(whole) // 2])
    with Watch(of(tmp_path / "c", scenes[:4], tmp_path / "w", tries=2)) as watch:
        assert watch.round(tell=said.append) == 1
        assert watch.round(tell=said.append) == watch.round(tell=said.append) == 0
        told = [one for one in said if one.startswith("step-2")]
        assert [one.rpartition("(")[2] for one in told] == ["tried again at the next look)", "left as it is)"]
        (left,) = watch.facts().left
        assert (left.name, left.final) == ("step-2", True)
        weights.write_bytes(whole)
        assert watch.round() == 1
        assert watch.facts().left == ()


def test_files_that_change_while_they_are_loaded_are_not_trusted(scenes, tmp_path, monkeypatch):
    weights = save(tmp_path / "c" / "step-1") / "model.safetensors"

    def overtaken(name, **more):
        found = load(name, **more)
        os.utime(weights, (1, 1))
        return found

    with Watch(of(tmp_path / "c", scenes[:4], tmp_path / "w")) as watch:
        with monkeypatch.context() as patch:
            patch.setattr(watching, "load_encoder", overtaken)
            assert watch.round() == 0
        assert watch.facts().left[0].why == "its files were written while it was loaded"
        assert watch.round() == 1


def test_files_that_still_grow_are_waited_for(scenes, tmp_path, monkeypatch):
    save(tmp_path / "c" / "step-1")
    monkeypatch.setattr(watching, "SETTLED_SECONDS", 3600.0)
    with Watch(of(tmp_path / "c", scenes[:4], tmp_path / "w")) as watch:
        assert watch.round() == 0
        assert watch.waiting == ["step-1"]
        assert [(one.why, one.final) for one in watch.facts().left] == [("still being written", False)]
        monkeypatch.setattr(watching, "SETTLED_SECONDS", 0.0)
        assert (watch.round(), watch.waiting) == (1, [])


def test_diverged_and_unlike_checkpoints_are_left_and_the_others_measured(scenes, tmp_path):
    save(tmp_path / "c" / "step-1")
    save(tmp_path / "c" / "step-2", broken=True)
    save(tmp_path / "c" / "step-3", hidden_act="relu")
    save(tmp_path / "c" / "step-4", left=9)
    with Watch(of(tmp_path / "c", scenes[:4], tmp_path / "w")) as watch:
        assert watch.round() == 2
        left = {one.name: one for one in watch.facts().left}
    assert set(left) == {"step-2", "step-3"}
    assert "NaN or infinity" in left["step-2"].why
    assert "of another architecture than those before it" in left["step-3"].why
    assert left["step-3"].final


def test_a_watch_that_was_stopped_goes_on_with_the_clips_that_it_has(scenes, tmp_path, monkeypatch):
    save(tmp_path / "c" / "step-1")
    stop = lambda *arguments, **more: (_ for _ in ()).throw(KeyboardInterrupt)  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr("worldprobe.pipeline.watch.measure.unlabelled", stop)
        with pytest.raises(KeyboardInterrupt), Watch(of(tmp_path / "c", scenes[:4], tmp_path / "w")) as watch:
            watch.round()
    assert not (tmp_path / "w" / "watch.jsonl").exists()
    with Watch(of(tmp_path / "c", scenes[:4], tmp_path / "w", keep=True)) as watch:
        assert watch.round() == 1
    costs = [json.loads(one) for one in (tmp_path / "w" / "untrained" / "results.jsonl").read_text().splitlines()]
    assert [one["items"] for one in costs if one["kind"] == "cost"] == [0]
    kept = [path.parent.name for path in (tmp_path / "w").rglob("*.zarr")]
    assert len(kept) == 2  # the twin's too


def test_of_two_watchers_the_second_is_told(scenes, tmp_path):
    save(tmp_path / "c" / "step-1")
    one = of(tmp_path / "c", scenes[:4], tmp_path / "w")
    with Watch(one), pytest.raises(ConfigError, match="another `worldprobe watch` writes into"), Watch(one):
        pass
    with Watch(one):  # it is free again
        pass


def test_other_settings_and_damage_are_refused(scenes, tmp_path):
    save(tmp_path / "c" / "step-1")
    with Watch(of(tmp_path / "c", scenes[:4], tmp_path / "w")):
        pass
    with pytest.raises(ConfigError, match="holds a watch of other settings: videos"):
        Watch(of(tmp_path / "c", scenes[:5], tmp_path / "w")).__enter__()
    (tmp_path / "w" / "watch.jsonl").write_text('{"kind": "checkpoint"}\n')
    with pytest.raises(WorldprobeError, match=r"watch.jsonl line 1 is damaged: .*measured again"):
        Watch(of(tmp_path / "c", scenes[:4], tmp_path / "w")).__enter__()


def test_what_can_be_said_before_any_work_is(scenes, tmp_path):
    save(tmp_path / "c" / "step-1")
    experiment = make_experiment({**VALUES, "videos": ["x"], "encoder": "vjepa2-tiny"})
    with pytest.raises(ConfigError, match="names one encoder"):
        Watch(Watching(tmp_path / "c", tmp_path / "w", scenes, experiment)).check()
    with pytest.raises(LabelError, match="no labels at"):
        Watch(of(tmp_path / "c", scenes, tmp_path / "w", tasks=["xy"], tables=[tmp_path / "n.parquet"])).check()
    assert not (tmp_path / "w").exists()


def test_damaged_labels_are_met_before_a_checkpoint_is_waited_for(scenes, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "labels.parquet").write_bytes(b"PAR1 half")
    asked = of(tmp_path / "c", scenes[:4], tmp_path / "w", tasks=["xy"])
    with pytest.raises(LabelError, match=r"labels\.parquet is not a Parquet table"), Watch(asked):
        pass


def test_pooled_moments_are_few_and_the_same_of_every_checkpoint(training):
    folder, found = training
    keys = set()
    for one in found.checkpoints:
        kept, facts = read_arrays(folder / "watch" / one.folder / POOLED, stage="watch")
        keys.add(facts["key"])
        assert kept["rows"].shape == (12 * 2 * 4, WIDTH) or len(kept["rows"]) <= 1000
        assert len(kept["rows"]) == len(kept["videos"])
    assert len(keys) == 1
    assert time.time() > found.checkpoints[0].modified > 0
