"""Impossible videos differ from possible ones by the violation alone, and surprise is scored as it should be."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from tests.builders.checks import some
from transformers import VJEPA2Config, VJEPA2Model

from worldprobe.config import make_experiment
from worldprobe.encoders.vjepa2 import pretrained
from worldprobe.errors import PredictionError
from worldprobe.pipeline.predict.pictures import peaks
from worldprobe.pipeline.predict.stage import predict
from worldprobe.predictors import VJEPA2Predictor
from worldprobe.predictors.surprise import auroc, relative_accuracy, scored, slide
from worldprobe.report.write import write_report
from worldprobe.results import read_results
from worldprobe.video.rendered.scenes import render_scenes
from worldprobe.video.rendered.violations import FRAMES, KINDS, render_pair

SMALL = {"crop_size": 32, "patch_size": 16, "frames_per_clip": 8, "hidden_size": 48, "num_hidden_layers": 1,
         "num_attention_heads": 2, "pred_hidden_size": 24, "pred_num_hidden_layers": 1,
         "pred_num_attention_heads": 2, "pred_num_mask_tokens": 2}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(3)
    VJEPA2Model(VJEPA2Config(**SMALL)).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def predictor(small):
    return VJEPA2Predictor.from_encoder(pretrained(small, device="cpu", precision="fp32"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", [0, 5, 11])
def test_a_pair_is_the_same_until_the_violation_and_differs_after_it(kind, index):
    pair = render_pair(kind, 3, index)
    assert pair.possible.shape == pair.impossible.shape == (FRAMES, 144, 160, 3)
    np.testing.assert_array_equal(pair.possible[: pair.at], pair.impossible[: pair.at])
    # After a context of 4 tubelets, and early enough for windows that hold the violation whole.
    assert 8 < pair.at < FRAMES - 8
    differ = (pair.possible != pair.impossible).any(axis=3)
    assert differ[-1].mean() > 0.002  # it stays
    assert differ.mean(axis=(1, 2)).max() < 0.2  # and is the violation, not the world


def test_pairs_depend_on_kind_seed_and_number_alone():
    one, again, other = (render_pair("class", seed, 4) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.impossible, again.impossible)
    assert (one.possible != other.possible).any()


def test_each_mirror_image_is_there():
    # What vanishes leaves an empty scene behind the occluder, what appears fills one: neither alone is surprise.
    for kind, more in (("vanish", "possible"), ("appear", "impossible")):
        pair = render_pair(kind, 0, 2)
        last = {name: getattr(pair, name)[-1].astype(float).std() for name in ("possible", "impossible")}
        assert max(last, key=last.get) == more


def test_windows_slide_and_their_context_has_not_seen_what_it_tells(predictor):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 3, 32, 32), dtype=np.uint8)
    slid = slide(predictor, pixels, context=2, horizon=2)
    values = slid.l1
    assert [one.shape for one in slid] == [(9, 2, 4, 48)] * 3
    assert values.shape == (9,)
    assert slide(predictor, pixels, context=2, horizon=2, hop=4).l1.shape == (3,)
    np.testing.assert_allclose(slide(predictor, pixels, context=2, horizon=2, hop=2).l1, values[::2], atol=1e-6)
    told = predictor.predict(pixels[None, 4:12], context=2, horizon=2)
    true = predictor.targets(pixels[None, 4:12])[:, 2:].numpy()
    assert values[2] == pytest.approx(np.abs(told - true).mean(), abs=1e-6)
    changed = pixels.copy()
    changed[12:] = 0  # windows that end before are as they were
    np.testing.assert_array_equal(slide(predictor, changed, context=2, horizon=2).l1[:3], values[:3])
    assert (slide(predictor, changed, context=2, horizon=2).l1[3:] != values[3:]).all()
    with pytest.raises(PredictionError, match="hop of 1 or more"):
        slide(predictor, pixels[:6], context=2, horizon=2)


def test_scores_of_known_surprises_and_scikit_learns_auroc():
    generator = np.random.default_rng(1)
    possible, impossible = generator.normal(0, 1, 60), generator.normal(0.7, 1, 60)
    truth = np.repeat([0, 1], 60)
    expected = roc_auc_score(truth, np.concatenate((possible, impossible)))
    assert auroc(possible, impossible) == pytest.approx(expected)
    assert relative_accuracy(possible, possible) == auroc(possible, possible) == 0.5
    assert relative_accuracy(possible, possible + 1e-6) == 1.0
    found = scored(possible, impossible, seed=0)
    for one in (draws.score() for draws in some(found.values())):
        assert one.low < one.value < one.high
        assert one.low > 0.5
    assert found["auroc"].value == pytest.approx(expected)
    alike = scored(possible, generator.normal(0, 1, 60), seed=0)
    near = alike["auroc"].score()
    assert near.low < 0.5 < near.high


def test_peaks_are_local_maxima_in_order_of_time():
    values = np.array([1.0, 3.0, 2.0, 2.0, 5.0, 5.0, 1.0, 4.0])
    assert peaks(values, most=2) == [4, 7]
    assert peaks(values, most=9) == [1, 4, 7]
    assert peaks(np.ones(4), most=3) == [0]


def test_a_run_scores_every_kind_and_shows_it(small, tmp_path):
    scenes = render_scenes(2, 8, tmp_path / "scenes")
    values = {"videos": ["x"], "encoder": small, "device": "cpu", "precision": "fp32"}
    predict(make_experiment({**values, "predict": {"pairs": 2, "context": 2, "horizon": 2}}), scenes, tmp_path)
    found = [r for r in read_results(tmp_path / "results.jsonl") if r.kind == "surprise"]
    keys = {(r.encoder, r.violation, r.method, r.measure, r.metric) for r in found}
    own, twin = ([r for r in found if r.encoder.startswith("random:") is untrained] for untrained in (False, True))
    # Kinds, all and none, by 2 metrics of two measures and 4 of the calibrated one.
    assert len(keys) == len(found)
    assert (len(own), len(twin)) == (4 * (len(KINDS) + 2) * 8, (len(KINDS) + 2) * 8)
    assert {r.method for r in own} == {"predictor", "ridge", "copy-last", "pixels"}
    assert {r.method for r in twin} == {"predictor"}
    assert {r.n for r in found if r.violation in KINDS} == {2}
    assert {r.n for r in found if r.violation == "all"} == {2 * len(KINDS)}
    assert {r.n for r in found if r.violation == "none"} == {len(KINDS)}
    judged = [r for r in own if r.method == "predictor"]
    assert all(set(r.against) == {"ridge", "copy-last", "pixels"} and r.against_twin for r in judged)
    assert not any(r.against or r.against_twin for r in found if r not in judged)
    future = write_report(tmp_path).future
    assert len(future.violations) == len(KINDS) + 2
    assert {tuple(one.controls) for one in future.violations} == {
        ("ridge", "copy-last", "pixels", "untrained twin")
    }
    for name in ("error_map", "violations"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 10_000
    assert not (tmp_path / "figures" / "surprise.png").exists()  # no scene has enough windows for a curve
    html = (tmp_path / "report.html").read_text()
    assert "Surprise at the impossible" in html
    assert "pass-through" in (tmp_path / "report.md").read_text()
