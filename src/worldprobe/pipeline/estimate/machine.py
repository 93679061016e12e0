"""What this machine can do, measured in seconds: its rates, and how fast the known encoders would go."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from worldprobe.encoders import checkpoint, known
from worldprobe.encoders.forward import Forward
from worldprobe.encoders.vjepa2 import VJEPA2Encoder

if TYPE_CHECKING:
    from transformers import VJEPA2Config

_FRAMES = 16
_SIDE = {"cpu": 2048, "cuda": 8192}
_COPIED = 2**27  # bytes: more than any cache holds
_LEAST_REPEATS = 3
# The larger ones go as ViT-L does, by their operations: their blocks alone would take longer than a doctor may.
_MEASURED = (known.TINY, "facebook/vjepa2-vitl-fpc64-256")


@dataclass(frozen=True, slots=True)
class Rates:
    """Of a large matrix product (multiplications and additions apart), and of a copy (read and written)."""

    device: str
    precision: str
    gflop_per_second: float
    gbyte_per_second: float


@dataclass(frozen=True, slots=True)
class Speed:
    """A known encoder on clips of 16 frames: operations and seconds of one, reading apart.

    ``utilisation`` is the share of the matrix rate; where it was not ``measured`` it is that of ViT-L.
    ``price_per_hour_of_video`` is that of consecutive clips at 30 frames a second; None without a price.
    """

    encoder: str
    tokens: int
    gflop: float
    seconds: float
    utilisation: float
    measured: bool
    price_per_hour_of_video: float | None

    @property
    def frames_per_second(self) -> float:
        return _FRAMES / self.seconds


def calibrate(*, seconds: float = 10.0, price: float | None = None) -> tuple[Rates, list[Speed]]:
    """Measure for about so many seconds, on the device and in the precision that encoding takes by itself.

    The blocks of a model are alike, so a clip is timed on the first one and on the first two, with random weights:
    their difference times the number of blocks is the whole model, which need not fit in memory for that.

    Args:
        price: of an hour of this machine.
    """
    share = seconds / (1 + len(_MEASURED))
    rates: Rates | None = None
    speeds: list[Speed] = []
    for name in known.names():
        config = known.config_of(name)
        assert config is not None
        tokens = _FRAMES // config.tubelet_size * (config.crop_size // config.patch_size) ** 2
        gflop, depth = _gflop(config, tokens), int(config.num_hidden_layers)
        if name in _MEASURED:
            config.num_hidden_layers, config.pred_num_hidden_layers = 2, 1
            encoder = VJEPA2Encoder(checkpoint.fresh(config, seed=0), name=name, revision="", status="untrained")
            rates = rates or _rates(encoder, share)
            one, two = _clip(encoder, share)
            took = one + max(two - one, 0.0) * (depth - 1)
        else:
            assert rates is not None
            took = gflop / (speeds[-1].utilisation * rates.gflop_per_second)
        utilisation = gflop / took / rates.gflop_per_second
        of_video = None if price is None else 30 / _FRAMES * took * price
        speeds.append(Speed(name, tokens, gflop, took, utilisation, name in _MEASURED, of_video))
    assert rates is not None
    return rates, speeds


def _rates(encoder: VJEPA2Encoder, seconds: float) -> Rates:
    """Where, and in what, the encoder computes."""
    import torch

    device = encoder.device
    side = _SIDE.get(device.partition(":")[0], _SIDE["cpu"])
    a, b = (torch.randn(side, side, device=device, dtype=encoder.forward.dtype) for _ in range(2))
    source = torch.zeros(_COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    product = _median(lambda: a @ b, device, seconds / 2)
    copy = _median(lambda: target.copy_(source), device, seconds / 2)
    return Rates(device, encoder.precision, 2 * side**3 / product / 1e9, 2 * _COPIED / copy / 1e9)


def _gflop(config: VJEPA2Config, tokens: int) -> float:
    """Of one clip through the whole model: shapes are enough to tell."""
    import torch

    with torch.device("meta"):
        encoder = checkpoint.bare(config).encoder
        return Forward(encoder, device="meta", dtype=torch.bfloat16).flop(tokens) / 1e9


def _clip(encoder: VJEPA2Encoder, seconds: float) -> tuple[float, float]:
    """Seconds of a clip through one block and through two."""
    import torch

    side = encoder.crop
    pixels = torch.zeros((1, _FRAMES, 3, side, side), dtype=torch.uint8, device=encoder.device)
    one, two = (_median(partial(encoder.forward, pixels, {last}), encoder.device, seconds / 2) for last in (0, 1))
    return one, two


def _median(work: Callable[[], Any], device: str, seconds: float) -> float:
    """Of calls for about so many seconds, three at least, after one that warms up."""
    import torch

    times: list[float] = []
    begun = time.perf_counter()
    while len(times) <= _LEAST_REPEATS or time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def as_lines(rates: Rates, speeds: list[Speed]) -> list[str]:
    """For a terminal."""
    lines = [
        f"rates      {rates.gflop_per_second:,.0f} GFLOP/s in {rates.precision} products, "
        f"{rates.gbyte_per_second:.1f} GB/s of memory, on {rates.device}",
        f"encoding   clips of {_FRAMES} frames, random weights, reading apart:",
    ]
    for one in speeds:
        price = one.price_per_hour_of_video
        lines.append(
            f"  {one.encoder:32} {one.tokens:5,} tokens {one.gflop:8,.0f} GFLOP {one.seconds:8.2f} s a clip "
            f"{one.frames_per_second:8.1f} frames/s "
            + (f"{one.utilisation:4.0%} of the rate" if one.measured else "by its operations")
            + ("" if price is None else f", {price:.2f} an hour of video")
        )
    return lines
