"""What a device computes is what a CPU computes in float32, to within what transformers' own modules round."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import numpy as np
import pytest
import torch
from tests.builders.decoder_training import Blobs, module, run
from torch._dynamo.exc import BackendCompilerFailed, TorchDynamoException
from torch._inductor.exc import InductorError
from transformers import VJEPA2Config, VJEPA2Model

from worldprobe.encoders import forward
from worldprobe.encoders.forward import Forward, rotated, rotations, turned
from worldprobe.encoders.preprocess import normalize
from worldprobe.encoders.vjepa2 import tiny
from worldprobe.errors import ConfigError
from worldprobe.execute.fitting import Fitting
from worldprobe.predictors.vjepa2 import VJEPA2Predictor
from worldprobe.probes.attentive import AttentiveProbe

# Two orders of the same sums in bfloat16 differ from each other by less than this share of either's error.
SLACK = 1.1


@pytest.fixture(autouse=True)
def exact_products() -> Any:
    """TF32, by default the numbers of a GPU's convolutions, would hide what is to be compared."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    yield
    matmul.allow_tf32, cudnn.allow_tf32 = before


def distance(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.float().cpu() - wanted).norm() / wanted.norm())


def films(clips: int, frames: int, crop: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand((clips * frames, 3, 8, 8), generator=generator) * 255
    fine = torch.nn.functional.interpolate(coarse, size=(crop, crop), mode="bilinear")
    return fine.to(torch.uint8).unflatten(0, (clips, frames))


def model_with_strong_attention() -> VJEPA2Model:
    torch.manual_seed(0)
    config = VJEPA2Config(crop_size=64, num_hidden_layers=4, hidden_size=256, num_attention_heads=4)
    model = VJEPA2Model(config).eval()
    for layer in model.encoder.layer:  # fresh weights are so small that no error in attention would show
        for part in (layer.attention.query, layer.attention.key):
            torch.nn.init.normal_(part.weight, std=0.2)
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_forward_is_no_farther_from_float32_than_transformers_is(device: str, dtype: torch.dtype) -> None:
    if device == "cpu" and dtype == torch.float16:
        pytest.skip("float16 is for GPUs")
    model, pixels = model_with_strong_attention(), films(3, 8, 64)
    with torch.inference_mode():
        exact = model(normalize(pixels), skip_predictor=True).last_hidden_state
        theirs = copy.deepcopy(model).to(device, dtype)
        rounded = theirs(normalize(pixels).to(device, dtype), skip_predictor=True).last_hidden_state
    ours = Forward(copy.deepcopy(model.encoder), device=device, dtype=dtype)

    found = ours(pixels.to(device), {3})[3]

    bar = 2e-5 if dtype == torch.float32 else SLACK * distance(rounded, exact)
    assert distance(found, exact) < bar


def test_rotation_in_one_step_is_rotation(device: str) -> None:
    x = torch.randn(2, 512, 16, 64, generator=torch.Generator().manual_seed(0)).to(device, torch.bfloat16)
    tables = rotations(512, 16, 64, torch.device(device))
    # On a GPU ``turned`` is the compiled kernel; on a CPU it goes a few tokens at a time.
    torch.testing.assert_close(turned(x, *tables), rotated(x, *tables))


class Refusing:
    """A ``torch.compile`` that fails: at once, or when what it made is first called."""

    def __init__(self, error: Exception, *, at_once: bool = False) -> None:
        self.error, self.at_once, self.calls = error, at_once, 0

    def __call__(self, function: Any, **_: object) -> Any:
        if self.at_once:
            self.refuse()
        return self.refuse

    def refuse(self, *_: object) -> Any:
        self.calls += 1
        raise self.error


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        (Refusing(TorchDynamoException("Cannot find a working triton installation\nmore")), "working triton"),
        (Refusing(InductorError(CalledProcessError(1, ["gcc"]), None)), "Command .*gcc"),  # no Python.h
        (Refusing(BackendCompilerFailed(print, KeyError("getpwuid(): uid not found: 1000"), None)), "getpwuid"),
        (Refusing(RuntimeError("torch.compile is not supported here"), at_once=True), "not supported here"),
    ],
    ids=["triton", "headers", "home", "python"],
)
def test_a_kernel_that_cannot_be_compiled_is_said_once_and_done_without(
    monkeypatch: pytest.MonkeyPatch, compiler: Refusing, said: str
) -> None:
    monkeypatch.setattr(torch, "compile", compiler)
    x, tables = torch.randn(1, 8, 4, 16), rotations(8, 2, 16, torch.device("cpu"))
    run_once = forward._fused.__wrapped__()
    with pytest.warns(UserWarning, match=f"makes no kernel here \\(.*{said}.*\\): going on"):
        first = run_once(x, *tables)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = run_once(x, *tables)
    for found in (first, second):
        torch.testing.assert_close(found, turned(x, *tables))


def test_memory_that_a_compiler_finds_full_is_no_reason_to_do_without_a_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiler = Refusing(InductorError(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), None))
    monkeypatch.setattr(torch, "compile", compiler)
    x, tables = torch.randn(2, 8, 4, 16), rotations(8, 2, 16, torch.device("cpu"))
    kernel = forward._fused.__wrapped__()
    with pytest.warns(UserWarning, match="going on with 1"), pytest.raises(ConfigError, match="one clip"):
        Fitting("some encoder", most=2, instead="").map(lambda clips: kernel(clips, *tables), x)
    assert compiler.calls == 2, "it was not tried again with a smaller batch"


@pytest.mark.parametrize("mode", ["joint", "rolling"])
def test_the_predictor_tells_the_same_future(device: str, mode: Any) -> None:
    pixels = films(2, 16, 64)
    here, there = (
        VJEPA2Predictor.from_encoder(tiny(device=one, precision="fp32")).predict(
            pixels.to(one), context=4, horizon=4, mode=mode
        )
        for one in ("cpu", device)
    )
    assert np.linalg.norm(there - here) < 1e-4 * np.linalg.norm(here)


@pytest.mark.parametrize("name", ["cnn", "flow"])
def test_a_decoder_draws_the_same_frames(device: str, name: str) -> None:
    if name == "flow":
        pytest.importorskip("diffusers", reason="needs diffusers (extra [flow])")
    tokens = torch.from_numpy(Blobs().read(0)[0].astype(np.float32))
    drawn = []
    for one in ("cpu", device):
        made = module(name).eval().to(one)
        # A flow's samples begin with noise, which each device draws in its own way.
        draw = made.mean if name == "flow" else made
        with torch.inference_mode():
            drawn.append(draw(tokens.to(one)).cpu())
    torch.testing.assert_close(drawn[1], drawn[0], atol=2e-3, rtol=0)


def test_a_decoder_learns_in_half_precision(device: str, tmp_path: Path) -> None:
    precision = "bf16" if device == "cuda" else "fp32"
    made, course = run(tmp_path / "checkpoint", device=device, precision=precision, steps=60)
    assert next(made.parameters()).device.type == device
    assert course.losses[-1].validation < course.losses[0].validation


def test_the_attentive_probe_reads_the_same_from_tokens(device: str) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((160, 6, 32)).astype(np.float32)
    target = tokens.mean(axis=1)[:, :2].astype(np.float64) * 3
    unit = np.repeat(np.arange(40), 4)
    here, there = (
        AttentiveProbe(epochs=4, device=one).fit(tokens[:120], target[:120], unit[:120]).predict(tokens[120:])
        for one in ("cpu", device)
    )
    assert np.corrcoef(here[:, 0], there[:, 0])[0, 1] > 0.999
