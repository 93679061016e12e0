"""The two ways in which ``vjepa2-tiny`` can be trained. Both are the same recipe at different sizes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from transformers import VJEPA2Config


@dataclass(frozen=True, slots=True)
class Settings:
    """A model's shape and how it is trained, in two stages: the encoder (Stage 1), then its predictor (Stage 2).

    Attributes:
        crop, patch, frames: the input; tubelets are 2 frames.
        clips, steps: clips a step, and steps in all.
        first: steps of stage 1; then the encoder is its moving average, frozen, and the predictor learns latents.
        rate: AdamW's peak learning rate in each stage; decay: its weight decay; warmup: steps until the peak.
        momentum: of the encoder's moving average, at the start and at the end of stage 1.
        motion, picture, outlines: weights of what a linear head tells of each token (``targets.py``).
        blocks_told: blocks along the side of a cell whose colours a picture is.
        hidden: weight of what it tells of hidden tokens, from the predictor's answer, beside that of seen ones.
        latent: weight of the moving average's latents at hidden tokens in stage 1, V-JEPA 2's own objective.
        regulariser: weight of the variance and covariance terms on whole clips, from start to end of stage 1.
        most: targets that are asked for in a step of either stage, of all that are hidden.
        encoded: clips that the frozen encoder encodes for stage 2.
        pool: clips that are rendered, and drawn from.
        collapse: training stops where the effective rank falls below this share of the width.
    """

    crop: int = 64
    patch: int = 8
    frames: int = 16
    hidden_size: int = 128
    blocks: int = 4
    heads: int = 2
    predictor_hidden: int = 128
    predictor_blocks: int = 3
    predictor_heads: int = 2
    clips: int = 32
    steps: int = 1600
    first: int = 640
    rate: tuple[float, float] = (1.5e-3, 2.5e-3)
    decay: float = 0.04
    warmup: int = 80
    momentum: tuple[float, float] = (0.99, 0.998)
    motion: float = 1.5
    picture: float = 0.5
    blocks_told: int = 2
    outlines: float = 0.3
    hidden: float = 0.5
    latent: float = 0.0
    regulariser: tuple[float, float] = (0.0, 0.0)
    most: tuple[int, int] = (64, 128)
    encoded: int = 3072
    pool: int = 3000
    collapse: float = 0.02
    seed: int = 20_001

    def config(self) -> VJEPA2Config:
        """The model's configuration, in transformers' own terms."""
        return VJEPA2Config(
            crop_size=self.crop,
            patch_size=self.patch,
            frames_per_clip=self.frames,
            hidden_size=self.hidden_size,
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
    # About 50 minutes on one CPU core, without AMX or AVX-512.
    "cpu": Settings(),
    # Within an hour on one large GPU.
    "gpu": Settings(
        hidden_size=192, blocks=6, heads=3, predictor_hidden=192, predictor_heads=3, predictor_blocks=4, clips=256,
        steps=20_000, first=12_000, warmup=600, momentum=(0.996, 0.9998), pool=16_384, encoded=16_384,
    ),
    # Seconds: what the tests run.
    "toy": Settings(
        crop=32, patch=8, frames=8, hidden_size=48, blocks=2, predictor_hidden=24, predictor_blocks=1, clips=16,
        steps=60, first=40, warmup=5, rate=(2e-3, 2e-3), pool=64, encoded=128, momentum=(0.9, 0.99),
        regulariser=(0.1, 0.1),
    ),
}  # fmt: skip
