"""A result says with which weights, versions, options and machine it was made; none of that names what is kept."""

import hashlib
import json
import os
import shutil

import pytest
from tests.builders.killing import findings, tree

from worldprobe import provenance
from worldprobe.cli import app
from worldprobe.config import make_experiment, read_experiment, to_toml
from worldprobe.encoders.known import TINY_FOLDER
from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.vjepa2 import TWIN_SEED
from worldprobe.errors import ConfigError
from worldprobe.labels.table import read_labels
from worldprobe.pipeline.run import run
from worldprobe.pipeline.stage_record import record_experiment
from worldprobe.results import read_results
from worldprobe.video.rendered.scenes import render_scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return render_scenes(6, 3, tmp_path_factory.mktemp("scenes"))


def experiment(scenes, **more):
    values = {
        "videos": [str(scenes[0].parent)],
        "labeller": "truth",
        "frames": 8,
        "tasks": ["xy"],
        "features": ["z"],
    }
    controls = ["majority", "random-init", "pixels"]
    return make_experiment({**values, "controls": controls, "split": "random", "evidence": [], **more})


@pytest.fixture(scope="module")
def done(scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    assert run(experiment(scenes), scenes, out) == []
    return out


def facts_of(out):
    return json.loads((out / "provenance.json").read_text())


def tiny_hash():
    return hashlib.sha256((TINY_FOLDER / "model.safetensors").read_bytes()).hexdigest()


def test_a_run_says_with_which_weights_it_was_made(done):
    encoder = facts_of(done)["encoder"]
    assert encoder["weights"] == {"model.safetensors": tiny_hash()}
    assert (encoder["name"], encoder["checkpoint"], encoder["precision"]) == ("vjepa2-tiny", "folder", "fp32")
    assert len(encoder["revision"]) == 12
    twin, pixels = (facts_of(done)["controls"][control] for control in ("random-init", "pixels"))
    assert twin["checkpoint"] == f"none: untrained, seed {TWIN_SEED}"
    assert (twin["status"], pixels["status"]) == ("untrained", "floor")


def test_a_run_says_by_which_versions_where_and_on_what(done, scenes):
    facts = facts_of(done)
    assert facts["stages"] == ["probe"]
    assert {"python", "torch", "numpy", "scikit-learn", "worldprobe"} <= set(facts["versions"])
    assert facts["processor"]
    assert facts["threads"] >= 1
    assert facts["cores"] == os.cpu_count()
    ids = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in scenes)
    assert facts["videos"]["sha256"] == hashlib.sha256("\n".join(ids).encode()).hexdigest()
    assert facts["videos"]["count"] == len(facts["videos"]["named"]) == 6
    assert facts["videos"]["sizes"] == {"160 x 144": 6}
    assert facts["labels"]["labeller"] == "truth"
    assert facts["labels"]["sha256"] == provenance.of_labels(read_labels(done / "labels.parquet"))["sha256"]
    assert facts["clips"]["made"] == 3 * len(scenes) * 2
    assert facts["seconds"] > 0


def test_labels_say_how_they_were_made_wherever_they_go(done):
    assert read_labels(done / "labels.parquet").origin == {"labeller": "truth", "tracker": "own", "camera": "kept"}


def test_what_is_kept_does_not_depend_on_the_machine(done, scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance.platform, "platform", lambda: "another machine")
    monkeypatch.setattr(provenance, "_processor", lambda: "another processor")
    assert run(experiment(scenes), scenes, tmp_path / "run") == []
    assert facts_of(tmp_path / "run")["platform"] == "another machine"
    assert tree(tmp_path / "run" / "embeddings.zarr") == tree(done / "embeddings.zarr")
    assert findings(tmp_path / "run") == findings(done)
    assert (tmp_path / "run" / "labels.parquet").read_bytes() == (done / "labels.parquet").read_bytes()


def test_stages_that_were_made_alike_share_a_record_and_others_keep_theirs(tmp_path):
    path = tmp_path / "provenance.json"
    one = {"platform": "here", "encoder": {"revision": "1"}, "seed": 0, "seconds": 1.0}
    provenance.record(path, ["probe"], {**one, "labels": {"count": 3}})
    provenance.record(path, ["predict"], {**one, "seconds": 2.0})
    shared = {**one, "seconds": 2.0, "labels": {"count": 3}}
    assert json.loads(path.read_text()) == {"stages": ["probe", "predict"], **shared}
    provenance.record(path, ["predict"], {**one, "platform": "there", "seconds": 4.0})
    found = json.loads(path.read_text())
    assert (found["stages"], found["platform"], found["seconds"]) == (["predict"], "there", 4.0)
    assert "labels" not in found
    assert found["otherwise"]["probe"]["platform"] == "here"
    assert found["otherwise"]["probe"]["labels"] == {"count": 3}
    provenance.record(path, ["probe"], {**one, "platform": "there", "labels": {"count": 4}})
    found = json.loads(path.read_text())
    assert found["stages"] == ["predict", "probe"]
    assert "otherwise" not in found


def test_a_damaged_record_is_made_anew(tmp_path):
    path = tmp_path / "provenance.json"
    path.write_text("{half")
    provenance.record(path, ["probe"], {"seed": 1})
    assert json.loads(path.read_text()) == {"stages": ["probe"], "seed": 1}


def test_a_stage_that_comes_later_keeps_the_options_of_those_before_it(done, scenes, tmp_path):
    shutil.copytree(done, tmp_path / "run")
    whole = experiment(scenes, split="video")
    (tmp_path / "run" / "experiment.toml").write_text(to_toml(whole))
    asked = experiment(scenes, split="grouped", tasks=["size"], decode={"steps": 7})
    record_experiment(asked, tmp_path / "run", "decode")
    kept = read_experiment(tmp_path / "run" / "experiment.toml")
    assert (kept.tasks, kept.split) == (["xy"], "video")
    assert kept.decode.steps == 7
    with pytest.raises(ConfigError, match="a split that is not random"):
        record_experiment(asked, done, "decode")
    record_experiment(asked, tmp_path / "new", "decode")
    assert read_experiment(tmp_path / "new" / "experiment.toml").tasks == ["size"]


def test_a_probe_of_a_store_knows_the_weights_too(done, tmp_path):
    store, labels = done / "embeddings.zarr", done / "labels.parquet"
    arguments = ["probe", "--store", store, "--labels", labels, "--out", tmp_path / "out", "--tasks", "xy"]
    arguments += ["--features", "z", "--split", "random", "--controls", "majority"]
    app([str(one) for one in arguments], standalone_mode=False)
    facts = facts_of(tmp_path / "out")
    assert facts["encoder"]["weights"] == {"model.safetensors": tiny_hash()}
    assert facts["labels"]["labeller"] == "truth"
    assert facts["videos"] == facts_of(done)["videos"]
    written = read_results(tmp_path / "out" / "results.jsonl")
    # Nothing but what was asked: one task under the leaky split, its control, and what that cost.
    assert {(line.task, line.split, line.control) for line in written if line.kind == "probe"} == {
        ("xy", "random", "none"), ("xy", "random", "majority"),
    }  # fmt: skip
    assert [line.stage for line in written if line.kind == "cost"] == ["probe"]


def test_a_hubs_checkpoint_is_named_by_its_commit_and_the_hashes_of_its_files(tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tmp_path / "hub" / "models--someone--vjepa2-small"
    shutil.copytree(TINY_FOLDER, folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    # What HF_HOME and HF_HUB_OFFLINE set, when the hub's client is imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    origin = load_encoder("someone/vjepa2-small", device="cpu").origin
    assert origin["checkpoint"] == f"someone/vjepa2-small@{commit}"
    assert origin["weights"] == {"model.safetensors": tiny_hash()}
