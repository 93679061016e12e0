"""What a run would take, before anything is paid for: clips, tokens, operations, bytes, time and price."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from worldprobe.config import Experiment
from worldprobe.errors import ConfigError
from worldprobe.files import write_whole
from worldprobe.pipeline.encoders import control_encoders, load_encoder, parse_blocks, twin_of
from worldprobe.pipeline.ledger import device_of
from worldprobe.pipeline.plan import plan_series
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import Encoder
from worldprobe.records import Clip
from worldprobe.store import Series, Store
from worldprobe.video.read import Video
from worldprobe.video.sample import read_clips

CALIBRATION_SECONDS = 10.0
EXPECTED = "expected.json"
_BYTES_PER_VALUE = 2  # the store keeps float16


@dataclass(frozen=True, slots=True)
class Estimate:
    """One encoder's part of a run. ``stored`` clips are in the store already and cost nothing.

    Attributes:
        tokens, gflop: of one clip; ``gflop`` is None where the encoder does not tell its operations.
        store_bytes: that the pending clips will take, before what compression there is.
        seconds: that they will take, by a calibration on this machine.
        price: of these seconds, None without a price per hour.
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

    @property
    def pending(self) -> int:
        return self.clips - self.stored


def estimate(
    experiment: Experiment,
    videos: Sequence[Path],
    store: Store,
    *,
    price: float | None = None,
    seconds: float = CALIBRATION_SECONDS,
) -> list[Estimate]:
    """What encoding would take with the experiment's encoder and with those of its controls. Nothing is stored.

    Each encoder is run on one of the pending clips for its share of ``seconds``, reading included, and the rate
    found is taken for all of them: rough where films differ much in size or codec.

    Args:
        price: of an hour of this machine.

    Raises:
        VideoError: a video cannot be opened.
        ConfigError: an experiment of the original protocol.
    """
    if experiment.protocol == "original":
        raise ConfigError('a dry run tells of the sound protocol only: leave out protocol = "original"')
    encoder = _load(experiment.encoder, experiment)
    blocks = parse_blocks(experiment.blocks, encoder.blocks)
    names = control_encoders(encoder.name, twin_of(encoder))
    controls = {control: name for control, name in names.items() if control in experiment.controls}
    each = seconds / (1 + len(controls))
    found = [_one(encoder, blocks, experiment, videos, store, price=price, seconds=each)]
    for control, name in controls.items():
        other, at = _load(name, experiment), blocks if control == "random-init" else [0]
        found.append(_one(other, at, experiment, videos, store, price=price, seconds=each))
    return found


def _load(name: str, experiment: Experiment) -> Encoder:
    return load_encoder(name, device=experiment.device, precision=experiment.precision)


def _one(
    encoder: Encoder,
    blocks: Sequence[int],
    experiment: Experiment,
    videos: Sequence[Path],
    store: Store,
    *,
    price: float | None,
    seconds: float,
) -> Estimate:
    clips = stored = 0
    per_clip: float | None = None
    width = 0
    for path, input in product(videos, experiment.inputs):
        with open_source(path) as video:
            series = plan_series(
                video, encoder, store, frames=experiment.frames, stride=experiment.stride,
                input=input, pool=experiment.pool,
            )  # fmt: skip
            pending = store.pending(series, blocks)
            clips, stored = clips + len(series.specs), stored + len(series.specs) - len(pending)
            if pending and per_clip is None:
                per_clip, width = _calibrated(encoder, blocks, video, series, pending[0], seconds)
    grid = encoder.grid(experiment.frames)
    kept = grid.time if experiment.pool == "space" else grid.tokens
    expected = (clips - stored) * (per_clip or 0.0)
    operations = getattr(encoder, "flop", None)
    return Estimate(
        encoder=encoder.name,
        device=device_of(encoder),
        videos=len(videos),
        clips=clips,
        stored=stored,
        tokens=grid.tokens,
        gflop=None if operations is None else operations(experiment.frames) / 1e9,
        store_bytes=(clips - stored) * kept * width * len(blocks) * _BYTES_PER_VALUE,
        seconds=expected,
        price=None if price is None else expected / 3600 * price,
    )


def _calibrated(
    encoder: Encoder, blocks: Sequence[int], video: Video, series: Series, index: int, seconds: float
) -> tuple[float, int]:
    """Seconds that one clip takes, reading and encoding, and the width of a token."""
    spec = [series.specs[index]]
    begun, width = time.perf_counter(), 0
    times: list[float] = []
    # The first round loads code and fills caches; it counts only where there is time for no other.
    while not times or (time.perf_counter() - begun < seconds and len(times) < 20):
        started = time.perf_counter()
        (clip,) = read_clips(video, spec, preprocess=encoder.preprocess, view=series.view)
        if not isinstance(clip, Clip):
            raise clip[1]
        width = next(iter(encoder.encode([clip], blocks=blocks).values())).shape[-1]
        times.append(time.perf_counter() - started)
    return float(np.median(times[1:] or times)), width


def as_lines(found: Sequence[Estimate]) -> list[str]:
    """For a terminal: a line for each encoder, and one for all."""
    lines = []
    for one in found:
        pflop = (one.gflop or 0.0) * one.pending / 1e6
        work = "" if one.gflop is None else f", {one.gflop:,.1f} GFLOP a clip, {pflop:.4f} PFLOP"
        lines.append(
            f"{one.encoder}: {one.pending:,} of {one.clips:,} clips to encode on {one.device}, {one.tokens:,} "
            f"tokens a clip{work}; {one.store_bytes / 1e6:,.0f} MB; about {_time(one.seconds)}{_price(one.price)}"
        )
    total = sum(one.seconds for one in found)
    prices = [one.price for one in found if one.price is not None]
    said = f"about {_time(total)}{_price(sum(prices) if prices else None)}"
    return [*lines, f"Encoding in all: {said}. Nothing was stored; the run will say how near this came."]


def foretell(out: Path, found: Sequence[Estimate]) -> None:
    """Keep in a run's folder what was expected, so that the run can say how near it came."""
    each = {one.encoder: one.seconds / one.pending for one in found if one.pending}
    if each:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / EXPECTED, json.dumps({"seconds_per_clip": each}, indent=2).encode())


def foretold(out: Path) -> dict[str, float]:
    """Seconds that a clip was expected to take, by encoder; none where no dry run went before."""
    try:
        return dict(json.loads((out / EXPECTED).read_bytes())["seconds_per_clip"])
    except (OSError, ValueError, KeyError, TypeError):  # a forecast that cannot be read is no reason to stop
        return {}


def as_facts(found: Sequence[Estimate]) -> list[dict[str, Any]]:
    """For machines."""
    return [asdict(one) for one in found]


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _price(price: float | None) -> str:
    return "" if price is None else f" ({price:.2f} at the price given)"
