"""What is counted in operations would take on a GPU that is not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worldprobe.errors import ConfigError
from worldprobe.execute.modal import PRICES
from worldprobe.pipeline.estimate.facts import Estimate

# As printed by their maker, dense, of 16 bits, in 10^12 operations a second; a multiply-add is two.
_PRINTED = {"T4": 65, "L4": 121, "A10G": 125, "L40S": 362, "A100-80GB": 312, "H100": 989}
# Of which networks such as these keep about a quarter (docs/howto/scale.md).
_SUSTAINED = 0.25
# Seconds: a small network's step is spent on starting its kernels and moving its data, not on operations.
LEAST_STEP = 0.02


def on_rented(found: Sequence[Estimate], gpu: str, *, price: float | None = None) -> list[Estimate]:
    """Add to what has operations how long they take on a GPU, and at ``price`` an hour (or the list's) how much.

    Raises:
        ConfigError: a GPU of which nothing is known here.
    """
    if gpu not in _PRINTED:
        raise ConfigError(f"--dry-run knows nothing of a GPU {gpu!r}: it knows {', '.join(_PRINTED)}")
    rate, hour = _PRINTED[gpu] * 1e3 * _SUSTAINED, PRICES[gpu] if price is None else price

    def there(one: Estimate) -> Estimate:
        if one.gflop is None:
            return one
        each = max(one.gflop / rate, LEAST_STEP if one.stage == "train" else 0.0)
        seconds = each * one.pending
        return replace(one, rented=gpu, rented_seconds=seconds, rented_price=seconds / 3600 * hour)

    return [there(one) for one in found]
