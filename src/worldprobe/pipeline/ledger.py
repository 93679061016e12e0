"""What each stage of a run cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from worldprobe import provenance
from worldprobe.protocols import Encoder
from worldprobe.results import CostResult


@dataclass(slots=True)
class Ledger:
    """What each stage cost, in wall seconds."""

    costs: list[CostResult] = field(default_factory=list)

    def book(self, stage: str, *, started: float, items: int, device: str, price: float | None = None) -> None:
        """Write down a stage that began at ``time.perf_counter()`` = ``started``."""
        seconds = time.perf_counter() - started
        self.costs.append(
            CostResult(
                stage=stage,
                seconds=round(seconds, 3),
                items=items,
                items_per_second=round(items / seconds, 3) if seconds else 0.0,
                peak_rss_bytes=provenance.peak_rss_bytes(),
                device=device,
                price=None if price is None else round(price, 4),
            )
        )


def device_of(encoder: Encoder) -> str:
    """Where an encoder computes."""
    return str(getattr(encoder, "device", "cpu"))
