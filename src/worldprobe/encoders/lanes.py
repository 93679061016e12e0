"""Clips of a batch side by side on a CPU's cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from worldprobe.execute.heap import keep_freed_memory

if TYPE_CHECKING:
    from torch import Tensor

Pass = Callable[..., Mapping[int, "Tensor"]]


def side_by_side(one: Pass, pixels: Tensor, blocks: set[int]) -> dict[int, Tensor]:
    """``one(pixels, blocks)``, on a CPU as several passes at a time, each over some of the clips on its cores.

    The threads of one operation wait for the slowest of them at its end, hundreds of times a pass: for each other,
    and for whatever else one of their cores does, such as reading the next clips. Clips need nothing of each other.

    Args:
        one: takes uint8 [B, t, 3, h, w] and the blocks, gives tokens [B, N, D] for each of them.
        pixels: uint8 [B, t, 3, h, w].

    Raises:
        whatever ``one`` raises.
    """
    import torch

    if pixels.device.type == "cpu":
        keep_freed_memory()
    threads = torch.get_num_threads()
    lanes = min(threads, len(pixels)) if pixels.device.type == "cpu" else 1
    if lanes < 2:
        return dict(one(pixels, blocks))
    parts = list(_pool(lanes, threads).map(lambda part: one(part, blocks), pixels.tensor_split(lanes)))
    return {block: torch.cat([part[block] for part in parts]) for block in parts[0]}


@lru_cache(maxsize=1)
def _pool(lanes: int, threads: int) -> ThreadPoolExecutor:
    """So many threads, each with its share of ``threads`` for what torch does in it."""
    import torch

    everyone = threading.Barrier(lanes)

    def begin(_: Any) -> None:
        torch.get_num_threads()  # takes over the process's number, once a thread: now, not at the first pass
        torch.set_num_threads(threads // lanes)
        everyone.wait()

    pool = ThreadPoolExecutor(lanes, thread_name_prefix="lane")
    list(pool.map(begin, range(lanes)))
    torch.set_num_threads(threads)  # a thread's number is also what later threads begin with
    return pool
