"""The whole pipeline where the answer is known: position written into the features, and features without any."""

import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.known_store import put, ref_of

from worldprobe.encoders.load import load_encoder
from worldprobe.errors import ConfigError, ProbeError, StoreError
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import foresee, probe
from worldprobe.records import Labels
from worldprobe.store import Store

TASKS = ("xy", "size", "class", "motion", "velocity")
OWN = ("gaussian", "shuffled", "nuisance", "majority")  # controls that need no other embeddings


@pytest.fixture(scope="module")
def scenes(rendered, tmp_path_factory):
    return rendered(40, 11, tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def truth(scenes):
    return label(scenes, labeller=load_labeller("truth"))


def plan(encoder="known", **changes):
    fields = {"encoder": encoder, "tasks": TASKS, "features": ("z",), "controls": OWN, "split": "grouped"}
    return Plan(**{**fields, **changes})


def real(probed, metric="r2", split="grouped", control="none"):
    return {r.task: r for r in probed.results if (r.metric, r.split, r.control) == (metric, split, control)}


def test_position_written_into_the_features_is_read_back(scenes, truth, tmp_path):
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(2, 32))
    rows = {(r["video"], r["frame"] // 2, r["frame"] % 2): (r["x"], r["y"])
            for r in truth.table.iter_rows(named=True) if r["object"] == 0}  # fmt: skip
    store = Store(str(tmp_path / "s"))
    put(store, scenes, lambda video, t: np.mean([rows[video, t, i] for i in (0, 1)], axis=0) / 100 @ mix)
    probed = probe(store, truth, plan())
    assert real(probed)["xy"].score > 0.99
    assert real(probed)["xy"].low > 0.98
    assert real(probed, control="shuffled")["xy"].high < 0.1
    assert real(probed, control="gaussian")["xy"].high < 0.1
    assert probed.kept + sum(probed.dropped.values()) == len(truth.table)


def test_films_that_show_the_same_are_said(scenes, truth, tmp_path):
    """Two scenes under names of their own whose pixels are those of two others."""
    scenes = scenes[:20]
    truth = Labels(truth.table.filter(truth.table["video"].is_in([ref_of(path).id for path in scenes])))
    store, rng = Store(str(tmp_path / "s")), np.random.default_rng(0)
    put(store, scenes, lambda video, t: rng.normal(size=4))
    order = sorted(set(truth.table["video"]))
    own = dict(zip(order, rng.normal(size=(20, 8, 24)), strict=True))
    asked = plan(tasks=("xy",), controls=("majority", "pixels"))
    put(store, scenes, lambda video, t: own[video][t], encoder="pixels")
    assert not any("cosine" in note for note in probe(store, truth, asked).notes)
    own |= {order[0]: own[order[9]], order[1]: own[order[8]] + 0.001}
    copied = Store(str(tmp_path / "c"))
    put(copied, scenes, lambda video, t: rng.normal(size=4))
    put(copied, scenes, lambda video, t: own[video][t], encoder="pixels")
    (note,) = (note for note in probe(copied, truth, asked).notes if "cosine" in note)
    assert note.startswith(
        "4 of 20 groups show what another group shows (cosine of their pixels over 0.999), such as"
    )
    assert not any("cosine" in note for note in probe(copied, truth, plan(tasks=("xy",))).notes)


@pytest.fixture(scope="module")
def noise(scenes, tmp_path_factory):
    """A store of features that hold nothing."""
    store = Store(str(tmp_path_factory.mktemp("noise")))
    encode(scenes, encoder=load_encoder("gaussian"), store=store, blocks=[0], pool="space")
    return store


@pytest.mark.parametrize("split", ["grouped", "random"])
def test_features_that_hold_nothing_score_the_constant_on_every_task(noise, truth, split):
    probed = probe(noise, truth, plan("gaussian", split=split, controls=("majority", "shuffled")))
    scored = real(probed, split=split)
    assert set(scored) == {"xy", "size", "velocity"}
    for task, found in some(scored.items()):
        # A slope that is 0 in truth is now and then found to be a little more, which makes a score a little less.
        assert found.low <= 0, (task, found)
        assert -0.05 < found.score < 0.05, (task, found)
    majority, scored = real(probed, "accuracy", split, "majority"), real(probed, "accuracy", split)
    assert set(scored) == {"class", "motion"}
    for task, found in some(scored.items()):
        assert found.low <= majority[task].score <= found.high, (task, found)


def test_stills_hold_no_motion(scenes, truth, tmp_path):
    store = Store(str(tmp_path / "s"))
    encoder = load_encoder("pixels")
    done = encode(scenes[:12], encoder=encoder, store=store, blocks=[0], frames=4, input="still")
    assert done.made == 12 * 8
    few = Labels(truth.table.filter(truth.table["video"].is_in([s.video.id for s in done.series])))
    probed = probe(store, few, plan("pixels", tasks=("velocity", "motion"), input="still", features=("grid",)))
    assert real(probed)["velocity"].low <= 0.05
    assert all(r.input == "still" for r in some(probed.results))


def test_encoding_goes_on_where_it_stopped(scenes, tmp_path):
    store, encoder = Store(str(tmp_path / "s")), load_encoder("pixels")
    assert encode(scenes[:3], encoder=encoder, store=store, blocks=[0]).made == 3
    done = encode(scenes[:5], encoder=encoder, store=store, blocks=[0])
    assert (done.made, done.found, done.failures) == (2, 3, [])


def test_labels_that_meet_no_embedding_say_why(scenes, truth, tmp_path):
    store = Store(str(tmp_path / "s"))
    encode(scenes[:2], encoder=load_encoder("pixels"), store=store, blocks=[0])
    with pytest.raises(StoreError, match="worldprobe encode VIDEO --encoder pixels"):
        probe(store, truth, plan("pixels"))
    with pytest.raises(ProbeError, match="nothing was labelled"):
        probe(store, Labels.empty(), plan("pixels"))
    import polars as pl

    ids = set(truth.table["video"].unique(maintain_order=True)[:2])
    held = truth.table.filter(pl.col("video").is_in(ids))
    with pytest.raises(ProbeError, match="outside the crop"):
        probe(store, Labels(held.with_columns(x=pl.lit(-50.0))), plan("pixels"))
    with pytest.raises(ProbeError, match="--split blocked"):
        probe(store, Labels(held), plan("pixels"))


def test_probes_trained_on_some_moments_of_each_clip_are_scored_on_all(scenes, truth, tmp_path):
    store = Store(str(tmp_path / "s"))
    encode(scenes, encoder=load_encoder("pixels"), store=store, blocks=[0], frames=16)
    every, some_of = (
        probe(store, truth, plan("pixels", tasks=("xy",), features=("grid",), moments_per_clip=most))
        for most in (None, 2)
    )
    whole, thinned = (real(one)["xy"] for one in (every, some_of))
    assert (thinned.n_test, thinned.n_groups) == (whole.n_test, whole.n_groups)
    assert whole.n_train / 5 < thinned.n_train < whole.n_train / 3  # 2 of 8 moments
    assert whole.score - 0.2 < thinned.score < whole.score  # which says most of the rest
    assert [note for note in some_of.notes if note not in every.notes] == [
        "Probes, and those of controls, were trained on 2 moments of each clip, evenly spread, and scored on all"
    ]


def test_all_subjects_of_a_chosen_moment_are_trained_on(scenes, truth, tmp_path):
    store = Store(str(tmp_path / "s"))
    encode(scenes, encoder=load_encoder("pixels"), store=store, blocks=[0], frames=16)
    asked = plan("pixels", tasks=("xy",), features=("grid",), subject="all", moments_per_clip=2)
    found = foresee(store, truth, asked)
    moments = found.moments
    names = np.stack([moments.video, moments.clip, moments.tubelet], axis=1)
    assert len(np.unique(names, axis=0)) < len(names)  # several have more than a subject
    for fold in found.probe_tasks[0].folds.folds:
        chosen = {tuple(one) for one in names[fold.train].tolist()}
        clips = [one[:2] for one in chosen]
        assert {clips.count(clip) for clip in clips} == {2}
        assert sum(tuple(one) in chosen for one in names.tolist()) == len(fold.train)


def test_principal_components_are_of_features_and_of_their_controls_alone(scenes, truth, tmp_path):
    """Position in the direction that varies most is read from one component of two; side columns are not cut."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(2, 32))
    rows = {(r["video"], r["frame"] // 2, r["frame"] % 2): (r["x"], r["y"])
            for r in truth.table.iter_rows(named=True) if r["object"] == 0}  # fmt: skip
    store = Store(str(tmp_path / "s"))
    put(store, scenes, lambda video, t: np.mean([rows[video, t, i] for i in (0, 1)], axis=0) / 100 @ mix)
    controls = ("nuisance", "majority", "gaussian")
    whole, two, one = (
        probe(store, truth, plan(tasks=("xy",), controls=controls, evidence=("code",), pca=pca))
        for pca in (None, 2, 1)
    )
    assert real(two)["xy"].score > 0.99
    assert real(one)["xy"].score < 0.9
    for control in ("nuisance", "majority"):
        assert real(one, control=control)["xy"].score == real(whole, control=control)["xy"].score
    assert real(one, control="gaussian")["xy"].score != real(whole, control="gaussian")["xy"].score
    every = [*one.results, *one.evidence]
    assert {line.protocol for line in every} == {"sound+pca1"}
    assert {line.protocol for line in whole.results} == {"sound"}
    assert any(
        note.startswith("Probes saw the first 1 principal components of the standardised") for note in one.notes
    )
    assert not any("principal" in note for note in whole.notes)
    bits = [line.online_bits for found in (two, one) for line in found.evidence if line.kind == "code"]
    assert bits[0] < bits[1]


def test_principal_components_of_tokens_are_refused(scenes, truth, tmp_path):
    with pytest.raises(ConfigError, match="pca = 4 is of features that are a row a moment, and tokens are many"):
        probe(Store(str(tmp_path)), truth, plan(features=("z", "tokens"), probes=("linear", "attentive"), pca=4))
