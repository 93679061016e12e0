"""What each stage of a run cost."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worldprobe import provenance
from worldprobe.protocols import Encoder, Executor
from worldprobe.records import VideoRef
from worldprobe.results import CostResult


@dataclass(slots=True)
class Ledger:
    """What each stage cost, in wall seconds; how many clips there were, and which machines worked for this one.

    ``videos`` are those that were encoded, by id; ``expected`` is the seconds that a dry run foretold for one clip
    of each encoder, by name. ``network`` is what the encoder tells of itself (``encoders.network``).
    """

    costs: list[CostResult] = field(default_factory=list)
    clips: dict[str, int] = field(default_factory=dict)
    workers: list[dict[str, Any]] = field(default_factory=list)
    terms: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, float] = field(default_factory=dict)
    videos: dict[str, VideoRef] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)

    def by(self, executor: Executor | None) -> Ledger:
        """Write down who works, and at what price."""
        self.terms = dict(getattr(executor, "terms", {}))
        return self

    def note(self, *, made: int, found: int, workers: Sequence[dict[str, Any]] = ()) -> None:
        """Write down clips that were made now and found in the store, and the machines that made them elsewhere."""
        self.clips = {"made": self.clips.get("made", 0) + made, "found": self.clips.get("found", 0) + found}
        self.workers += [one for one in workers if one not in self.workers]

    def book(
        self,
        stage: str,
        *,
        started: float,
        items: int,
        device: str,
        price: float | None = None,
        each: float | None = None,
    ) -> None:
        """Write down a stage that began at ``time.perf_counter()`` = ``started``.

        Args:
            each: seconds that were foretold for an item, where they were.
        """
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
                expected_seconds=None if each is None or not items else round(each * items, 3),
            )
        )


def device_of(encoder: Encoder) -> str:
    """Where an encoder computes."""
    return str(getattr(encoder, "device", "cpu"))


EXPECTED = "expected.json"


def foretold(out: Path) -> dict[str, float]:
    """Seconds that an item was expected to take, by what books it; none where no dry run went before."""
    try:
        written = json.loads((out / EXPECTED).read_bytes())["seconds_per_clip"].items()
        return {str(name): float(seconds) for name, seconds in written}
    # A forecast that cannot be read is no reason to stop.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
