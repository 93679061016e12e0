"""Predictions of some videos' futures, in a run's folder: scores beside baselines, leak, surprise, pixels."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from worldprobe.config import Experiment, Predict
from worldprobe.encoders.load import load_encoder, twin_of
from worldprobe.errors import PredictionError, VideoError
from worldprobe.findings.run_files import read_json
from worldprobe.findings.setup import spread_note
from worldprobe.io.files import StrPath, paths_of
from worldprobe.pipeline.claim import alone
from worldprobe.pipeline.failures import Failure
from worldprobe.pipeline.folder import PREDICT, STORE, add_notes, merge
from worldprobe.pipeline.ledger import Ledger, device_of, foretold
from worldprobe.pipeline.predict.consistency import consistency_lines
from worldprobe.pipeline.predict.decoder import will_draw
from worldprobe.pipeline.predict.dressed_scores import futures_lines
from worldprobe.pipeline.predict.fitted import Which
from worldprobe.pipeline.predict.forecast import Forecast, forecast
from worldprobe.pipeline.predict.futures import Futures, measures
from worldprobe.pipeline.predict.pictures import drop_figures, keep_curves, keep_errors, keep_violations, place
from worldprobe.pipeline.predict.pixels import DecodedFuture, find_decoder
from worldprobe.pipeline.predict.reading import Readable
from worldprobe.pipeline.predict.readouts import readout_lines
from worldprobe.pipeline.predict.scores import PredictionSetup, leak_lines, lines
from worldprobe.pipeline.predict.surprise import surprise_lines, surprises
from worldprobe.pipeline.predict.windows import Cut, holding_windows, read_windows
from worldprobe.pipeline.predict.workers import PredictSpread, spread_of
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.sources import ref_of
from worldprobe.pipeline.sources import spread as some_of
from worldprobe.pipeline.stage_record import record_experiment, write_provenance
from worldprobe.predictors.vjepa2 import VJEPA2Predictor
from worldprobe.protocols import Encoder, Executor
from worldprobe.records import Labels, VideoRef
from worldprobe.results import AnyResult, PredictionResult, SurpriseResult
from worldprobe.store import Store
from worldprobe.video.rendered.robots.draw import gl_context


@dataclass(frozen=True, slots=True)
class _Job:
    """What is predicted, of which videos, and by whom; the same for an encoder and its untrained twin."""

    experiment: Experiment
    videos: Sequence[Path]
    cut: Cut
    labels: Labels | None
    executor: Executor | None
    store: Store
    ledger: Ledger
    progress: Progress


@alone("predict")
def predict(
    experiment: Experiment,
    videos: Sequence[StrPath] | StrPath,
    out: StrPath,
    *,
    labels: Labels | None = None,
    executor: Executor | None = None,
    store: Store | None = None,
    progress: Progress = silent,
) -> list[Failure]:
    """Predict what ``experiment.predict`` asks for and write it into a run's folder, beside what is there.

    Where there are ``labels``, also what of the experiment's tasks is read from predicted futures; and where these
    hold actions or states, whether the futures hold them.

    Windows are predicted by the executor's workers where these do that; their tokens come through ``store`` (the
    run's own by default), and all else is done here: scores, pictures, surprise.

    Lines of the same kinds from an earlier run are replaced; those of other kinds (probes, decoders) stay.

    Returns:
        What failed; the rest was done without it.

    Raises:
        PredictionError: an encoder without predictor, or a folder that holds another encoder's results.
        VideoError: no video has room for a context and a horizon; with ``strict`` the first that fails.
    """
    every, out = paths_of(videos), Path(out)
    settings = experiment.predict or Predict()
    encoder = load_encoder(experiment.encoder, device=experiment.device, precision=experiment.precision)
    predictor = VJEPA2Predictor.from_encoder(encoder)
    _own_folder(out, encoder)
    # A decoder that does not fit is refused before anything is predicted.
    loaded = find_decoder(settings.decoder, out, encoder)
    cut = Cut(settings.context, settings.horizon, experiment.stride, settings.windows)
    chosen, left, failures = _chosen(every, settings, cut, tubelet=predictor.tubelet)
    if experiment.strict and failures:
        raise VideoError(failures[0].error)
    ledger = Ledger(expected=foretold(out)).by(executor)
    job = _Job(experiment, chosen, cut, labels, executor, store or Store(str(out / STORE)), ledger, progress)
    found, seen, unread = list[AnyResult](), list[VideoRef](), list[Failure]()
    kept = {"error_map"}
    every_model = ((encoder, predictor), *_twins(experiment, encoder, settings))
    models = [(encoder_of, one, _setup(one, settings, seed=experiment.seed)) for encoder_of, one in every_model]
    for encoder_of, one, setup in models:
        own = one is predictor
        decoded = DecodedFuture(loaded, encoder, setup, cut, videos=len(chosen)) if loaded and own else None
        done, lost, of_model = _of_model(job, encoder_of, one, setup, decoded, own=own)
        # What cannot be read for one encoder cannot for the other: it is counted once.
        unread = unread or lost
        seen = seen or [ref_of(chosen[number]) for number in sorted({window.video for window in done.windows})]
        found += of_model
        if own:
            keep_errors(done, chosen, encoder, place(out, "error_map"), context=settings.context)
            keep_curves(done, chosen, encoder, out, context=settings.context)
        if decoded:
            pixel_lines = _drawn(decoded, out, encoder, ledger)
            found += pixel_lines
            kept |= {"prediction_comparison"} if any(line.n for line in pixel_lines) else set()
    if settings.pairs or settings.robot_pairs:
        found += _surprised(models, settings, out, ledger, progress)
        kept.add("violations")
    drop_figures(out, but=kept)
    out.mkdir(parents=True, exist_ok=True)
    seen += left  # the run is of all, and results of all stay beside these
    notes = merge(out, PREDICT, found, ledger.costs, revision=encoder.revision, videos=seen)
    add_notes(out, PREDICT, [*spread_note("predict", len(chosen), len(chosen) + len(left)), *notes])
    write_provenance(out, "predict", encoder, videos=seen, seed=experiment.seed, ledger=ledger)
    return [*failures, *unread]


def _chosen(
    videos: Sequence[Path], settings: Predict, cut: Cut, *, tubelet: int
) -> tuple[list[Path], list[VideoRef], list[Failure]]:
    """The videos that are predicted, others that could be, and why the rest cannot, of which none is chosen."""
    if settings.videos is None or settings.videos >= len(videos):
        return list(videos), [], []
    usable, failures = holding_windows(videos, cut, tubelet=tubelet)
    if not usable:  # reading them says why
        return list(videos), [], []
    chosen = some_of(list(usable), settings.videos)
    left = usable.keys() - set(chosen)
    return chosen, [ref for path, (ref, _) in usable.items() if path in left], failures


def _setup(predictor: VJEPA2Predictor, settings: Predict, *, seed: int) -> PredictionSetup:
    """How a model predicts, as its results say it."""
    return PredictionSetup(
        predictor.encoder.name, predictor.precision, settings.context, settings.horizon, settings.mode, seed,
        clip=predictor.clip or 0,
    )  # fmt: skip


def _of_model(
    job: _Job,
    encoder: Encoder,
    predictor: VJEPA2Predictor,
    setup: PredictionSetup,
    decoded: DecodedFuture | None,
    *,
    own: bool,
) -> tuple[Forecast, list[Failure], list[AnyResult]]:
    """Predict by one model, the run's ``own`` or its twin; what could not be read, and the scores."""
    experiment = job.experiment
    futures = _futures(job.labels, predictor)
    name = experiment.encoder if own else encoder.name
    spread = spread_of(job.executor, job.store, encoder=name, device=experiment.device, mode=setup.mode)
    done, lost = _forecast(job, encoder, predictor, setup, decoded, futures, spread, several=own)
    if experiment.strict and lost:
        raise VideoError(lost[0].error)
    found = [*lines(done, setup), *leak_lines(done, setup), *_sampled(done, setup)]
    if futures and job.labels is not None:
        found += _read_out(futures, job.labels, experiment, encoder, setup, job.ledger, several=own)
    return done, lost, found


def _forecast(
    job: _Job,
    encoder: Encoder,
    predictor: VJEPA2Predictor,
    setup: PredictionSetup,
    decoded: DecodedFuture | None,
    futures: Futures | None,
    spread: PredictSpread | None,
    *,
    several: bool,
) -> tuple[Forecast, list[Failure]]:
    """Predict all windows once, to be scored and to be drawn; and what could not be read."""
    stage, started = f"predict {encoder.name}", time.perf_counter()
    lost: list[Failure] = []
    selection = decoded.selection if decoded else None
    read = read_windows if spread is None else spread.read
    batches = read(
        job.videos, encoder, job.cut, failures=lost, progress=job.progress, stage=stage, selection=selection
    )
    at = {"context": setup.context, "horizon": setup.horizon, "seed": setup.seed}
    done = forecast(batches, predictor, mode=setup.mode, draw=decoded, keep=futures, several=several, **at)
    if done is None:
        first = next((one for one in lost if one.clip is None), lost[0])
        raise VideoError(f"nothing could be predicted of {len(job.videos)} videos. The first: {first.error}")
    started += decoded.seconds if decoded else 0.0  # drawing is booked apart
    items, each = len(done.windows), job.ledger.expected.get(stage)
    where = {"device": device_of(encoder), "each": each} if spread is None else spread.cost()
    job.ledger.book(stage, started=started, items=items, **where)
    return done, lost


def _sampled(done: Forecast, setup: PredictionSetup) -> list[AnyResult]:
    """Scores of futures that were sampled, of all tokens and of the changed ones."""
    if done.dressed is None:
        return []
    which: tuple[Which, ...] = get_args(Which)
    counted = {of: done.counted(of)[done.dressed.rows] for of in which}
    return [line for of in which for line in futures_lines(done.dressed, setup, of=of, counted=counted[of])]


def _read_out(
    futures: Futures,
    labels: Labels,
    experiment: Experiment,
    encoder: Encoder,
    setup: PredictionSetup,
    ledger: Ledger,
    *,
    several: bool,
) -> list[AnyResult]:
    """What of the scene, and of what a robot did, is read from the futures that were kept."""
    started, items = time.perf_counter(), len(futures.windows)
    windows = Readable(futures, setup)
    found: list[AnyResult] = [*readout_lines(windows, labels, experiment.tasks, encoder, several=several)]
    ledger.book(f"predict: read-outs {setup.encoder}", started=started, items=items, device="cpu")
    if measures(labels):
        started = time.perf_counter()
        found += consistency_lines(windows)
        ledger.book(f"predict: consistency {setup.encoder}", started=started, items=items, device="cpu")
    return found


def _drawn(decoded: DecodedFuture, out: Path, encoder: Encoder, ledger: Ledger) -> list[PredictionResult]:
    """The scores of what a decoder drew while it was predicted, and what that took."""
    found = decoded.lines(place(out, "prediction_comparison"))
    items = max(line.n for line in found)
    started = time.perf_counter() - decoded.seconds  # scoring among them
    ledger.book("predict: draw", started=started, items=items, device=device_of(encoder))
    return found


def _futures(labels: Labels | None, predictor: VJEPA2Predictor) -> Futures | None:
    """What keeps windows' tokens of videos that have labels; None without labels."""
    if labels is None:
        return None
    grid = predictor.encoder.grid(predictor.tubelet)
    return Futures(labels, (grid.height, grid.width), tubelet=predictor.tubelet, levels=predictor.levels)


def _surprised(
    models: Sequence[tuple[Encoder, VJEPA2Predictor, PredictionSetup]],
    settings: Predict,
    out: Path,
    ledger: Ledger,
    progress: Progress,
) -> list[SurpriseResult]:
    """Score surprise at pairs of possible and impossible videos; keep the first model's pictures, and book it.

    The second model, where there is one, is the twin that the first is judged against.
    """
    started = time.perf_counter()
    found = surprises(models, pairs=settings.pairs, robot_pairs=settings.robot_pairs, progress=progress)
    items = 2 * sum(len(ways["predictor"].l1) for of_model in found for ways in of_model.found.values())
    ledger.book("predict: surprise", started=started, items=items, device=device_of(models[0][0]))
    keep_violations(found[0], models[0][0], place(out, "violations"), context=settings.context)
    own, *twins = found
    scored = surprise_lines(own, models[0][2], *twins)
    for of_twin, (*_, setup) in zip(twins, models[1:], strict=True):
        scored += surprise_lines(of_twin, setup)
    return scored


def check(experiment: Experiment, out: Path) -> None:
    """Find out before anything is encoded what cannot be predicted, or not drawn.

    Raises:
        PredictionError: an encoder without predictor, or no decoder of that name, or one of other tokens.
        VideoError: pairs of robots, which cannot be rendered here.
    """
    if experiment.predict is None:
        return
    if experiment.predict.robot_pairs:
        gl_context()
    encoder = load_encoder(experiment.encoder, device=experiment.device, precision=experiment.precision)
    VJEPA2Predictor.from_encoder(encoder)
    if will_draw(experiment, out, encoder):
        find_decoder(experiment.predict.decoder, out, encoder)


def record(experiment: Experiment, out: Path) -> None:
    """Write the experiment down; where the folder holds an experiment of other stages, its table alone."""
    record_experiment(experiment, out, "predict")


def _twins(experiment: Experiment, encoder: Encoder, settings: Predict) -> list[tuple[Encoder, VJEPA2Predictor]]:
    """The untrained twin, which shows what the architecture tells without training."""
    name = twin_of(encoder) if settings.twin else None
    if name is None:
        return []
    twin = load_encoder(name, device=experiment.device, precision=experiment.precision)
    return [(twin, VJEPA2Predictor.from_encoder(twin))]


def _own_folder(out: Path, encoder: Encoder) -> None:
    """A run speaks of one encoder."""
    recorded = read_json(out / "provenance.json").get("encoder", {})
    if recorded and str(recorded.get("revision", "")) not in ("", encoder.revision[:12]):
        raise PredictionError(
            f"{out} holds results of {recorded.get('name')} (revision {recorded.get('revision')}), and "
            f"{encoder.name} ({encoder.revision[:12]}) was asked for. Use another --out."
        )
