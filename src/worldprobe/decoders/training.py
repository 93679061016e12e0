"""One training loop for every decoder.

AdamW (Loshchilov and Hutter 2019) with a cosine schedule; an average of the weights over the last steps (Polyak
and Juditsky 1992) is what is validated and kept; gradients are clipped; a stop when held-out groups gain no more.
What each step draws by lot follows from the seed and the step's number, so a run that was killed ends bit-equal on
a CPU, and on a GPU to its rounding: cuDNN adds some gradients up in no fixed order.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor

from worldprobe.decoders import checkpoints
from worldprobe.decoders.batches import batches, ready
from worldprobe.decoders.pairs import Source
from worldprobe.errors import DecoderError
from worldprobe.execute.local import prefetch

if TYPE_CHECKING:
    from worldprobe.protocols import Decoder

_WARMUP_SHARE = 0.05
_FINAL_SHARE = 0.01
_AHEAD = 3
_MOST_VALIDATED = 512
_SEED_STEP = 1_000_003


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. ``every``: steps between validations; ``patience``: validations without a gain to stop at."""

    steps: int
    batch: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    average: float = 0.998
    clip: float = 1.0
    every: int = 100
    patience: int = 8
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate at a step: a short linear rise, then half a cosine down to a hundredth."""
        warm = max(1, round(self.steps * _WARMUP_SHARE))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        way = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * (_FINAL_SHARE + (1 - _FINAL_SHARE) * (1 + math.cos(math.pi * way)) / 2)


@dataclass(frozen=True, slots=True)
class Losses:
    """Losses at a validation: the mean training loss since the one before, and that of held-out groups."""

    step: int
    training: float
    validation: float


@dataclass(frozen=True, slots=True)
class TrainingHistory:
    """How a training went: ``seconds`` are those of all its sittings together."""

    losses: tuple[Losses, ...]
    steps: int
    best_step: int
    seconds: float
    stopped_early: bool


class TrainingProgress(Protocol):
    """Reports how far training is, with the losses as a note."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None: ...


def train(
    module: Decoder,
    source: Source,
    *,
    training: Sequence[int],
    validation: Sequence[int],
    recipe: Recipe,
    checkpoint: Path,
    progress: TrainingProgress,
    stage: str,
    device: str = "cpu",
) -> TrainingHistory:
    """Train a decoder in place; it ends with the averaged weights that did best on the validation rows.

    Args:
        checkpoint: written at each validation and gone on from when it is there; deleted at the end.

    Raises:
        DecoderError: losses that are not finite, or a checkpoint of another training.
    """
    if hasattr(module, "prepare") and not checkpoint.exists():
        module.prepare(source, training)
    sitting = _Sitting(module, source, recipe, device, checkpoint, key_of(module, source, training, recipe))
    sitting.resume()
    started = time.perf_counter()
    before, seconds = sitting.seconds, 0.0
    rows = _spread(validation, max(1, _MOST_VALIDATED // source.per_row))
    dealt = batches(source, training, size=recipe.batch, seed=recipe.seed, start=sitting.step)
    with closing(prefetch(dealt, depth=_AHEAD)) as ahead:
        while sitting.step < recipe.steps and not sitting.stale:
            tokens, frames = next(ahead)
            sitting.advance(torch.from_numpy(tokens).to(device), torch.from_numpy(frames).to(device))
            if sitting.step % recipe.every == 0 or sitting.step == recipe.steps:
                sitting.validate(rows)
                seconds = time.perf_counter() - started
                sitting.seconds = before + seconds
                sitting.save()
            progress(stage, sitting.step, recipe.steps, sitting.note)
    progress(stage, recipe.steps, recipe.steps, sitting.note)  # it may have stopped earlier
    module.load_state_dict(sitting.best)
    if hasattr(module, "calibrate"):
        module.eval()
        module.calibrate(source, rows)
    checkpoint.unlink(missing_ok=True)
    return TrainingHistory(
        tuple(sitting.losses), sitting.step, sitting.best_step, before + seconds, sitting.step < recipe.steps
    )


def seconds_a_step(module: Decoder, recipe: Recipe, *, device: str, seconds: float) -> float:
    """What a step takes on batches of noise, by as many steps as that many seconds hold, and two at least.

    The module's weights are spoilt by it.
    """
    shape = module.shape
    sitting = _Sitting(module, None, recipe, device, Path(), "")
    tokens = torch.randn(recipe.batch, *shape.grid, shape.width, device=device)
    frames = torch.rand(recipe.batch, shape.frames, 3, *shape.size, device=device)
    begun, times = time.perf_counter(), list[float]()
    while len(times) < 2 or time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        sitting.advance(tokens, frames)
        float(sitting.recent[-1])  # waits for the device
        times.append(time.perf_counter() - started)
    return sorted(times[1:])[len(times[1:]) // 2]


def step_cost(module: Decoder, recipe: Recipe) -> tuple[float, int]:
    """Operations of a training step in units of 10^9, forward and back, and the bytes of memory that it needs.

    Counted on two rows of noise and taken for the batch: a float32 weight, its gradient, two moments and an average
    (Polyak), and all that the forward pass keeps for the gradient.
    """
    from torch.utils.flop_counter import FlopCounterMode

    shape, rows = module.shape, 2
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    weights = sum(one.numel() for one in module.parameters())
    own = {one.untyped_storage().data_ptr() for one in module.parameters()}
    tokens, frames = torch.randn(rows, *shape.grid, shape.width), torch.rand(rows, shape.frames, 3, *shape.size)
    with FlopCounterMode(display=False) as counted, torch.autograd.graph.saved_tensors_hooks(note, lambda one: one):
        loss = module.loss(tokens, frames, generator=torch.Generator().manual_seed(0))
        torch.autograd.backward(loss)
    for one in module.parameters():
        one.grad = None
    activations = sum(size for place, size in kept.items() if place not in own)
    each = recipe.batch / rows
    return counted.get_total_flops() * each / 1e9, 5 * 4 * weights + round(activations * each)


def key_of(module: Decoder, source: Source, training: Sequence[int], recipe: Recipe) -> str:
    """What a training depends on, so that neither weights nor a checkpoint are taken for another's."""
    settings = (module.name, asdict(module.shape), module.options, asdict(recipe))
    return hashlib.sha256(json.dumps([source.key, list(training), *settings]).encode()).hexdigest()


def validation_loss(
    module: Decoder, source: Source, rows: Sequence[int], *, batch: int, seed: int, device: str = "cpu"
) -> float:
    """Mean loss over the pairs of some rows, with the same lots at every call."""
    total, count = 0.0, 0
    with torch.inference_mode():
        for row in rows:
            tokens, frames = ready(*source.read(row))
            for start in range(0, len(tokens), batch):
                generator = torch.Generator(device).manual_seed(seed * _SEED_STEP + row)
                part = torch.from_numpy(tokens[start : start + batch]).to(device)
                real = torch.from_numpy(frames[start : start + batch]).to(device)
                total += float(module.loss(part, real, generator=generator)) * len(part)
                count += len(part)
    return total / count


def _spread(rows: Sequence[int], most: int) -> list[int]:
    """At most so many of the rows, evenly."""
    if len(rows) <= most:
        return list(rows)
    return [rows[i * len(rows) // most] for i in range(most)]


class _Sitting:
    """Training from where it stands; all of its state is in tensors and a few numbers."""

    def __init__(
        self, module: Decoder, source: Source | None, recipe: Recipe, device: str, checkpoint: Path, key: str
    ) -> None:
        self.module, self.source, self.recipe, self.device = module.to(device).train(), source, recipe, device
        self.checkpoint, self.key = checkpoint, key
        self.optimizer = torch.optim.AdamW(
            list(module.parameters()), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.average: dict[str, Tensor] = {name: one.clone() for name, one in module.state_dict().items()}
        self.best: dict[str, Tensor] = {name: one.clone() for name, one in self.average.items()}
        self.step, self.best_step, self.best_loss, self.seconds = 0, 0, math.inf, 0.0
        self.losses: list[Losses] = []
        self.recent: list[Tensor] = []

    @property
    def stale(self) -> bool:
        """No gain on held-out groups for as many validations as patience lasts."""
        return self.step - self.best_step >= self.recipe.patience * self.recipe.every

    @property
    def note(self) -> str:
        if not self.losses:
            return ""
        return f"{self.losses[-1].training:.4f} held out {self.losses[-1].validation:.4f}"

    def advance(self, tokens: Tensor, frames: Tensor) -> None:
        """One step on a batch."""
        recipe = self.recipe
        generator = torch.Generator(self.device).manual_seed(recipe.seed * _SEED_STEP + self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate(self.step)
        kind = self.device.partition(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=recipe.precision == "bf16"):
            loss = self.module.loss(tokens, frames, generator=generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), recipe.clip)
        self.optimizer.step()
        self.step += 1
        self.recent.append(loss.detach().float())
        # Early weights are far from where they will be: the average begins short.
        keep = min(recipe.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, one in self.module.state_dict().items():
                if one.is_floating_point():
                    self.average[name].lerp_(one, 1 - keep)
                else:
                    self.average[name].copy_(one)

    def validate(self, rows: Sequence[int]) -> None:
        """Score the averaged weights on held-out rows, and keep them where they are the best so far."""
        recipe = self.recipe
        assert self.source is not None, "nothing to validate on"
        trained = float(torch.stack(self.recent).mean())
        own = {name: one.clone() for name, one in self.module.state_dict().items()}
        self.module.load_state_dict(self.average)
        self.module.eval()
        held = validation_loss(
            self.module, self.source, rows, batch=recipe.batch, seed=recipe.seed, device=self.device
        )
        self.module.load_state_dict(own)
        self.module.train()
        if not (math.isfinite(trained) and math.isfinite(held)):
            raise DecoderError(
                f"training {self.module.name}: the loss is not finite by step {self.step} ({trained}, held out "
                f"{held}). Use a smaller learning_rate, or precision fp32."
            )
        self.recent.clear()
        self.losses.append(Losses(self.step, trained, held))
        if held < self.best_loss:
            self.best_loss, self.best_step = held, self.step
            self.best = {name: one.clone() for name, one in self.average.items()}

    def save(self) -> None:
        """Everything that the next step depends on, in one file, whole or not at all."""
        tensors = {f"weights/{name}": one for name, one in self.module.state_dict().items()}
        tensors |= {f"average/{name}": one for name, one in self.average.items()}
        tensors |= {f"best/{name}": one for name, one in self.best.items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam/{index}/{name}": one for name, one in moments.items()}
        facts: dict[str, Any] = {"step": self.step, "best_step": self.best_step, "best_loss": self.best_loss}
        facts |= {"seconds": self.seconds, "losses": [asdict(one) for one in self.losses]}
        checkpoints.write(self.checkpoint, tensors, {"key": self.key, **facts})

    def resume(self) -> None:
        """Go on from the checkpoint, where there is one."""
        if not self.checkpoint.exists():
            return
        tensors, facts = checkpoints.read(self.checkpoint)
        if facts["key"] != self.key:
            raise DecoderError(
                f"{self.checkpoint} is of a training with other options or data. Run again as it was to finish it, "
                "or delete it, or use another --out."
            )

        def part(name: str) -> dict[str, Tensor]:
            return {key.removeprefix(name): one for key, one in tensors.items() if key.startswith(name)}

        weights = part("weights/")
        if differing := weights.keys() ^ self.module.state_dict().keys():
            raise DecoderError(
                f"{self.checkpoint} was written by another version of worldprobe, and cannot be gone on from (of "
                f"the weights it and this version differ in {min(differing)}). Delete it to train from the "
                "beginning, or finish with that version."
            )
        self.module.load_state_dict(weights)
        self.average, self.best = part("average/"), part("best/")
        for kept in (self.average, self.best):
            kept.update({name: one.to(self.device) for name, one in kept.items()})
        state: dict[int, dict[str, Tensor]] = {}
        for key, one in part("adam/").items():
            index, _, name = key.partition("/")
            state.setdefault(int(index), {})[name] = one
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.step, self.best_step = int(facts["step"]), int(facts["best_step"])
        self.best_loss, self.seconds = float(facts["best_loss"]), float(facts["seconds"])
        self.losses = [Losses(**one) for one in facts["losses"]]
