"""Changes in time, tokens, taps that validation chooses, and fitting in a stream: where the answers are known."""

from dataclasses import replace

import numpy as np
import pytest
from tests.builders.checks import some
from tests.builders.known_store import ref_of

from worldprobe.errors import ConfigError, ProbeError, StoreError
from worldprobe.geometry import resize_and_crop
from worldprobe.labels import targets
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.inputs import gather, gather_tokens
from worldprobe.pipeline.probe.moments import align, with_before
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe, probe_inputs
from worldprobe.pipeline.probe.questions import check_probes
from worldprobe.pipeline.probe.stream import fit_ridge
from worldprobe.pipeline.probe.targets import target
from worldprobe.pipeline.stored import find_series, labelled_videos
from worldprobe.probes import metrics
from worldprobe.probes.linear.estimators import RidgeProbe
from worldprobe.records import ClipSpec, Labels, TokenGrid
from worldprobe.results import CodeResult, EvidenceResult, LearningResult
from worldprobe.store import Series, Store

OWN = ("gaussian", "shuffled", "nuisance", "majority")
WIDTH = 12


@pytest.fixture(scope="module")
def scenes(rendered, tmp_path_factory):
    return rendered(30, 21, tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def truth(scenes):
    return label(scenes, labeller=load_labeller("truth"))


def plan(**changes):
    fields = {"encoder": "known", "tasks": ("velocity",), "features": ("z",), "controls": OWN, "split": "grouped"}
    return Plan(**{**fields, **changes})


def put(store, scenes, features, *, block=0, input="native", tokens=0):
    """Store each scene's clip, or its stills: pooled values, or ``tokens`` a side, of ``features(video, t)``."""
    for path in scenes:
        ref = ref_of(path)
        clips = [ClipSpec(ref, 0, 16, 1)] if input == "native" else [ClipSpec(ref, 2 * i, 16, 0) for i in range(8)]
        series = Series(
            video=ref, specs=tuple(clips), encoder="known", revision="0" * 64, status="floor", twin=None,
            input=input, pool="none" if tokens else "space", grid=TokenGrid(8, tokens or 8, tokens or 8, 2, 16),
            view=resize_and_crop(ref.width, ref.height, crop=128)[1],
        )  # fmt: skip
        for index in range(len(clips)):
            when = range(8) if input == "native" else [index] * 8
            values = np.stack([features(ref.id, t) for t in when]).astype(np.float16)
            store.create(series, [block], width=values.shape[-1])
            store.write(series, block, index, values)


@pytest.fixture(scope="module")
def moving(scenes, truth):
    """Features that hold the subject's place and something of the scene's own: only their change tells motion."""
    rng = np.random.default_rng(0)
    mix = 0.05 * rng.normal(size=(2, WIDTH))
    own = {str(video): 3 * rng.normal(size=WIDTH) for video in truth.table["video"].unique(maintain_order=True)}
    rows = {(r["video"], r["frame"] // 2): (r["x"], r["y"])
            for r in truth.table.iter_rows(named=True) if r["object"] == 0 and r["frame"] % 2 == 0}  # fmt: skip
    return lambda video, t: own[video] + np.array(rows.get((video, t), (0, 0))) @ mix


@pytest.fixture(scope="module")
def store(scenes, moving, tmp_path_factory):
    made = Store(str(tmp_path_factory.mktemp("store")))
    for input in ("native", "still"):
        put(made, scenes, moving, input=input)
    return made


@pytest.fixture(scope="module")
def probed(store, truth):
    asked = plan(features=("z", "delta", "z+delta"), tasks=("velocity", "direction"), evidence=("code", "learning"))
    return probe_inputs(store, truth, asked, ("native", "still"))


def scores(probed, metric="r2", control="none", split="grouped"):
    wanted = (metric, control, split)
    return {(r.task, r.features, r.input): r for r in probed.results if (r.metric, r.control, r.split) == wanted}


def test_speed_that_only_the_change_holds_is_read_from_the_change(probed):
    found = scores(probed)
    for input in ("native", "still"):
        assert found["velocity", "delta", input].low > 0.6
        assert found["velocity", "z", input].high < 0.3
        assert found["velocity", "z+delta", input].low > 0.6


def test_the_difference_between_features_is_paired_by_group(probed):
    lines = [x for x in probed.evidence if isinstance(x, EvidenceResult) and x.measure == "contrast"]
    over_z = {(x.task, x.features, x.input): x for x in lines if x.against == "z"}
    assert set(over_z) == {
        (t, f, i) for t in ("velocity", "direction") for f in ("delta", "z+delta") for i in ("native", "still")
    }
    found = scores(probed)
    one = over_z["velocity", "delta", "native"]
    z, delta = (found["velocity", kind, "native"].score for kind in ("z", "delta"))
    assert one.score == pytest.approx(delta - z)
    assert one.low > 0.5
    assert {(x.task, x.features) for x in lines if x.against == "still"} == {
        (t, f) for t in ("velocity", "direction") for f in ("z", "delta", "z+delta")
    }


def test_the_first_tubelets_have_no_change_and_are_counted(probed, store, truth):
    assert probed.kept + sum(probed.dropped.values()) == len(truth.table)
    assert probed.dropped["nothing before it in its clip or shot"] > 20
    # All kinds of features are scored on the same moments.
    assert len({r.n_test for key, r in scores(probed).items() if key[0] == "velocity" and key[2] == "native"}) == 1
    whole = probe(store, truth, plan())
    assert "nothing before it in its clip or shot" not in whole.dropped
    assert any(note.startswith("With still input") for note in probed.notes)


def test_every_score_has_its_skill_and_selectivity_and_linear_ones_their_code_and_curve(probed):
    beside = [x for x in probed.evidence if isinstance(x, EvidenceResult)]
    real = {(r.task, r.features, r.input) for r in scores(probed).values()}
    for measure in ("skill", "selectivity"):
        assert {(x.task, x.features, x.input) for x in beside if x.measure == measure} == real
    for kind in (CodeResult, LearningResult):
        lines = {(x.task, x.features, x.input): x for x in probed.evidence if isinstance(x, kind)}
        assert set(lines) == real
        told, silent = lines["velocity", "delta", "native"], lines["velocity", "z", "native"]
        if kind is CodeResult:
            assert told.saved_bits_per_row > 0.5 > silent.saved_bits_per_row
        else:
            assert told.points[-1].score > 0.8
            assert [p.rows for p in told.points] == sorted(p.rows for p in told.points)
    skill = next(x for x in beside if (x.measure, x.task, x.features) == ("skill", "velocity", "delta"))
    assert skill.low > 0.7


def test_heading_is_scored_in_degrees_too(probed):
    error = scores(probed, "angular_error")
    told, silent = error["direction", "delta", "native"], error["direction", "z", "native"]
    assert told.high < 30
    assert silent.low > 40
    constant = scores(probed, "angular_error", control="majority")["direction", "delta", "native"]
    assert 50 < constant.score < 110
    notes = " ".join(scores(probed)["direction", "z", "native"].notes)
    assert "moments without a direction: " in notes


def test_headings_turn_anticlockwise_and_still_subjects_have_none():
    box = np.tile([50.0, 50.0, 10.0, 10.0], (5, 1))
    speed = np.array([[30.0, 0], [0, -30], [-30, 0], [0.5, 0], [np.nan, 3]])
    found = targets.heading(box=box, speed=speed)
    np.testing.assert_allclose(found[:3], [[1, 0], [0, 1], [-1, 0]], atol=1e-12)
    assert np.isnan(found[3:]).all()


def test_angles_are_compared_round_the_circle():
    degrees = np.array([359.0, 0.0, 90.0, 10.0])
    told = np.array([1.0, 180.0, 45.0, 10.0])
    pointed = [np.stack([np.cos(np.radians(a)), np.sin(np.radians(a))], axis=1) for a in (degrees, told)]
    # A prediction's length does not matter; one of none points nowhere.
    pointed[1] *= np.array([[5.0], [0.1], [1.0], [0.0]])
    found = metrics.angular_error_draws(*pointed, np.arange(4), seed=0)
    assert found.value == pytest.approx((2 + 180 + 45 + 90) / 4)


def test_the_tap_that_validation_chooses_is_the_one_that_knows(scenes, moving, truth, tmp_path):
    store, rng = Store(str(tmp_path / "s")), np.random.default_rng(1)
    noise = lambda video, t: rng.normal(size=WIDTH)  # noqa: E731
    for block, features in enumerate((noise, noise, moving, noise)):
        put(store, scenes, features, block=block)
    probed = probe(store, truth, plan(features=("delta",), blocks="all"))
    real = {r.tap: r for r in probed.results if (r.control, r.split, r.metric) == ("none", "grouped", "r2")}
    chosen = real["known/chosen"]
    assert chosen.features == "chosen"
    assert chosen.taps == ["known/block2.out delta"] * 5
    assert chosen.score == pytest.approx(real["known/block2.out"].score)
    assert {r.control for r in probed.results if r.tap == "known/chosen"} == {"none", *OWN}


def test_of_many_taps_that_know_nothing_the_chosen_one_scores_nothing(scenes, truth, tmp_path):
    store, rng = Store(str(tmp_path / "s")), np.random.default_rng(2)
    for block in range(8):
        put(store, scenes, lambda video, t: rng.normal(size=WIDTH), block=block)
    probed = probe(store, truth, plan(blocks="all", controls=("majority",)))
    chosen = next(r for r in probed.results if r.features == "chosen" and r.split == "grouped")
    assert chosen.low <= 0 <= chosen.high


def test_fitting_in_a_stream_gives_the_coefficients_of_the_whole(store, truth, monkeypatch):
    monkeypatch.setattr("worldprobe.pipeline.probe.stream._ROWS", 20)
    for features in ("z", "delta", "z+delta"):
        series = find_series(store, labelled_videos(truth), encoder="known", input="native", block=0)
        moments = align(series, truth)
        moments = moments if features == "z" else with_before(moments, series)
        known = target(moments, "velocity", moments.group)
        rows = gather(store, series, moments, block=0, kind=features)[known.usable]
        whole = RidgeProbe(alpha=3.0).fit(rows, known.values[known.usable])
        asked = {"encoder": "known", "task": "velocity", "features": features, "alpha": 3.0}
        streamed = fit_ridge(store, truth, **asked)
        np.testing.assert_allclose(streamed.coef_, whole.coef_, rtol=1e-8, atol=1e-12)
        # Two machines, each with half of the videos.
        videos = labelled_videos(truth)
        halves = [Labels(truth.table.filter(truth.table["video"].is_in(part))) for part in (videos[:9], videos[9:])]
        merged = fit_ridge(store, halves[0], **asked).merge(fit_ridge(store, halves[1], **asked))
        np.testing.assert_allclose(merged.coef_, whole.coef_, rtol=1e-8, atol=1e-12)
    with pytest.raises(ProbeError, match="is a class"):
        fit_ridge(store, truth, encoder="known", task="motion")


@pytest.fixture(scope="module")
def marked(scenes, truth, tmp_path_factory):
    """Tokens 2 x 2 of which one says where the subject is; the others are noise about a name of their own."""
    rng = np.random.default_rng(3)
    mix, named = rng.normal(size=(2, WIDTH)) / 40, rng.normal(size=(2, 2, WIDTH))
    rows = {(r["video"], r["frame"] // 2): (r["x"], r["y"])
            for r in truth.table.iter_rows(named=True) if r["object"] == 0}  # fmt: skip

    def features(video, t):
        values = named + 0.1 * rng.normal(size=named.shape)
        values[1, 0] += np.array(rows.get((video, t), (0, 0))) @ mix
        return values

    made = Store(str(tmp_path_factory.mktemp("tokens")))
    put(made, scenes, features, tokens=2)
    return made


def test_attention_over_tokens_is_a_probe_like_any_other(marked, truth, tmp_path):
    asked = plan(
        tasks=("xy",),
        features=("z", "tokens"),
        probes=("linear", "attentive:20"),
        controls=("majority",),
    )
    probed = probe(marked, truth, asked)
    found = {(r.features, r.probe): r for r in probed.results if (r.control, r.split) == ("none", "grouped")}
    assert set(found) == {("z", "ridge"), ("tokens", "attentive-regression:20")}
    assert found["tokens", "attentive-regression:20"].low > 0.2
    series = find_series(marked, labelled_videos(truth), encoder="known", input="native", block=0)
    tokens = gather_tokens(marked, series, align(series, truth), tmp_path, block=0)
    assert isinstance(tokens, np.memmap)
    assert tokens.shape[1:] == (4, WIDTH)


def test_every_control_is_read_beside_tokens(scenes, truth, tmp_path):
    few = Labels(truth.table.filter(truth.table["video"].is_in(labelled_videos(truth)[:8])))
    store = Store(str(tmp_path / "s"))
    put(store, scenes[:8], lambda video, t: np.full((2, 2, 8), t), tokens=2)
    from worldprobe.encoders.load import load_encoder
    from worldprobe.pipeline.encode.encode import encode

    encode(scenes[:8], encoder=load_encoder("pixels"), store=store, blocks=[0])
    asked = plan(tasks=("xy",), features=("tokens",), probes=("attentive:1",), controls=(*OWN, "pixels"))
    probed = probe(store, few, asked)
    assert {r.control for r in probed.results} == {"none", *OWN, "pixels"}
    assert all(r.score is not None for r in some(probed.results))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probes": ("attentive",)}, "reads tokens, and the features are z"),
        ({"features": ("tokens",)}, "reads other features than tokens"),
        ({"features": ("z", "tokens")}, "features 'tokens' need a probe of tokens, such as attentive"),
        ({"probes": ("logistic",)}, "for none of the tasks velocity"),
    ],
)
def test_probes_that_do_not_go_with_the_rest_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        check_probes(plan(**changes))


def test_probes_by_family_by_argument_and_by_their_own_name(store, truth, monkeypatch):
    monkeypatch.setattr("worldprobe.probes.mlp._MOST_EPOCHS", 5)  # what they read is not asked
    few = Labels(truth.table.filter(truth.table["video"].is_in(labelled_videos(truth)[:10])))
    asked = plan(
        tasks=("velocity", "motion"),
        probes=("linear", "knn:cosine", "mlp:8", "knn-regression"),
        controls=("majority",),
    )
    found = {(r.task, r.probe) for r in probe(store, few, asked).results}
    assert found == {
        ("velocity", "ridge"), ("velocity", "knn-regression:cosine"), ("velocity", "mlp-regression:8"),
        ("velocity", "knn-regression"), ("motion", "logistic"), ("motion", "knn-classification:cosine"),
        ("motion", "mlp-classification:8"),
    }  # fmt: skip


def test_pooled_values_and_missing_stills_say_what_to_do(store, truth, scenes, moving, tmp_path):
    with pytest.raises(ProbeError, match="--pool none"):
        probe(store, truth, plan(features=("tokens",), probes=("attentive",)))
    gap = Store(str(tmp_path / "gap"))
    put(gap, scenes, moving, input="still")
    first = find_series(gap, labelled_videos(truth), encoder="known", input="still", block=0)[0]
    (tmp_path / "gap" / first.path / "block0.out" / "c.3.0.0").unlink()
    with pytest.raises(StoreError, match="still 3"):
        probe(gap, truth, replace(plan(features=("delta",)), input="still"))
