"""Names of devices, held against what a machine has."""

from __future__ import annotations

import pytest
import torch

from worldprobe.errors import ConfigError
from worldprobe.execute.devices import device_for


@pytest.mark.parametrize(
    ("gpus", "wanted", "found"),
    [(0, "auto", "cpu"), (0, "cpu", "cpu"), (1, "auto", "cuda"), (1, "cuda:0", "cuda:0"), (2, "cuda:1", "cuda:1")],
)
def test_a_device_that_is_there_is_taken(
    monkeypatch: pytest.MonkeyPatch, gpus: int, wanted: str, found: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert device_for(wanted) == found


@pytest.mark.parametrize(
    ("gpus", "wanted", "message"),
    [
        (0, "cuda", "--device cuda was asked for, but torch finds no CUDA GPU"),
        (1, "cuda:1", "--device cuda:1 was asked for, and torch finds the GPUs cuda:0 here"),
        (4, "cuda:7", "finds the GPUs cuda:0 to cuda:3 here"),
        (1, "gpu", "no device 'gpu': use auto, cpu, cuda or cuda:N"),
    ],
)
def test_a_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, gpus: int, wanted: str, message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(ConfigError, match=message):
        device_for(wanted)
