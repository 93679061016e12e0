"""Checks for third parties' plug-ins: are the promises of ``worldprobe.protocols`` kept?

Call them from your own tests: ``check_encoder(Mine())``. Each raises AssertionError with one sentence on what is
wrong and what was expected; none needs a network or a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.plugins.promises import labels_problem
from worldprobe.protocols import Decoder, Encoder, FrameSource, Labeller, Probe, TokenProbe
from worldprobe.records import Clip, ClipSpec, DecoderShape, VideoRef

if TYPE_CHECKING:
    from worldprobe.predictors.leak import Predicts

_SIZE = (96, 64)
# Rows, columns and classes of what probes are tried on; of the classes the last never occurs.
_ROWS, _WIDTH, _CLASSES = 60, 5, 4


def check_encoder(encoder: Encoder, *, frames: int = 16) -> None:
    """Encode clips of noise, and hold what comes against ``protocols.Encoder``.

    Checked: attributes; that ``view`` and ``preprocess`` agree on the size; shape float16 [b, t', h', w', d] as
    ``grid`` says, at every requested block; finite values; the same values twice; that the tokens of a clip do not
    depend on the other clips of its batch, up to rounding; that they depend on its pixels.

    Args:
        frames: of a clip; a number that the encoder takes.

    Raises:
        AssertionError: the first promise that is not kept.
    """
    for name in ("name", "revision", "blocks", "tubelet", "status"):
        assert hasattr(encoder, name), f"the encoder has no attribute {name!r}"
    assert encoder.status in ("trained", "untrained", "floor"), f"status is {encoder.status!r}"
    assert encoder.revision, (
        "revision is empty: it is part of the store's keys and must change when the output would"
    )
    assert encoder.blocks >= 1, f"blocks is {encoder.blocks}, expected 1 or more"
    assert encoder.tubelet >= 1, f"tubelet is {encoder.tubelet}, expected 1 or more"
    one, other = _clip(encoder, frames, seed=0), _clip(encoder, frames, seed=1)
    grid, blocks = encoder.grid(frames), sorted({0, encoder.blocks - 1})
    together = encoder.encode([one, other], blocks=blocks)
    assert sorted(together) == blocks, f"blocks {blocks} were requested, encode gave {sorted(together)}"
    for block, values in together.items():
        expected = (2, grid.time, grid.height, grid.width)
        assert values.dtype == np.float16, f"block {block} is {values.dtype}, expected float16"
        assert values.shape[:-1] == expected, f"block {block} has shape {values.shape}, expected {(*expected, 'd')}"
        assert np.isfinite(values).all(), f"block {block} holds NaN or infinity"
        assert not np.array_equal(values[0], values[1]), f"block {block} is the same for two different clips"
    again, alone = encoder.encode([one, other], blocks=blocks), encoder.encode([one], blocks=blocks)
    for block, values in together.items():
        assert np.array_equal(values, again[block]), f"block {block} differs when the same clips are encoded twice"
        near = np.allclose(values[0], alone[block][0], rtol=0.02, atol=0.02)
        assert near, f"block {block} of a clip depends on the other clips of its batch"


def check_labeller(labeller: Labeller, video: FrameSource) -> None:
    """Label a video, and hold the table against ``records.Labels``.

    Args:
        video: an open one, as ``worldprobe.video.read.open_video`` gives.

    Raises:
        AssertionError: the first promise that is not kept.
    """
    found = labeller.label(video)
    problem = labels_problem(found, video)
    assert not problem, problem
    sources = set(found.table["source"])
    assert sources <= {labeller.name}, f"source is {sources}, expected {labeller.name!r}"


def check_probe(probe: Probe | TokenProbe) -> None:
    """Fit a probe to rows that hold a signal, and hold its answers against ``protocols.Probe`` or ``TokenProbe``.

    Checked: attributes; shape and finite values at every strength; log-probabilities, also of a class that no
    training row has; that an infinite strength leaves a constant; the same answers from the same rows twice, and to
    a row alone; that a fit stays what it was when the probe is fitted to other labels, and leaves its rows as they
    are. A probe of tokens (``reads = "tokens"``) must look at the rows that it was given and at no others.

    Raises:
        AssertionError: the first promise that is not kept.
    """
    for name in ("name", "kind"):
        assert hasattr(probe, name), f"the probe has no attribute {name!r}"
    assert probe.kind in ("regression", "classification"), f"kind is {probe.kind!r}"
    dice = np.random.default_rng(0)
    signal = dice.standard_normal((_ROWS, 2))
    classes = _CLASSES if probe.kind == "classification" else 0
    code = np.digitize(signal[:, :1], [-0.5, 0.5]).astype(np.float64)
    target = code if classes else signal
    if getattr(probe, "reads", "rows") == "tokens":
        _check_token_probe(probe, signal, target, classes)  # type: ignore[arg-type]
        return
    inputs = np.concatenate([signal, dice.standard_normal((_ROWS, _WIDTH - 2))], axis=1).astype(np.float32)
    _check_row_probe(probe, inputs, target, classes)  # type: ignore[arg-type]


def _check_row_probe(probe: Probe, inputs: NDArray[np.float32], target: NDArray[np.float64], classes: int) -> None:
    from worldprobe.probes.linear.design import Design

    assert hasattr(probe, "strengths"), "the probe has no attribute 'strengths'"
    assert len(probe.strengths), "strengths is empty: give at least one"
    assert min(probe.strengths) > 0, f"strengths hold {min(probe.strengths)}, expected positive numbers"
    kept, others = inputs.copy(), (target + 1) % (classes - 1) if classes else target + 1
    training, fitted = Design(inputs, unit=np.arange(_ROWS) // 3), None
    for strength in sorted(probe.strengths, reverse=True):
        fitted = probe.fit(training, target, strength=strength, classes=classes, start=fitted)
        predicted = np.array(fitted.predict(inputs))
        _check_predictions(predicted, target, classes, f"at strength {strength:g}")
        if np.isinf(strength):
            assert np.allclose(predicted, predicted[:1]), (
                "an infinite strength must leave a constant, the same for all rows"
            )
        assert np.array_equal(predicted, fitted.predict(inputs)), "the same rows get other answers the second time"
        alone = np.concatenate([fitted.predict(inputs[i : i + 1]) for i in range(3)])
        assert np.allclose(predicted[:3], alone, atol=1e-4), "the answer to a row depends on the rows beside it"
    assert fitted is not None
    fresh = probe.fit(training, target, strength=strength, classes=classes)
    predicted = np.array(fresh.predict(inputs))
    again = probe.fit(training, target, strength=strength, classes=classes).predict(inputs)
    assert np.allclose(predicted, again, atol=1e-6), (
        "the same fit gives other answers the second time: seed what is random"
    )
    probe.fit(training, others, strength=strength, classes=classes)
    assert np.allclose(predicted, fresh.predict(inputs), atol=1e-6), (
        "a fit changed when the probe was fitted to other labels: let fit return something new each time"
    )
    assert np.array_equal(inputs, kept), "the probe changed the rows that it was given"


def _check_token_probe(
    probe: TokenProbe, signal: NDArray[np.float64], target: NDArray[np.float64], classes: int
) -> None:
    dice = np.random.default_rng(2)
    tokens = dice.standard_normal((_ROWS, 4, 8)).astype(np.float16)
    tokens[:, :, :2] += signal[:, None].astype(np.float16)
    rows, rest = np.arange(0, _ROWS, 2), np.arange(1, _ROWS, 2)
    unit = np.arange(_ROWS) // 4
    blind_tokens, blind_target = tokens.copy(), target.copy()
    blind_tokens[rest], blind_target[rest] = np.nan, 0

    def predicted(seen: NDArray[np.float16], labels: NDArray[np.float64]) -> NDArray[np.float64]:
        fitted = probe.fit(seen, labels, unit=unit, rows=rows, classes=classes, seed=0)
        strength, loss = fitted.choice()
        assert np.isfinite(loss), f"choice gives the strength {strength} and a loss of {loss}"
        return np.array(fitted.predict(tokens, rest))

    first = predicted(tokens, target)
    _check_predictions(first, target[rest], classes, "of the requested rows")
    assert np.allclose(first, predicted(tokens, target), atol=1e-5), (
        "the same fit with the same seed gives other answers"
    )
    blind = predicted(blind_tokens, blind_target)
    assert np.allclose(first, blind, atol=1e-5), "the probe looks at rows that it was not given to fit"


def _check_predictions(
    predicted: NDArray[np.float64], target: NDArray[np.float64], classes: int, where: str
) -> None:
    """Values [n, k] or log-probabilities [n, classes]."""
    expected = (len(target), classes or target.shape[1])
    assert predicted.shape == expected, f"predict gives {predicted.shape} {where}, expected {expected}"
    assert not np.isnan(predicted).any(), f"predict gives NaN {where}"
    if not classes:
        assert np.isfinite(predicted).all(), f"predict gives infinite values {where}"
        return
    total = np.exp(predicted).sum(axis=1)
    assert np.allclose(total, 1, atol=1e-3), (
        f"predict must give log-probabilities: {where} their exponentials add up to {total[0]:.3g}, expected 1"
    )
    assert predicted[:, -1].max() > -np.inf, (
        f"a class without training rows has probability 0 {where}: its loss would be infinite"
    )


def check_predictor(
    predictor: Predicts, *, size: tuple[int, int] = (64, 64), context: int = 2, horizon: int = 2
) -> None:
    """Predict clips of noise, and see that nothing but the context decides: ``predictors.leak.Predicts``.

    Checked: shapes and finite values; the same prediction twice, and of a clip alone, up to rounding; that neither
    the context's tokens nor the prediction move when only the future's frames do (``predictors.leak``), and that
    these frames may be absent; that the prediction depends on the context.

    Args:
        size: width and height in px of the frames that the predictor takes.
        context: tubelets that it sees.
        horizon: tubelets that it predicts.

    Raises:
        AssertionError: the first promise that is not kept.
    """
    from worldprobe.predictors.leak import leak

    for name in ("tubelet", "context_tokens", "predict"):
        assert hasattr(predictor, name), f"the predictor has no attribute {name!r}"
    seen, frames = context * predictor.tubelet, (context + horizon) * predictor.tubelet
    shape = (2, frames, 3, size[1], size[0])
    clips = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def predicted(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        return predictor.predict(pixels, context=context, horizon=horizon)

    tokens = predictor.context_tokens(clips, context)
    assert tokens.ndim == 4, f"context_tokens gives {tuple(tokens.shape)}, expected [b, context, s, d]"
    assert tuple(tokens.shape[:2]) == (2, context), (
        f"context_tokens gives {tuple(tokens.shape)} for 2 clips and a context of {context}: not [b, context, s, d]"
    )
    first = predicted(clips)
    expected = (2, horizon, *tokens.shape[2:])
    assert first.shape == expected, f"predict gives {first.shape}, expected {expected} as the context's tokens"
    assert first.dtype == np.float32, f"predict gives {first.dtype}, expected float32"
    assert np.isfinite(first).all(), "predict gives NaN or infinite values"
    assert np.array_equal(first, predicted(clips)), "the same clips are predicted otherwise the second time"
    assert np.allclose(first[:1], predicted(clips[:1]), rtol=0.02, atol=0.02), (
        "the prediction of a clip depends on the other clips of its batch"
    )
    found = leak(predictor, clips, context)
    assert found.context == 0, (
        f"the context's tokens move by {found.context:.3g} when only the future does: encode its frames alone"
    )
    assert found.prediction == 0, f"the prediction moves by {found.prediction:.3g} when only the future does"
    assert np.array_equal(first, predicted(clips[:, :seen])), (
        "without the future's frames the prediction is another"
    )
    assert not np.array_equal(first[0], first[1]), "the prediction is the same for two different contexts"


def check_decoder(make: Callable[[DecoderShape], Decoder]) -> None:
    """Make a decoder of a small shape, and hold its loss and its pictures against ``protocols.Decoder``.

    Checked: attributes; a loss that is one finite number and has gradients; frames float [n, frames, 3, H, W] in
    0 to 1; the same frames from the same generator; that they depend on the tokens.

    Args:
        make: gives the decoder of a shape, such as ``lambda shape: Flat(shape=shape)``.

    Raises:
        AssertionError: the first promise that is not kept.
    """
    import torch

    shape = DecoderShape(grid=(4, 4), width=8, size=(32, 32), frames=2)
    decoder = make(shape)
    for name in ("name", "shape", "options"):
        assert hasattr(decoder, name), f"the decoder has no attribute {name!r}"
    assert decoder.shape == shape, f"shape is {decoder.shape}, and it was made with {shape}"

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    tokens = torch.randn(3, *shape.grid, shape.width, generator=seeded())
    frames = torch.rand(3, shape.frames, 3, *shape.size, generator=seeded())
    loss = decoder.loss(tokens, frames, generator=seeded())
    assert loss.ndim == 0, f"the loss has shape {tuple(loss.shape)}, expected one number"
    assert torch.isfinite(loss), f"the loss is {loss.item()}"
    assert loss.requires_grad, "the loss has no gradient: nothing can be trained"
    decoder.eval()
    with torch.no_grad():
        sampled, again = (decoder.sample(tokens, generator=seeded()) for _ in range(2))
        others = decoder.sample(-tokens, generator=seeded())
    assert sampled.shape == frames.shape, f"sample gives {tuple(sampled.shape)}, expected {tuple(frames.shape)}"
    assert sampled.min() >= 0, f"frames reach down to {sampled.min().item():.3g}, expected 0 to 1"
    assert sampled.max() <= 1, f"frames reach up to {sampled.max().item():.3g}, expected 0 to 1"
    assert torch.equal(sampled, again), "the same generator gives other frames the second time"
    assert not torch.equal(sampled, others), "the frames do not depend on the tokens"


def _clip(encoder: Encoder, frames: int, *, seed: int) -> Clip:
    width, height = _SIZE
    noise = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    view, pixels = encoder.view(width, height), encoder.preprocess(noise)
    expected = (frames, 3, view.size[1], view.size[0])
    assert pixels.shape == expected, f"preprocess gives {pixels.shape}, and view promises {expected}"
    assert pixels.dtype == np.uint8, f"preprocess gives {pixels.dtype}, expected uint8"
    ref = VideoRef(id=f"{seed:064d}", path="noise", width=width, height=height, frames=frames, rate=25.0)
    return Clip(ClipSpec(ref, 0, frames, 1), np.arange(frames) / 25, view, pixels)
