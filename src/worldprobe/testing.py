"""Checks for third parties' encoders, labellers and decoders: are the promises of ``worldprobe.protocols`` kept?

Call them from your own tests: ``check_encoder(Mine())``. Each raises AssertionError with one sentence on what is
wrong and what was expected; none needs a network or a GPU.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from worldprobe.protocols import Decoder, Encoder, FrameSource, Labeller
from worldprobe.records import LABEL_COLUMNS, Clip, ClipSpec, DecoderShape, VideoRef

_SIZE = (96, 64)


def check_encoder(encoder: Encoder, *, frames: int = 16) -> None:
    """Encode clips of noise, and hold what comes against ``protocols.Encoder``.

    Checked: attributes; that ``view`` and ``preprocess`` agree on the size; shape float16 [b, t', h', w', d] as
    ``grid`` says, at every block asked for; finite values; the same values twice; that the tokens of a clip do not
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
    assert sorted(together) == blocks, f"blocks {blocks} were asked for, encode gave {sorted(together)}"
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
    table = labeller.label(video).table
    missing = [name for name in LABEL_COLUMNS if name not in table.columns]
    assert not missing, f"the table lacks the columns {', '.join(missing)}"
    if not len(table):
        return
    ref = video.ref
    assert set(table["source"]) == {labeller.name}, f"source is {set(table['source'])}, expected {labeller.name!r}"
    assert set(table["video"]) == {ref.id}, "the column video must hold the id of the video, VideoRef.id"
    frame = table["frame"].to_numpy()
    assert ((frame >= 0) & (frame < ref.frames)).all(), f"frames {frame.min()} to {frame.max()} of {ref.frames}"
    seconds = table["pts_seconds"].to_numpy()
    assert np.allclose(seconds, video.pts_seconds[frame]), "pts_seconds are not those of the frames"
    assert (table["w"].to_numpy() >= 0).all(), "w holds negative widths"
    assert (table["h"].to_numpy() >= 0).all(), "h holds negative heights"
    # Truth may reach past the edge; a centre far outside says that other units were used.
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    inside = (np.abs(x - ref.width / 2) <= ref.width) & (np.abs(y - ref.height / 2) <= ref.height)
    assert inside.all(), f"centres lie outside the picture of {ref.width} x {ref.height} px"


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
        drawn, again = (decoder.sample(tokens, generator=seeded()) for _ in range(2))
        others = decoder.sample(-tokens, generator=seeded())
    assert drawn.shape == frames.shape, f"sample gives {tuple(drawn.shape)}, expected {tuple(frames.shape)}"
    assert drawn.min() >= 0, f"frames reach down to {drawn.min().item():.3g}, expected 0 to 1"
    assert drawn.max() <= 1, f"frames reach up to {drawn.max().item():.3g}, expected 0 to 1"
    assert torch.equal(drawn, again), "the same generator gives other frames the second time"
    assert not torch.equal(drawn, others), "the frames do not depend on the tokens"


def _clip(encoder: Encoder, frames: int, *, seed: int) -> Clip:
    width, height = _SIZE
    noise = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    view, pixels = encoder.view(width, height), encoder.preprocess(noise)
    expected = (frames, 3, view.size[1], view.size[0])
    assert pixels.shape == expected, f"preprocess gives {pixels.shape}, and view promises {expected}"
    assert pixels.dtype == np.uint8, f"preprocess gives {pixels.dtype}, expected uint8"
    ref = VideoRef(id=f"{seed:064d}", path="noise", width=width, height=height, frames=frames, rate=25.0)
    return Clip(ClipSpec(ref, 0, frames, 1), np.arange(frames) / 25, view, pixels)
