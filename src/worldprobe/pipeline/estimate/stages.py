"""What the stages of a run beside encoding would take: labelling, predicting, training decoders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldprobe.config import Experiment, Predict
from worldprobe.encoders.load import load_encoder, parse_blocks, twin_of
from worldprobe.errors import VideoError, WorldprobeError
from worldprobe.execute.devices import device_for
from worldprobe.labels.load import load_labeller, reads_files
from worldprobe.pipeline.decode.rows import side_of
from worldprobe.pipeline.decode.stage import plan_of
from worldprobe.pipeline.decode.training import module_of, recipe_of, trainings
from worldprobe.pipeline.estimate.facts import Estimate, priced, timed
from worldprobe.pipeline.ledger import device_of
from worldprobe.pipeline.predict.forecast import LEAK_CLIPS
from worldprobe.pipeline.predict.surprise import HOP, SPARE
from worldprobe.pipeline.predict.windows import Cut, holding_windows, read_windows
from worldprobe.pipeline.progress import silent
from worldprobe.pipeline.sources import open_source, spread
from worldprobe.pipeline.stored import decoded_blocks
from worldprobe.predictors.vjepa2 import VJEPA2Predictor, other_mode
from worldprobe.protocols import Encoder
from worldprobe.records import DecoderShape, VideoRef, breadth
from worldprobe.video.rendered import violations
from worldprobe.video.rendered.robots.violations import ROBOT_KINDS, render_robot_pair
from worldprobe.video.video import Video

_BYTES_PER_VALUE = 2  # tokens wait in float16
_LABELLED = 32  # frames that a labeller is timed on
_LEAK_PASSES = 6  # of a window's: before and after, by the prefix and by the plain forward


def labelling(experiment: Experiment, videos: Sequence[Path], *, price: float | None, seconds: float) -> Estimate:
    """A labeller on the first frames of the first video; one that only reads a file is taken for free."""
    frames, each = 0, 0.0
    labeller = load_labeller(experiment.labeller, confidence=experiment.confidence, every=experiment.every)
    reads = reads_files(labeller)
    for number, path in enumerate(videos):
        with open_source(path) as video:
            frames += video.ref.frames
            if not number and not reads:
                start = _Beginning(video, min(_LABELLED, video.ref.frames))
                try:
                    each = timed(partial(labeller.label, start), seconds) / start.ref.frames
                except WorldprobeError:  # the run will say it
                    each = 0.0
    expected = frames * each
    return Estimate(
        encoder=experiment.labeller, device="cpu", videos=len(videos), clips=frames, stored=0, tokens=0, gflop=None,
        store_bytes=0, seconds=expected, price=priced(expected, price), stage="label", unit="frames",
    )  # fmt: skip


def predicting(
    experiment: Experiment, encoder: Encoder, videos: Sequence[Path], *, price: float | None, seconds: float
) -> list[Estimate]:
    """Count the windows that the predictor predicts, and its untrained twin where the file wants one.

    Those of impossible videos and of the leak's test count as they cost; ridge and figures come on top.
    """
    settings = experiment.predict
    if settings is None:
        return []
    twin = twin_of(encoder) if settings.twin else None
    each = seconds / (1 + bool(twin))
    found = [_prediction(encoder, experiment, videos, price=price, seconds=each)]
    if twin:
        untrained = load_encoder(twin, device=experiment.device, precision=experiment.precision)
        found.append(_prediction(untrained, experiment, videos, price=price, seconds=each, renders=False))
    return found


def _prediction(
    encoder: Encoder,
    experiment: Experiment,
    videos: Sequence[Path],
    *,
    price: float | None,
    seconds: float,
    renders: bool = True,
) -> Estimate:
    """Foretell one encoder's part; ``renders``: with the pairs of videos, rendered once for all encoders."""
    settings = experiment.predict
    assert settings is not None
    predictor = VJEPA2Predictor.from_encoder(encoder)
    context, horizon, tubelet = settings.context, settings.horizon, encoder.tubelet
    cut = Cut(context, horizon, experiment.stride, settings.windows)
    usable, failures = holding_windows(videos, cut, tubelet=tubelet)
    if not usable:
        raise VideoError(f"nothing could be predicted of {len(videos)} videos. The first: {failures[0].error}")
    videos = spread(list(usable), settings.videos)
    windows = sum(usable[path][1] for path in videos)
    pixels = _window(videos, encoder, cut)

    known = predictor.context_tokens(pixels, context)
    other = other_mode(settings.mode)

    def tell() -> None:
        predictor.predict(pixels, context=context, horizon=horizon, mode=settings.mode)
        predictor.targets(pixels, context=context).cpu()

    each = timed(tell, seconds)
    # Windows that are scored are predicted in the other mode too.
    beside = timed(lambda: predictor.forecast(known, horizon=horizon, mode=other).cpu(), 0.0)
    surprised, rendered = _surprise(settings, tubelet, seed=experiment.seed)
    passes = windows + surprised + _LEAK_PASSES * min(LEAK_CLIPS, windows)
    grid = encoder.grid((context + horizon) * tubelet)
    # The last two tubelets of the context, all that came, and what was told.
    waiting = min(2, context) + context + horizon + horizon
    width = int(predictor.module.config.hidden_size)
    expected = passes * each + windows * beside + rendered * renders
    return Estimate(
        encoder=encoder.name, device=device_of(encoder), videos=len(videos), clips=windows + surprised, stored=0,
        tokens=grid.tokens, gflop=_gflop(encoder, predictor, settings), store_bytes=0,
        scratch_bytes=windows * waiting * grid.height * grid.width * width * _BYTES_PER_VALUE, seconds=expected,
        price=priced(expected, price), stage="predict", unit="windows",
    )  # fmt: skip


def _surprise(settings: Predict, tubelet: int, *, seed: int) -> tuple[int, float]:
    """Count the windows of impossible videos and of what they are held against; and the seconds to render these."""
    beyond = max(0, violations.FRAMES // tubelet - settings.context - settings.horizon)
    slid, spared = beyond // HOP + 1, beyond // settings.horizon + 1
    windows, rendered = 0, 0.0
    for pairs, kinds, render in (
        (settings.pairs, violations.KINDS, lambda: violations.render_pair(violations.KINDS[0], seed, 0)),
        (settings.robot_pairs, ROBOT_KINDS, lambda: render_robot_pair(ROBOT_KINDS[0], seed, 0)),
    ):
        if pairs:
            windows += len(kinds) * (2 * pairs * slid + min(SPARE, pairs) * spared)
            rendered += pairs * len(kinds) * timed(render, 0.0)
    return windows, rendered


def _gflop(encoder: Encoder, predictor: VJEPA2Predictor, settings: Predict) -> float | None:
    """Operations of encoding and predicting a window; None where the encoder does not tell."""
    operations = getattr(encoder, "flop", None)
    if not operations:
        return None
    spans = predictor.windows(settings.context + settings.horizon, settings.context)
    encoded: float = sum(operations((end - first) * encoder.tubelet) for first, end in spans)
    return (encoded + predictor.flop(settings.context, settings.horizon, mode=settings.mode)) / 1e9


def _window(videos: Sequence[Path], encoder: Encoder, cut: Cut) -> NDArray[np.uint8]:
    """One window's pixels, uint8 [1, t, 3, h, w], of the first video."""
    first = replace(cut, most=1)
    batches = read_windows(videos[:1], encoder, first, failures=[], progress=silent, stage="")
    return next(iter(batches)).pixels[:1]


def training(
    experiment: Experiment,
    encoder: Encoder,
    encoded: Estimate,
    clips: Sequence[int],
    *,
    price: float | None,
    seconds: float,
) -> list[Estimate]:
    """Each decoder that ``[decode]`` trains, and its trained controls: all its steps, on noise of its shapes.

    Training may stop earlier, and a step of validation in ten comes on top; scoring and the ladder do too.

    Args:
        encoded: what is told of the encoder.
        clips: how many each video has; the frames of those that are decoded wait on the disk.
    """
    from worldprobe.decoders.training import (  # with torch, which importing this does not load
        seconds_a_step,
        step_cost,
    )

    table = experiment.decode
    if table is None:
        return []
    plan, grid = plan_of(experiment, encoder=encoder.name), encoder.grid(experiment.frames)
    read = decoded_blocks(table.blocks, parse_blocks(experiment.blocks, encoder.blocks))
    side = side_of(encoder.view(64, 64).size, table.size)
    device = device_for(experiment.device)
    own = (encoded.width * sum(map(breadth, read)), grid.height, grid.width, len(read))
    listed = trainings(table, encoder=encoder.name, twin=twin_of(encoder))
    drawn = sum(spread([one for one in clips if one], table.videos))
    found: list[Estimate] = []
    for one in listed:
        wide, rows, columns, parts = (3 * encoder.tubelet, 8, 8, 1) if one.baseline == "pixels" else own
        shape = DecoderShape((rows, columns), wide, (side, side), encoder.tubelet, parts=parts)
        module = module_of(plan, one.decoder, shape)
        recipe = recipe_of(plan, module, device)
        gflop, memory = step_cost(module, recipe)
        each = seconds_a_step(module, recipe, device=device, seconds=seconds / len(listed))
        expected = recipe.steps * each
        found.append(
            Estimate(
                encoder=one.name,
                device=device,
                videos=0,
                clips=recipe.steps,
                stored=0,
                tokens=recipe.batch * rows * columns,
                gflop=gflop,
                memory_bytes=memory,
                store_bytes=0,
                scratch_bytes=0 if found else drawn * experiment.frames * 3 * side * side,
                seconds=expected,
                price=priced(expected, price),
                stage="train",
                unit="steps",
                items=recipe.batch,
            )
        )
    return found


class _Beginning:
    """The first frames of a video, as a video of its own."""

    def __init__(self, video: Video, frames: int) -> None:
        self._video, self._frames = video, frames
        self.ref: VideoRef = replace(video.ref, frames=frames, episodes=())

    @property
    def pts_seconds(self) -> NDArray[np.float64]:
        return self._video.pts_seconds[: self._frames]

    @property
    def shots(self) -> tuple[int, ...]:
        return (0,)

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """As the video."""
        wanted = range(self._frames) if indices is None else [one for one in indices if one < self._frames]
        return self._video.frames(list(wanted))
