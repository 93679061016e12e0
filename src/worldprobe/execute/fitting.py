"""Work in parts that memory holds: halved when it runs out, and not tried at that size again."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from worldprobe.errors import ConfigError, out_of_memory

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
                if not out_of_memory(error):
                    raise
                if len(part) == 1:
                    raise ConfigError(
                        f"memory does not hold one clip of {self.name} ({str(error).splitlines()[0]}). "
                        f"{self._instead}"
                    ) from error
            else:
                start += len(part)
                continue
            self._halve(len(part))  # here the error has gone, and with it what its frames held of the batch
        return found

    def _halve(self, tried: int) -> None:
        import torch

        self.most = tried // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        warnings.warn(
            f"{tried} clips of {self.name} at once are more than memory holds: going on with {self.most}.",
            stacklevel=4,
        )
