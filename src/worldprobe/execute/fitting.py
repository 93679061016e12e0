"""Work in parts that memory holds: halved when it runs out, and not tried at that size again."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from worldprobe.errors import ConfigError

Value = TypeVar("Value")


class Fitting:
    """Works on clips, as many at once as memory has allowed so far.

    Args:
        name: of the encoder, for what is said.
        most: clips at once to begin with.
        instead: what to try where not even one fits.
    """

    def __init__(self, name: str, *, most: int, instead: str) -> None:
        self.name, self.most, self._instead = name, most, instead

    def map(self, work: Callable[[Any], Value], clips: Any) -> list[Value]:
        """What ``work`` makes of the clips (a sequence, or an array [n, ...]), a slice of them at a time, in order.

        Raises:
            ConfigError: not even one clip fits.
        """
        found: list[Value] = []
        start = 0
        while start < len(clips):
            part = clips[start : start + self.most]
            try:
                found.append(work(part))
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                self._halve(len(part), error)
                continue
            start += len(part)
        return found

    def _halve(self, tried: int, error: RuntimeError) -> None:
        import torch

        if tried == 1:
            raise ConfigError(
                f"memory does not hold one clip of {self.name} ({str(error).splitlines()[0]}). {self._instead}"
            ) from error
        self.most = tried // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        warnings.warn(
            f"{tried} clips of {self.name} at once are more than memory holds: going on with {self.most}.",
            stacklevel=4,
        )


def _is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    # On a CPU torch raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator: " in str(error)
