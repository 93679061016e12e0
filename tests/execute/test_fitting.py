"""Batches that memory does not hold."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch

from worldprobe.errors import ConfigError
from worldprobe.execute.fitting import Fitting

FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
    # What the allocator of tensors does not hand out: kernels' own memory, pinned memory, a library's handle.
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]


@pytest.mark.parametrize("error", FULL, ids=lambda error: str(error)[:30])
def test_work_that_fills_memory_is_halved_until_it_fits(error: RuntimeError) -> None:
    tried = []

    def work(part: np.ndarray) -> float:
        tried.append(len(part))
        if len(part) > 2:
            raise error
        return float(part.sum())

    fitting = Fitting("some encoder", most=8, instead="Use less.")
    with pytest.warns(UserWarning, match="8 clips of some encoder at once are more than memory holds"):
        found = fitting.map(work, np.arange(8.0))
    assert (found, tried) == ([1.0, 5.0, 9.0, 13.0], [8, 4, 2, 2, 2, 2])
    assert fitting.most == 2, "what did not fit was not remembered"


def test_what_a_failed_batch_held_is_gone_when_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    given_back: list[bool] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: given_back.append(all(one() is None for one in held)))

    def work(part: range) -> int:
        activations = torch.zeros(len(part))
        held.append(weakref.ref(activations))
        if len(part) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return len(part)

    with pytest.warns(UserWarning, match="more than memory holds"):
        assert Fitting("some encoder", most=2, instead="").map(work, range(2)) == [1, 1]
    assert given_back == [True]


def test_one_clip_that_memory_does_not_hold_is_an_error_and_so_is_any_other_failure() -> None:
    fitting = Fitting("some encoder", most=1, instead="Use less.")

    def failing(error: RuntimeError) -> None:
        def work(_: range) -> None:
            raise error

        fitting.map(work, range(3))

    with pytest.raises(ConfigError, match=r"does not hold one clip of some encoder \(CUDA out of memory.*Use less"):
        failing(FULL[0])
    with pytest.raises(RuntimeError, match="device-side assert"):
        failing(RuntimeError("CUDA error: device-side assert triggered"))
