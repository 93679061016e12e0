"""A short training for the gallery's watch: the first steps of ``vjepa2-tiny``'s own recipe, at half its size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from recipes.pretrain_tiny.export import export
from recipes.pretrain_tiny.settings import SETTINGS, Settings
from recipes.pretrain_tiny.train import Trainer

STEPS = (10, 50, 100, 200, 300)
# Stage 1 alone, the encoder's; two minutes on one core.
SHORT = replace(
    SETTINGS["cpu"], hidden_size=64, blocks=2, heads=1, predictor_hidden=64, predictor_heads=1, predictor_blocks=1,
    clips=16, steps=STEPS[-1], first=STEPS[-1], warmup=20, momentum=(0.9, 0.99), pool=600,
)  # fmt: skip


def train(out: Path, *, settings: Settings = SHORT, steps: tuple[int, ...] = STEPS) -> Path:
    """Train, and export a checkpoint at each of the steps into ``out / "checkpoints"``; what is there stays.

    Returns:
        The folder of the checkpoints, ``step-N`` each.
    """
    folder = out / "checkpoints"
    if not all((folder / f"step-{step}" / "config.json").exists() for step in steps):
        trainer = Trainer(settings, out, device="cpu", every=50)
        for step in steps:
            if trainer.step < step:
                trainer.run(until=step)
            if trainer.step == step:
                written = folder / f".step-{step}.tmp"
                export(settings, out, written)
                written.rename(folder / f"step-{step}")
    return folder
