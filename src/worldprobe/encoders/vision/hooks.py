"""What a model's blocks give, taken on its own forward's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


class _Enough(Exception):
    """The last block that was wanted is through."""


@dataclass  # without slots, which all threads would share
class _Pass(threading.local):
    """What one thread's pass wants, and what it has got."""

    last: int | None = -1
    blocks: set[int] = field(default_factory=set)
    taken: dict[int, Any] = field(default_factory=dict)


class Blocks:
    """A model's blocks, of which outputs can be had; passes of several threads may go on at once."""

    def __init__(self, blocks: Iterable[Any]) -> None:
        self._pass = _Pass()
        self.count = 0
        for block in blocks:
            block.register_forward_hook(self._hook(self.count))
            self.count += 1

    def outputs(
        self, run: Callable[[], Any], blocks: set[int], *, whole: bool = False
    ) -> tuple[Any, dict[int, Any]]:
        """What ``run`` gives, and each wanted block; stopped, with None, after the last one unless ``whole``."""
        now = self._pass
        now.last, now.blocks, now.taken = None if whole else max(blocks), blocks, {}
        given = None
        try:
            given = run()
        except _Enough:
            pass
        finally:
            found, now.taken, now.blocks, now.last = now.taken, {}, set(), None
        return given, found

    def _hook(self, index: int) -> Any:
        now = self._pass

        def taken(module: Any, inputs: Any, output: Any) -> None:
            if index in now.blocks:
                now.taken[index] = output[0] if isinstance(output, tuple) else output
            if index == now.last:
                raise _Enough

        return taken
