"""What stage 2 learns from: clips that the frozen encoder has encoded once, in half precision.

The context is whole frames, encoded alone, as ``worldprobe predict`` does it; the goal is the whole clip's tokens.
Encoding is most of a step's cost, and every clip is met again several times, asked of other tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from recipes.pretrain_tiny import masks
from recipes.pretrain_tiny.objective import encode, latents, patches
from recipes.pretrain_tiny.pool import Pool
from recipes.pretrain_tiny.settings import Settings
from torch import Tensor, nn

from worldprobe.encoders.preprocess import normalize

# So many steps' clips share a number of context tubelets: a step draws its clips from one group.
_GROUP = 4
_HALF = 0.75  # of the groups see the first half of their clips, the others 2 tubelets to all but two


@dataclass(frozen=True, slots=True)
class Batch:
    """A step's context [b, k, d] with its token indices, and the goal [b, m, d] at those asked for."""

    context: Tensor
    context_ids: Tensor
    goal: Tensor
    asked_ids: Tensor


class Frozen:
    """``settings.encoded`` clips, drawn from the pool as steps after stage 1's are, and encoded."""

    @torch.no_grad()
    def __init__(self, settings: Settings, encoder: nn.Module, pool: Pool, device: str) -> None:
        self._settings, self._device = settings, device
        self._groups: list[tuple[Tensor, Tensor]] = []
        cells, side = settings.side**2, settings.side
        for group in range(max(1, settings.encoded // (_GROUP * settings.clips))):
            known = self._known(group)
            contexts, goals = [], []
            for number in range(_GROUP):
                clips = pool.clips(settings.first + _GROUP * group + number)
                cut = patches(normalize(clips), side=side)
                ids = torch.arange(known * cells, device=device).expand(len(cut), -1)
                contexts.append(encode(encoder, cut, ids, side=side).half().cpu())
                goals.append(latents(encoder, cut, side=side).half().cpu())
            with torch.autocast("cpu", enabled=False):  # in bf16, which some processors have, it joins no fp16
                self._groups.append((torch.cat(contexts), torch.cat(goals)))

    def batch(self, step: int) -> Batch:
        """What a step learns from, the same for the same step."""
        settings = self._settings
        generator = torch.Generator().manual_seed(settings.seed + 2 * step + 1)
        contexts, goals = self._groups[int(torch.randint(len(self._groups), (), generator=generator))]
        rows = torch.randperm(len(contexts), generator=generator)[: settings.clips]
        context, goal = contexts[rows].float(), goals[rows].float()
        seen, cells = context.shape[1], settings.side**2
        last = F.layer_norm(context[:, -cells:], context.shape[-1:]).repeat(1, settings.tubelets - seen // cells, 1)
        moved = (goal[:, seen:] - last).abs().mean(-1)
        asked = seen + masks.most_moved(generator, moved, settings.most[1])
        wanted = goal.gather(1, asked[..., None].expand(-1, -1, goal.shape[-1]))
        ids = torch.arange(seen).expand(len(context), -1)
        return Batch(*(part.to(self._device) for part in (context, ids, wanted, asked)))

    def _known(self, group: int) -> int:
        """How many tubelets a group's context has."""
        generator = torch.Generator().manual_seed(self._settings.seed + group)
        tubelets = self._settings.tubelets
        if float(torch.rand((), generator=generator)) < _HALF:
            return tubelets // 2
        return int(torch.randint(2, max(3, tubelets - 1), (), generator=generator))
