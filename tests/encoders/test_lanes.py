"""Passes side by side: at the same time, each on its share of the cores, with the figures of one pass."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from worldprobe.encoders.lanes import side_by_side
from worldprobe.encoders.vjepa2 import tiny


@pytest.fixture(params=[2, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def _in_a_new_thread() -> int:
    found: list[int] = []

    def look() -> None:
        torch.empty(1).add_(1)
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


def test_clips_run_at_the_same_time_each_on_its_share_and_come_back_in_order(threads: int) -> None:
    together = threading.Barrier(2)
    shares = []

    def one(part: torch.Tensor, blocks: set[int]) -> dict[int, torch.Tensor]:
        together.wait(timeout=900)  # is broken unless two are here at once
        shares.append((len(part), torch.get_num_threads()))
        return {block: part.float() + block for block in blocks}

    pixels = torch.arange(2, dtype=torch.uint8)[:, None]
    found = side_by_side(one, pixels, {0, 3})
    assert shares == [(1, threads // 2)] * 2
    assert found[3].tolist() == [[3.0], [4.0]]
    assert torch.get_num_threads() == _in_a_new_thread() == threads


def test_what_goes_wrong_in_one_is_raised_and_the_next_batch_runs(threads: int) -> None:
    def one(part: torch.Tensor, blocks: set[int]) -> dict[int, torch.Tensor]:
        if 1 in part:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return {0: part}

    pixels = torch.arange(3, dtype=torch.uint8)[:, None]
    with pytest.raises(RuntimeError, match="can't allocate"):
        side_by_side(one, pixels, {0})
    assert len(side_by_side(one, pixels[2:].repeat(3, 1), {0})[0]) == 3


def test_a_single_clip_has_all_cores(threads: int) -> None:
    def one(part: torch.Tensor, blocks: set[int]) -> dict[int, torch.Tensor]:
        return {0: torch.tensor([torch.get_num_threads()])}

    assert side_by_side(one, torch.zeros(1, 1, dtype=torch.uint8), {0})[0].item() == threads


def test_tokens_are_those_of_each_clip_alone(threads: int) -> None:
    encoder = tiny(device="cpu", precision="fp32")
    shape, last = (5, 4, 3, encoder.crop, encoder.crop), encoder.blocks - 1
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([encoder.forward(clip[None], {last})[last] for clip in pixels])
    found = encoder.tokens(pixels).flatten(1, 2)
    assert float((found - alone).norm() / alone.norm()) < 1e-5
