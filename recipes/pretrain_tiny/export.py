"""A checkpoint to a folder that plain transformers loads: ``VJEPA2Model.from_pretrained(folder)``."""

from __future__ import annotations

from pathlib import Path

import torch
from recipes.pretrain_tiny.settings import Settings
from recipes.pretrain_tiny.train import CHECKPOINT
from transformers import VJEPA2Model

from worldprobe.quiet import no_loading_bars


def export(settings: Settings, run: Path, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` in float16.

    The encoder is the moving average, as in the public checkpoints, which is also what the targets were
    made with; the predictor is the trained one.

    Raises:
        FileNotFoundError: no checkpoint in ``run``.
    """
    state = torch.load(run / CHECKPOINT, map_location="cpu", weights_only=True)
    model = VJEPA2Model(settings.config())
    model.load_state_dict(state["model"])
    model.encoder.load_state_dict(state["target"])
    with no_loading_bars():
        model.half().save_pretrained(folder)
    # safetensors makes files that only their owner may read.
    (folder / "model.safetensors").chmod(0o644)
