"""Class tokens beside patch tokens: one pass writes both, and they are what ``NAME?tokens=cls`` alone gives."""

from __future__ import annotations

import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.vision_checkpoints import written
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.config import make_experiment, read_experiment
from worldprobe.encoders.load import class_tokens_of, load_encoder
from worldprobe.errors import NoClassToken, RegistryError, StoreError
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.workers import EncodeParts, Part
from worldprobe.pipeline.estimate.run import estimate
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.stream import fit_ridge
from worldprobe.pipeline.run import run
from worldprobe.records import Reduction
from worldprobe.results import EvidenceResult, ProbeResult, read_results
from worldprobe.store import Store

SUM = Reduction("sum", (1, 2))


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    """The path of a small DINOv2 with registers, which is its name."""
    folder = tmp_path_factory.mktemp("dino")
    written("dinov2_with_registers", folder)
    return str(folder)


@pytest.fixture(scope="module")
def scenes(rendered, tmp_path_factory):
    return rendered(10, 0, tmp_path_factory.mktemp("scenes"))


def loaded(name):
    return load_encoder(name, device="cpu", precision="fp32")


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stored(store, encoder, block):
    return np.stack(
        [
            embeddings.values
            for video in store.videos()
            for series, _ in store.find(video, encoder=encoder.name)
            for _, embeddings in store.read(series, block)
        ]
    )


@pytest.mark.parametrize("prefix", ["", "random:", "pairs:", "squashed:", "pairs:squashed:"])
def test_one_pass_stores_what_two_encoders_would(prefix, dino, scenes, tmp_path, monkeypatch):
    encoder, alone = loaded(f"{prefix}{dino}"), loaded(f"{prefix}{dino}?tokens=cls")
    together, apart = Store(str(tmp_path / "together")), Store(str(tmp_path / "apart"))
    how = {"blocks": [2, SUM], "frames": 4, "stride": 1}
    for one in (encoder, alone):
        encode(scenes[:2], encoder=one, store=apart, **how)
    monkeypatch.setattr(type(encoder), "encode", lambda *_, **__: pytest.fail("a second pass"))
    done = encode(scenes[:2], encoder=encoder, store=together, classes=True, **how)
    assert (done.made, done.found) == (8, 0)
    assert tree(tmp_path / "together").keys() == tree(tmp_path / "apart").keys()
    for one in (encoder, alone):
        for block in (2, SUM):
            np.testing.assert_allclose(
                stored(together, one, block), stored(apart, one, block), rtol=2e-3, atol=2e-3
            )
    again = encode(scenes[:2], encoder=alone, store=together, **how)
    assert (again.made, again.found) == (0, 8)
    assert encode(scenes[:2], encoder=encoder, store=together, classes=True, **how).made == 0


def test_a_worker_leaves_both(dino, scenes, tmp_path):
    encoder, here = loaded(dino), Store(str(tmp_path / "here"))
    done = encode(scenes[:1], encoder=encoder, store=here, blocks=[2], classes=True)
    (series,) = done.series
    of_class = here.find(series.video.id, encoder=f"{dino}?tokens=cls")[0][0]
    work = EncodeParts(
        dino, encoder.revision, "cpu", "fp32", str(tmp_path / "there"), (2,), 16, "native", "none", True
    )
    part = Part(str(scenes[0]), series.specs, series.shots, (0,), (series.path, of_class.path))
    outcome = work(part)
    assert outcome.clips == 1
    assert {path for path in tree(tmp_path / "there") if "/c." in path} == {
        key for key in work.leaves(part, outcome) if "/c." in key
    }
    assert tree(tmp_path / "there") == tree(tmp_path / "here")


def test_pooled_stores_keep_them_too(dino, scenes, tmp_path):
    encoder, store = loaded(dino), Store(str(tmp_path / "s"))
    encode(scenes[:1], encoder=encoder, store=store, blocks=[2], pool="space", classes=True)
    assert stored(store, encoder, 2).shape == stored(store, encoder.classes, 2).shape == (1, 16, 48)


FILE = (
    "videos = {films}\nencoder = '{encoder}'\nlabeller = 'truth'\ntasks = ['xy']\nfeatures = {features}\n"
    "evidence = ['learning']\ncontrols = ['random-init', 'pixels', 'gaussian', 'majority', 'shuffled']\n"
    "blocks = '1,last'\nframes = 4\nstride = 2\nprecision = 'fp32'\n"
)


def written_experiment(folder, scenes, encoder, features):
    folder.mkdir()
    films = [str(path) for path in scenes]
    (folder / "e.toml").write_text(FILE.format(films=films, encoder=encoder, features=features))
    return folder / "e.toml"


def test_a_run_scores_class_tokens_as_a_run_of_their_own_does(dino, scenes, tmp_path):
    def scores(results, features):
        return {
            (one.task, one.probe, one.metric, one.control, one.split, one.tap.rpartition("/")[2]): (
                one.score, one.low, one.high, one.n_test,
            )
            for one in results
            if isinstance(one, ProbeResult) and one.features == features
        }  # fmt: skip

    scenes = scenes[:7]
    asked = written_experiment(tmp_path / "both", scenes, dino, ["z", "cls"])
    done = CliRunner().invoke(app, ["run", str(asked), "--out", str(tmp_path / "both" / "run")])
    assert done.exit_code == 0, done.output
    both = read_results(tmp_path / "both" / "run" / "results.jsonl")
    asked = written_experiment(tmp_path / "alone", scenes, f"{dino}?tokens=cls", ["z"])
    run(read_experiment(asked), scenes, tmp_path / "alone" / "run")
    alone = read_results(tmp_path / "alone" / "run" / "results.jsonl")
    found, wanted = scores(both, "cls"), scores(alone, "z")
    assert found.keys() == wanted.keys()
    assert {control for *_, control, _, _ in found} >= {"none", "random-init", "pixels", "gaussian", "shuffled"}
    for key in some(wanted):
        assert found[key] == pytest.approx(wanted[key], rel=1e-2, abs=2e-2, nan_ok=True), key
    assert scores(both, "z").keys() == found.keys()
    assert scores(both, "z") != found
    assert any(isinstance(one, EvidenceResult) and one.features == "cls" for one in both)
    assert "the class token, of the pass" in (tmp_path / "both" / "run" / "report.html").read_text()


def test_a_store_without_them_says_how_they_are_made(dino, scenes, tmp_path):
    place, table = str(tmp_path / "s.zarr"), tmp_path / "labels.parquet"
    runner, films = CliRunner(), [str(path) for path in scenes[:6]]
    how = ["--encoder", dino, "--store", place, "--frames", "4", "--precision", "fp32"]
    asked = ["--labels", str(table), "--tasks", "xy", "--controls", "random-init,majority", "--evidence", "none"]
    asked += ["--encoder", dino, "--store", place, "--features", "z,cls"]
    assert runner.invoke(app, ["label", *films, "--labeller", "truth", "--out", str(table)]).exit_code == 0
    assert runner.invoke(app, ["encode", *films, *how, "--controls"]).exit_code == 0
    before = tree(tmp_path / "s.zarr")
    done = runner.invoke(app, ["probe", *asked, "--out", str(tmp_path / "run")])
    assert isinstance(done.exception, StoreError)
    assert f"features 'cls' were not kept in {place}" in str(done.exception)
    assert f"--encoder '{dino}?tokens=cls' --store {place}" in str(done.exception)
    # As the line says, for the encoder alone: then the twin is missing, and its line says so.
    alone = [f"{dino}?tokens=cls", *how[2:]]
    assert runner.invoke(app, ["encode", *films, "--encoder", *alone]).exit_code == 0
    done = runner.invoke(app, ["probe", *asked, "--out", str(tmp_path / "run")])
    assert f"random:{dino}?tokens=cls" in str(done.exception)
    assert runner.invoke(app, ["encode", *films, *how, "--controls", "--cls"]).exit_code == 0
    done = runner.invoke(app, ["probe", *asked, "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    after = tree(tmp_path / "s.zarr")
    assert before.keys() < after.keys()
    names = (dino, f"{dino}?tokens=cls", f"random:{dino}?tokens=cls")
    assert {len(stored(Store(place), loaded(name), 2)) for name in names} == {len(films) * 4}


def test_clips_whose_class_tokens_are_lost_are_left_out_and_a_dry_run_counts_them(dino, scenes, tmp_path):
    encoder, store = loaded(dino), Store(str(tmp_path / "s"))
    how = {"blocks": [2], "frames": 4, "stride": 1}
    encode(scenes[:2], encoder=encoder, store=store, classes=True, **how)
    (
        tmp_path / "s" / store.find(store.videos()[0], encoder=encoder.classes.name)[0][0].path / "block2.out"
    ).joinpath("c.1.0.0.0.0").unlink()
    values = {
        "videos": ["x"],
        "encoder": dino,
        "frames": 4,
        "stride": 1,
        "precision": "fp32",
        "controls": ["majority"],
    }
    for features, pending in ((["z"], 0), (["z", "cls"], 1)):
        (one,) = estimate(make_experiment({**values, "features": features}), scenes[:2], store, seconds=0.0)
        assert one.clips - one.stored == pending
    again = encode(scenes[:2], encoder=encoder, store=store, classes=True, **how)
    assert (again.made, again.found) == (1, 7)


def test_ridge_of_several_places_reads_them(dino, scenes, tmp_path):
    encoder, store = loaded(dino), Store(str(tmp_path / "s"))
    encode(scenes[:4], encoder=encoder, store=store, blocks=[2], frames=4, classes=True)
    labels = label(scenes[:4], labeller=load_labeller("truth"))
    how = {"task": "xy", "block": "last"}
    both = fit_ridge(store, labels, encoder=dino, features="cls", **how)
    alone = fit_ridge(store, labels, encoder=f"{dino}?tokens=cls", features="z", **how)
    rows = np.random.default_rng(0).normal(size=(3, 48)).astype(np.float32)
    np.testing.assert_allclose(both.predict(rows), alone.predict(rows))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("siglip", "a SigLIP has no class token"),
        ("ijepa", "a I-JEPA has no class token"),
        ("videomae", "a VideoMAE has no class token"),
        ("vivit", "the class token of a ViViT is one for the whole clip, and no moment's"),
    ],
)
def test_encoders_without_them_are_refused_with_the_reason(kind, why, scenes, tmp_path):
    (tmp_path / "it").mkdir()
    written(kind, tmp_path / "it")
    with pytest.raises(NoClassToken, match=why):
        encode(scenes[:1], encoder=loaded(str(tmp_path / "it")), store=Store(str(tmp_path / "s")), blocks=[0],
               frames=4, classes=True)  # fmt: skip
    with pytest.raises(RegistryError, match=why):
        loaded(f"{tmp_path / 'it'}?tokens=cls")
    assert not (tmp_path / "s").exists()


def test_what_has_no_class_token_by_its_kind_is_refused(dino):
    for name, why in (("vjepa2-tiny", "it has no class token"), ("pixels", "no class token")):
        with pytest.raises(NoClassToken, match=rf"features 'cls' cannot be had of {name}: .*{why}.*Leave cls out"):
            class_tokens_of(load_encoder(name))
    with pytest.raises(NoClassToken, match="it is a class token already, which z reads"):
        class_tokens_of(load_encoder(f"{dino}?tokens=cls"))


def test_of_several_encoders_those_without_are_compared_without_it(dino, scenes, tmp_path, monkeypatch):
    monkeypatch.setattr("worldprobe.pipeline.estimate.run.CALIBRATION_SECONDS", 0.1)
    films = [str(path) for path in scenes[:6]]
    text = f"videos = {films}\nlabeller = 'truth'\ntasks = ['xy']\nfeatures = ['z', 'cls']\nevidence = []\n"
    text += "controls = ['majority']\nframes = 4\n"
    (tmp_path / "several.toml").write_text(f"{text}[encoders]\ndino = 'pairs:{dino}'\ntiny = 'vjepa2-tiny'\n")
    command = ["run", str(tmp_path / "several.toml"), "--out", str(tmp_path / "out")]
    said = "tiny is compared without features cls: features 'cls' cannot be had of vjepa2-tiny"
    dry = CliRunner().invoke(app, [*command, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert said in dry.stderr
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert said in done.stderr
    probed = {
        name: {
            one.features for one in read_results(tmp_path / "out" / name / "results.jsonl") if one.kind == "probe"
        }
        for name in ("dino", "tiny")
    }
    assert probed == {"dino": {"z", "cls"}, "tiny": {"z"}}
    (tmp_path / "alone.toml").write_text(text + "encoder = 'vjepa2-tiny'\n")
    done = CliRunner().invoke(app, ["run", str(tmp_path / "alone.toml"), "--out", str(tmp_path / "alone")])
    assert isinstance(done.exception, NoClassToken)
