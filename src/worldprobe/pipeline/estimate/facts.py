"""What a stage of a run would take, for a terminal, for machines, and for the run that follows."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from worldprobe.io.files import write_whole
from worldprobe.pipeline.ledger import EXPECTED

_MOST_ROUNDS = 20
StageName = Literal["encode", "label", "probe", "predict", "train"]
ALL_STAGES: tuple[StageName, ...] = get_args(StageName)
_DOING: dict[StageName, str] = {
    "encode": "to encode",
    "label": "to label",
    "probe": "of probes",
    "predict": "to tell",
    "train": "of training",
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """One encoder's part of a run, or what else a stage does. ``stored`` clips are there already and cost nothing.

    Attributes:
        encoder: its name; the labeller's, the decoder's folder, or what probes are fitted for.
        clips: how many there are of ``unit``.
        tokens, gflop: of one clip, window or step; ``gflop`` is None where nobody tells the operations.
        store_bytes: that the pending clips will take, before what compression there is.
        seconds: that they will take, by a calibration on this machine.
        price: of these seconds, None without a price per hour.
        stage, unit: what is done, to what: clips are encoded, frames labelled, probes fitted, windows told, steps
            trained.
        scratch_bytes: on the disk for as long as the stage lasts.
        width: values of a token at one block, where they were found out.
        items: that the run books for each of ``unit``.
        most: whether the run may do with less.
        memory_bytes: of weights, their gradients and moments, and what a step keeps for them, where it was counted.
        rented, rented_seconds, rented_price: a GPU elsewhere, and what the operations would take there.
    """

    encoder: str
    device: str
    videos: int
    clips: int
    stored: int
    tokens: int
    gflop: float | None
    store_bytes: int
    seconds: float
    price: float | None
    stage: StageName = "encode"
    unit: str = "clips"
    scratch_bytes: int = 0
    width: int = 0
    items: int = 1
    most: bool = False
    memory_bytes: int = 0
    rented: str = ""
    rented_seconds: float | None = None
    rented_price: float | None = None

    @property
    def pending(self) -> int:
        return self.clips - self.stored

    @property
    def booked_as(self) -> str:
        """What the run's ledger knows it by: an encoder by its name alone."""
        return self.encoder if self.stage == "encode" else f"{self.stage} {self.encoder}"


def priced(seconds: float, price: float | None) -> float | None:
    """What so many seconds cost at a price per hour."""
    return None if price is None else seconds / 3600 * price


def timed(work: Callable[[], Any], seconds: float) -> float:
    """The median time of a piece of work, done again for so many seconds.

    The first round loads code and fills caches; it counts only where there is time for no other.
    """
    begun, times = time.perf_counter(), list[float]()
    while not times or (time.perf_counter() - begun < seconds and len(times) < _MOST_ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:] or times)


def as_lines(found: Sequence[Estimate], *, alone: bool = False) -> list[str]:
    """For a terminal: a line for each part, and one for all; ``alone``: of a command that nothing follows."""
    lines = [_line(one) for one in found]
    total = sum(one.seconds for one in found)
    prices = [one.price for one in found if one.price is not None]
    estimate = f"about {_time(total)}{_price(sum(prices) if prices else None)}"
    what = "Encoding" if {one.stage for one in found} == {"encode"} else "This"
    probed = any(one.stage == "probe" for one in found)
    rest = "the report comes" if probed else "probing and the report come"
    end = f"; {rest} on top. Nothing was stored; the run will say how near this came."
    if alone:
        end = ". Nothing was stored; other work on this machine makes it longer."
    return [*lines, f"{what} in all: {estimate}{end}", *_elsewhere(found)]


def _elsewhere(found: Sequence[Estimate]) -> list[str]:
    """What is counted in operations on a GPU that is rented, and what is not."""
    there = [one for one in found if one.rented_seconds is not None]
    if not there:
        return []
    price = [one.rented_price for one in there if one.rented_price is not None]
    each = ", ".join(f"{one.booked_as} {_time(one.rented_seconds or 0.0)}" for one in there)
    total = sum(one.rented_seconds or 0.0 for one in there)
    cost = f" ({sum(price):.2f} dollars)" if price else ""
    return [
        f"On a rented {there[0].rented}, at a quarter of the operations that are printed on it (bf16, dense), "
        "and 20 ms a step of training at least: "
        f"about {_time(total)}{cost}: {each}. Reading videos, labels and probes come on top; nothing was "
        "measured there."
    ]


def _line(one: Estimate) -> str:
    pflop = (one.gflop or 0.0) * one.pending / 1e6
    each = one.unit.removesuffix("s")
    tokens = f", {one.tokens:,} tokens a {each}" if one.tokens else ""
    work = "" if one.gflop is None else f", {one.gflop:,.1f} GFLOP a {each}, {pflop:.4f} PFLOP"
    stored = f"; {one.store_bytes / 1e6:,.0f} MB" if one.stage == "encode" else ""
    scratch = f"; {one.scratch_bytes / 1e6:,.0f} MB of disk meanwhile" if one.scratch_bytes else ""
    of = f" of {one.clips:,}" if one.stage == "encode" else ""
    most = "at most " if one.most else ""
    memory = f"; {one.memory_bytes / 1e9:,.1f} GB of memory" if one.memory_bytes else ""
    return (
        f"{one.encoder}: {most}{one.pending:,}{of} {one.unit} {_DOING[one.stage]} on {one.device}{tokens}{work}"
        f"{stored}{scratch}{memory}; about {_time(one.seconds)}{_price(one.price)}"
    )


def foretell(out: Path, found: Sequence[Estimate]) -> None:
    """Keep in a run's folder what was expected, so that the run can say how near it came."""
    each = {one.booked_as: one.seconds / one.pending / one.items for one in found if one.pending}
    if each:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / EXPECTED, json.dumps({"seconds_per_clip": each}, indent=2).encode())


def as_facts(found: Sequence[Estimate]) -> list[dict[str, Any]]:
    """For machines."""
    return [asdict(one) for one in found]


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _price(price: float | None) -> str:
    return "" if price is None else f" ({price:.2f} at the price given)"
