"""The training loop: one command, gone on with from its last checkpoint, watched for collapse."""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from recipes.pretrain_tiny import masks
from recipes.pretrain_tiny.objective import effective_rank, losses, pooled_features
from recipes.pretrain_tiny.pool import Pool
from recipes.pretrain_tiny.scenes import Renderer
from recipes.pretrain_tiny.settings import Settings
from torch import Tensor, nn
from transformers import VJEPA2Model

from worldprobe.encoders.preprocess import normalize
from worldprobe.io.files import replacing

CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
_WATCHED_CLIPS = 192
_SAVE_SECONDS = 300.0


class CollapseError(RuntimeError):
    """The features lost their spread: the loss may fall on, but nothing is learnt any more."""


class Trainer:
    """A model on its way: ``run`` takes it to the last step.

    Args:
        out: folder of checkpoint and log; a checkpoint of the same settings is gone on from.
        every: steps between two looks at the spread, and lines of the log.

    Raises:
        ValueError: a checkpoint made with other settings lies in ``out``.
    """

    def __init__(self, settings: Settings, out: Path, *, device: str, every: int = 20) -> None:
        self.settings, self.out, self.device, self.every = settings, out, device, every
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(settings.seed)
        self.model = VJEPA2Model(settings.config()).to(device).train()
        self.target = copy.deepcopy(self.model.encoder).requires_grad_(False).eval()
        self.optimizer = torch.optim.AdamW(_groups(self.model, settings.decay), lr=0.0, betas=(0.9, 0.95))
        self.pool = Pool(settings, device)
        watched = Renderer(settings.crop, settings.frames, settings.seed + 1, device)
        self.watched = watched.batch(0, min(_WATCHED_CLIPS, 4 * settings.hidden))
        self.step, self.seconds = 0, 0.0
        self.log: list[dict[str, Any]] = []
        if (out / CHECKPOINT).exists():
            self._load()

    def run(self, *, until: int | None = None) -> None:
        """Train to the last step, or to step ``until``.

        Raises:
            CollapseError: the effective rank fell below the settings' share of the width.
        """
        last = min(until or self.settings.steps, self.settings.steps)
        started = saved = time.monotonic()
        before = self.seconds
        while self.step < last:
            loss = self._train_step(self.step)
            self.step += 1
            self.seconds = before + time.monotonic() - started
            if self.step % self.every == 0 or self.step == last:
                self._watch(loss)
            if time.monotonic() - saved > _SAVE_SECONDS or self.step == last:
                self.save()
                saved = time.monotonic()

    def _train_step(self, step: int) -> dict[str, float]:
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate * _warm_cosine(step, settings.warmup, settings.steps)
        generator = torch.Generator().manual_seed(settings.seed + 2 * step + 1)
        asked = {"clips": settings.clips, "tubelets": settings.tubelets, "side": settings.side}
        blocks = _moved(masks.multiblock(generator, **asked), self.device)
        causal = _moved(masks.causal(generator, **asked), self.device)
        pixels = normalize(self.pool.clips(step))
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            parts = losses(self.model, self.target, pixels, blocks, causal)
        weight = _between(settings.regulariser, step / settings.steps)
        loss = parts.blocks + parts.causal + weight * parts.spread
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self._follow(_between(settings.momentum, step / settings.steps))
        return {
            "blocks": float(parts.blocks.detach()),
            "causal": float(parts.causal.detach()),
            "spread": float(parts.spread.detach()),
        }

    @torch.no_grad()
    def _follow(self, momentum: float) -> None:
        """Move the target encoder a little towards the trained one."""
        for kept, new in zip(self.target.parameters(), self.model.encoder.parameters(), strict=True):
            kept.lerp_(new, 1 - momentum)

    def _watch(self, loss: dict[str, float]) -> None:
        rank = self.rank()
        line = {"step": self.step, "seconds": round(self.seconds, 1), "rank": round(rank, 2), **loss}
        self.log.append(line)
        with (self.out / LOG).open("a") as file:
            file.write(json.dumps(line) + "\n")
        left = self.seconds / self.step * (self.settings.steps - self.step)
        rate = self.step * self.settings.clips / max(self.seconds, 1e-9)
        sys.stderr.write(
            f"step {self.step}/{self.settings.steps}  blocks {loss['blocks']:.3f}  causal {loss['causal']:.3f}  "
            f"spread {loss['spread']:.3f}  rank {rank:.1f} of {self.settings.hidden}  {rate:.1f} clips/s  "
            f"{left / 60:.0f} min left\n"
        )
        floor = self.settings.collapse * self.settings.hidden
        if rank < floor and self.step > self.settings.warmup:
            self.save()
            raise CollapseError(
                f"collapsed at step {self.step}: pooled features have an effective rank of {rank:.1f}, under "
                f"{floor:.1f} ({self.settings.collapse:.0%} of the width). Raise the regulariser's weight or "
                "lower the learning rate, and start in a new folder."
            )

    def rank(self) -> float:
        """Effective rank of the target encoder's pooled features on clips that are never trained on."""
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            parts = [
                pooled_features(self.target, normalize(part), side=self.settings.side)
                for part in self.watched.split(64)
            ]
        return effective_rank(torch.cat(parts).flatten(0, 1).float().cpu())

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "key": self.settings.key(), "step": self.step, "seconds": self.seconds, "log": self.log,
            "model": self.model.state_dict(), "target": self.target.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }  # fmt: skip
        with replacing(self.out / CHECKPOINT) as temporary:
            torch.save(state, temporary)

    def _load(self) -> None:
        state = torch.load(self.out / CHECKPOINT, map_location=self.device, weights_only=True)
        if state["key"] != self.settings.key():
            raise ValueError(
                f"{self.out / CHECKPOINT} was made with other settings. Use another --out, or remove the folder."
            )
        self.model.load_state_dict(state["model"])
        self.target.load_state_dict(state["target"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.log = state["step"], state["seconds"], state["log"]
        # Lines after the checkpoint belong to steps that will be done again.
        (self.out / LOG).write_text("".join(json.dumps(line) + "\n" for line in self.log))


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices only, as is usual."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _warm_cosine(step: int, warmup: int, steps: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share


def _moved(mask: tuple[Tensor, Tensor], device: str) -> tuple[Tensor, Tensor]:
    return mask[0].to(device), mask[1].to(device)
