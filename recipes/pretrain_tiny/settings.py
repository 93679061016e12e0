"""The two ways in which ``vjepa2-tiny`` can be trained. Both are the same recipe at different sizes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from transformers import VJEPA2Config


@dataclass(frozen=True, slots=True)
class Settings:
    """A model's shape and how it is trained.

    Attributes:
        crop, patch, frames: the input; tubelets are 2 frames.
        clips, steps: clips a step, and steps in all (the schedules depend on it).
        rate, decay, warmup: AdamW's peak learning rate and weight decay, and steps until the peak.
        momentum: of the target encoder's moving average, at the start and at the end.
        regulariser: weight of the variance and covariance terms, at the start and at the end.
        pool, fresh: clips kept in memory to draw from, and how many of them are rendered anew each step.
        collapse: training stops where the effective rank falls below this share of the width.
    """

    crop: int = 128
    patch: int = 16
    frames: int = 16
    hidden: int = 192
    blocks: int = 6
    heads: int = 3
    predictor_hidden: int = 96
    predictor_blocks: int = 4
    predictor_heads: int = 3
    clips: int = 48
    steps: int = 1000
    rate: float = 1e-3
    decay: float = 0.04
    warmup: int = 80
    momentum: tuple[float, float] = (0.99, 0.999)
    regulariser: tuple[float, float] = (4.0, 1.5)
    pool: int = 1536
    fresh: int = 12
    collapse: float = 0.1
    seed: int = 20_001

    def config(self) -> VJEPA2Config:
        """The model's configuration, in transformers' own terms."""
        return VJEPA2Config(
            crop_size=self.crop,
            patch_size=self.patch,
            frames_per_clip=self.frames,
            hidden_size=self.hidden,
            num_hidden_layers=self.blocks,
            num_attention_heads=self.heads,
            pred_hidden_size=self.predictor_hidden,
            pred_num_hidden_layers=self.predictor_blocks,
            pred_num_attention_heads=self.predictor_heads,
            pred_num_mask_tokens=2,
        )

    @property
    def tubelets(self) -> int:
        return self.frames // 2

    @property
    def side(self) -> int:
        """Tokens along a side of a frame."""
        return self.crop // self.patch

    def key(self) -> str:
        """What a checkpoint must have been made with to be gone on from."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


SETTINGS = {
    # About an hour on 2 CPU cores with AMX, 2.5 without.
    "cpu": Settings(),
    # Within an hour on one large GPU.
    "gpu": Settings(
        hidden=256, blocks=10, heads=4, predictor_hidden=128, predictor_heads=4, clips=256, steps=12_000,
        rate=1.5e-3, warmup=600, momentum=(0.996, 0.9998), regulariser=(4.0, 1.0), pool=8192, fresh=96,
    ),
    # Seconds: what the tests run.
    "toy": Settings(
        crop=32, patch=8, frames=8, hidden=48, blocks=2, heads=2, predictor_hidden=24, predictor_blocks=1,
        predictor_heads=2, clips=16, steps=60, warmup=5, rate=2e-3, pool=64, fresh=4, momentum=(0.9, 0.99),
    ),
}  # fmt: skip
