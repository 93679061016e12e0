"""Clips to train on: a pool in memory, renewed a little at each step, drawn from with symmetries.

Everything follows from the seed and the step's number, so a run that goes on from a checkpoint sees the
very clips that it would have seen.
"""

from __future__ import annotations

import torch
from recipes.pretrain_tiny.scenes import Renderer
from recipes.pretrain_tiny.settings import Settings
from torch import Tensor


class Pool:
    """The clips of a step. Steps are asked for in order; a first step after a restart renders the pool anew."""

    def __init__(self, settings: Settings, device: str) -> None:
        self._settings = settings
        self._renderer = Renderer(settings.crop, settings.frames, settings.seed, device)
        self._batches = settings.pool // settings.fresh
        shape = (self._batches, settings.fresh, settings.frames, 3, settings.crop, settings.crop)
        self._clips = torch.empty(shape, dtype=torch.uint8, device=device)
        self._next: int | None = None

    def clips(self, step: int) -> Tensor:
        """uint8 [clips, t, 3, h, w] for a step, on the device."""
        if self._next != step:
            for number in range(step - self._batches + 1, step):
                self._render(number)
        self._render(step)
        self._next = step + 1
        generator = torch.Generator().manual_seed(self._settings.seed + 2 * step)
        flat = self._clips.flatten(0, 1)
        chosen = torch.randint(len(flat), (self._settings.clips,), generator=generator)
        turns = torch.randint(2, (self._settings.clips, 4), generator=generator).bool()
        colours = torch.stack([torch.randperm(3, generator=generator) for _ in range(self._settings.clips)])
        return torch.stack(
            [_turned(flat[i], how, order) for i, how, order in zip(chosen, turns, colours, strict=True)]
        )

    def _render(self, number: int) -> None:
        # Batches before the first step have negative numbers; the generator wants none.
        self._clips[number % self._batches] = self._renderer.batch(number + self._batches, self._settings.fresh)


def _turned(clip: Tensor, how: Tensor, colours: Tensor) -> Tensor:
    """A clip [t, 3, h, w] mirrored, transposed, backwards in time, with other colours."""
    axes = [axis for axis, wanted in zip((0, 2, 3), how[:3], strict=True) if wanted]
    clip = clip[:, colours.to(clip.device)].flip(axes)
    return clip.transpose(2, 3) if how[3] else clip
