"""Clips to train on: a pool that is rendered once and kept on the disk, drawn from with symmetries and other light.

Everything follows from the seed and the step's number, so a run that goes on from a checkpoint sees the
very clips that it would have seen.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from recipes.pretrain_tiny.scenes import VERSION, Renderer
from recipes.pretrain_tiny.settings import Settings
from torch import Tensor

from worldprobe.io.files import replacing

_BATCH = 32


class Pool:
    """The clips of a step: of ``settings.pool`` that lie in ``folder``, rendered there if they do not yet."""

    def __init__(self, settings: Settings, folder: Path, device: str) -> None:
        self._settings, self._device = settings, device
        name = f"pool-{VERSION}-{settings.seed}-{settings.pool}x{settings.frames}x{settings.crop}.npy"
        self.path = folder / name
        if not self.path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._render()
        self._clips = np.load(self.path, mmap_mode="r")

    def clips(self, step: int) -> Tensor:
        """uint8 [clips, t, 3, h, w] for a step, on the device."""
        count = self._settings.clips
        generator = torch.Generator().manual_seed(self._settings.seed + 2 * step)
        chosen = torch.randint(len(self._clips), (count,), generator=generator)
        turns = torch.randint(2, (count, 4), generator=generator).bool()
        colours = torch.stack([torch.randperm(3, generator=generator) for _ in range(count)])
        contrast = torch.exp(0.5 * torch.rand(count, generator=generator) - 0.35)
        brightness = 40 * torch.rand(count, generator=generator) - 10
        drawn = zip(chosen, turns, colours, strict=True)
        clips = torch.stack(
            [_turned(torch.from_numpy(self._clips[i].copy()), how, order) for i, how, order in drawn]
        )
        one = (count, 1, 1, 1, 1)
        lit = clips.to(self._device) * contrast.view(one).to(self._device) + brightness.view(one).to(self._device)
        return lit.clamp_(0, 255).to(torch.uint8)

    def _render(self) -> None:
        settings = self._settings
        renderer = Renderer(settings.crop, settings.frames, settings.seed, self._device)
        shape = (settings.pool, settings.frames, 3, settings.crop, settings.crop)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        with replacing(self.path) as temporary, temporary.open("wb") as file:
            np.lib.format.write_array_header_2_0(file, header)
            for number, start in enumerate(range(0, settings.pool, _BATCH)):
                some = renderer.batch(number, min(_BATCH, settings.pool - start))
                file.write(some.cpu().numpy().tobytes())
                if number % 20 == 0:
                    sys.stderr.write(f"rendered {start:,} of {settings.pool:,} clips\n")


def _turned(clip: Tensor, how: Tensor, colours: Tensor) -> Tensor:
    """A clip [t, 3, h, w] mirrored, transposed, backwards in time, with other colours."""
    axes = [axis for axis, wanted in zip((0, 2, 3), how[:3], strict=True) if wanted]
    clip = clip[:, colours].flip(axes)
    return clip.transpose(2, 3) if how[3] else clip
