"""Where these tests run: here and, where torch finds one, on a GPU. What says nothing of a CPU takes ``gpu``."""

import pytest
import torch

NONE = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=NONE)])
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def gpu() -> str:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA GPU")
    return "cuda"
