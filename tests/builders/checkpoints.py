"""Made-up trainings: folders of small V-JEPA 2 checkpoints whose collapse, or learning, is known."""

import shutil
from pathlib import Path

import torch
from transformers import VJEPA2Config, VJEPA2Model

from worldprobe.quiet import no_loading_bars

WIDTH = 48


def config(**other):
    """A network that encodes a clip in milliseconds."""
    return VJEPA2Config(
        crop_size=64, patch_size=16, frames_per_clip=8, hidden_size=WIDTH, num_hidden_layers=2,
        num_attention_heads=2, mlp_ratio=2.0, pred_hidden_size=24, pred_num_hidden_layers=1,
        pred_num_attention_heads=2, pred_num_mask_tokens=2, **other,
    )  # fmt: skip


def save(folder, *, seed=7, left=WIDTH, broken=False, **other):
    """A checkpoint of random weights, of whose last features only ``left`` directions vary; ``broken``: NaN."""
    torch.manual_seed(seed)
    model = VJEPA2Model(config(**other))
    with torch.no_grad():
        # The final norm's weights are all that stands between the residual stream and the features.
        model.encoder.layernorm.weight[left:] = 0.0
        if broken:
            model.encoder.layernorm.weight[0] = float("nan")
    # As a training should: what is seen under its name is whole.
    temporary = Path(folder).with_name(f".{Path(folder).name}.tmp")
    with no_loading_bars():
        model.save_pretrained(temporary)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    return Path(folder)
