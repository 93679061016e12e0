"""Pairs of possible and impossible videos are rendered once for an encoder and its untrained twin."""

import numpy as np
import torch
from transformers import VJEPA2Config, VJEPA2Model

from worldprobe.encoders.vjepa2 import pretrained
from worldprobe.pipeline.predict import surprise
from worldprobe.pipeline.predict.scores import PredictionSetup
from worldprobe.pipeline.progress import silent
from worldprobe.predictors import VJEPA2Predictor
from worldprobe.video.rendered.violations import KINDS, render_pair

SMALL = {"crop_size": 32, "patch_size": 16, "frames_per_clip": 8, "hidden_size": 48, "num_hidden_layers": 2,
         "num_attention_heads": 2, "pred_hidden_size": 24, "pred_num_hidden_layers": 1,
         "pred_num_attention_heads": 2, "pred_num_mask_tokens": 2}  # fmt: skip


def model(folder, seed):
    torch.manual_seed(seed)
    VJEPA2Model(VJEPA2Config(**SMALL)).save_pretrained(folder)
    encoder = pretrained(str(folder), device="cpu", precision="fp32")
    predictor = VJEPA2Predictor.from_encoder(encoder)
    return encoder, predictor, PredictionSetup(encoder.name, predictor.precision, 2, 2, "joint", 5, clip=0)


def test_a_pair_is_rendered_once_for_all_models_and_each_is_measured_as_if_alone(tmp_path, monkeypatch):
    both = [model(tmp_path / str(seed), seed) for seed in (1, 2)]
    kinds, rendered = KINDS[:2], []

    def render(kind, seed, index):
        rendered.append((kind, index))
        return render_pair(kind, seed, index)

    monkeypatch.setattr(surprise, "render_pair", render)
    monkeypatch.setattr(surprise, "KINDS", kinds)
    together = surprise.surprises(both, pairs=1, progress=silent)
    assert sorted(rendered) == sorted((kind, index) for kind in kinds for index in (0, 1))  # 1 is the ridge's
    assert set(together[0].found[kinds[0]]) == {"predictor", "ridge", "copy-last", "pixels"}
    for one, of_both in zip(both, together, strict=True):
        (alone,) = surprise.surprises([one], pairs=1, progress=silent)
        for kind in kinds:
            for ours, theirs in zip(of_both.found[kind]["predictor"], alone.found[kind]["predictor"], strict=True):
                np.testing.assert_array_equal(ours, theirs)
    assert set(together[1].found[kinds[0]]) == {"predictor"}
    assert not np.array_equal(*(one.found[kinds[0]]["predictor"].l1 for one in together))
