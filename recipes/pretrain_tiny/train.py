"""The training loop: one command, gone on with from its last checkpoint, watched for collapse."""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from recipes.pretrain_tiny import masks
from recipes.pretrain_tiny.frozen import Frozen
from recipes.pretrain_tiny.objective import Heads, effective_rank, pooled_features, predict, teach
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


@lru_cache(maxsize=1)
def _watched(crop: int, frames: int, seed: int, device: str, count: int) -> Tensor:
    """Render the clips that a training is watched by, uint8 [n, t, 3, h, w]: once, however often it goes on."""
    return Renderer(crop, frames, seed, device).batch(0, count)


class Trainer:
    """A model on its way: ``run`` takes it to the last step.

    Args:
        out: folder of checkpoint and log; a checkpoint of the same settings is gone on from.
        pool: folder of the rendered clips, ``out`` unless given.
        every: steps between two looks at the spread, and lines of the log.

    Raises:
        ValueError: a checkpoint made with other settings lies in ``out``.
    """

    def __init__(
        self, settings: Settings, out: Path, *, device: str, every: int = 20, pool: Path | None = None
    ) -> None:
        self.settings, self.out, self.device, self.every = settings, out, device, every
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(settings.seed)
        self.model = VJEPA2Model(settings.config()).to(device).train()
        self.target = copy.deepcopy(self.model.encoder).requires_grad_(False).eval()
        self.heads = Heads(settings).to(device)
        self.optimizer = self._optimizer(self.model, self.heads)
        self.pool = Pool(settings, pool or out, device)
        self.frozen: Frozen | None = None
        count = min(_WATCHED_CLIPS, 4 * settings.hidden_size)
        self.watched = _watched(settings.crop, settings.frames, settings.seed + 1, device, count)
        self.step, self.seconds = 0, 0.0
        self.log: list[dict[str, Any]] = []
        self.since: list[dict[str, float]] = []  # losses of the steps since the log's last line
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
            if self.step == self.settings.first:
                self._freeze()
            self.since.append(self._train_step(self.step))
            self.step += 1
            self.seconds = before + time.monotonic() - started
            if self.step % self.every == 0 or self.step == last:
                self._watch()
            if time.monotonic() - saved > _SAVE_SECONDS or self.step == last:
                self.save()
                saved = time.monotonic()

    def _train_step(self, step: int) -> dict[str, float]:
        first = self.settings.first
        done, steps = (step, first) if step < first else (step - first, self.settings.steps - first)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate[step >= first] * _warm_cosine(done, self.settings.warmup, steps)
        with _narrow(self.device):
            loss, parts = self._taught(step, done / steps) if step < first else self._told(step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._trained(), 1.0)
        self.optimizer.step()
        if step < first:
            self._follow(_between(self.settings.momentum, done / steps))
        return {name: float(part.detach()) for name, part in parts.items()}

    def _taught(self, step: int, share: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Stage 1's loss and its parts."""
        settings = self.settings
        generator = torch.Generator().manual_seed(settings.seed + 2 * step + 1)
        context, target = masks.of_step(
            generator, clips=settings.clips, tubelets=settings.tubelets, side=settings.side, most=settings.most[0]
        )
        mask = context.to(self.device), target.to(self.device)
        pixels = normalize(self.pool.clips(step))
        weight = _between(settings.regulariser, share)
        return teach(self.model, self.target, self.heads, pixels, mask, settings, weight)

    def _told(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Stage 2's loss: L1 from the predictor's answer to the frozen encoder's layer-normed tokens."""
        if self.frozen is None:
            self.frozen = Frozen(self.settings, self.target, self.pool, self.device)
        batch = self.frozen.batch(step)
        told = predict(
            self.model.predictor, batch.context, batch.context_ids, batch.asked_ids, side=self.settings.side
        )
        loss = (told.float() - batch.goal).abs().mean()
        return loss, {"ahead": loss}

    def _trained(self) -> list[nn.Parameter]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def _optimizer(self, *parts: nn.Module) -> torch.optim.Optimizer:
        groups = [group for part in parts for group in _groups(part, self.settings.decay)]
        return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95))

    def _freeze(self) -> None:
        """From here on the encoder is its moving average, and only the predictor learns."""
        self.model.encoder.load_state_dict(self.target.state_dict())
        self.optimizer = self._optimizer(self.model.predictor)

    @torch.no_grad()
    def _follow(self, momentum: float) -> None:
        """Move the target encoder a little towards the trained one."""
        for kept, new in zip(self.target.parameters(), self.model.encoder.parameters(), strict=True):
            kept.lerp_(new, 1 - momentum)

    def _watch(self) -> None:
        loss, self.since = _mean(self.since), []
        rank = self.rank()
        line = {"step": self.step, "seconds": round(self.seconds, 1), "rank": round(rank, 2), **loss}
        self.log.append(line)
        with (self.out / LOG).open("a") as file:
            file.write(json.dumps(line) + "\n")
        left = self.seconds / self.step * (self.settings.steps - self.step)
        rate = self.step * self.settings.clips / max(self.seconds, 1e-9)
        told = "  ".join(f"{name} {value:.3f}" for name, value in loss.items())
        sys.stderr.write(
            f"step {self.step}/{self.settings.steps}  {told}  rank {rank:.1f} of {self.settings.hidden_size}  "
            f"{rate:.1f} clips/s  {left / 60:.0f} min left\n"
        )
        floor = self.settings.collapse * self.settings.hidden_size
        if rank < floor and self.step > self.settings.warmup:
            self.save()
            raise CollapseError(
                f"collapsed at step {self.step}: pooled features have an effective rank of {rank:.1f}, under "
                f"{floor:.1f} ({self.settings.collapse:.0%} of the width). Raise the regulariser's weight or "
                "lower the learning rate, and start in a new folder."
            )

    def rank(self) -> float:
        """Effective rank of the target encoder's pooled features on clips that are never trained on."""
        with _narrow(self.device):
            parts = [
                pooled_features(self.target, normalize(part), side=self.settings.side)
                for part in self.watched.split(64)
            ]
        return effective_rank(torch.cat(parts).flatten(0, 1).float().cpu())

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "key": self.settings.key(), "step": self.step, "seconds": self.seconds, "log": self.log,
            "since": self.since, "model": self.model.state_dict(), "target": self.target.state_dict(),
            "heads": self.heads.state_dict(), "optimizer": self.optimizer.state_dict(),
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
        self.heads.load_state_dict(state["heads"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.log, self.since = state["log"], state["since"]
        if self.step > self.settings.first:
            self.optimizer = self._optimizer(self.model.predictor)
        self.optimizer.load_state_dict(state["optimizer"])
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


def _mean(losses: list[dict[str, float]]) -> dict[str, float]:
    """Each part's mean over the steps that had it."""
    names = sorted({name for parts in losses for name in parts})
    return {name: fmean(parts[name] for parts in losses if name in parts) for name in names}


def _narrow(device: str) -> torch.autocast:
    """bfloat16 where the device has it; a CPU without works it out by hand, thirty times slower than float32."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind != "cpu" or torch.cpu._is_avx512_bf16_supported())


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share
