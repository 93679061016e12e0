"""Predictions of some videos' futures, in a run's folder: scores beside baselines, leak, surprise, pixels."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from worldprobe.config import Experiment, Predict
from worldprobe.encoders.load import load_encoder, twin_of
from worldprobe.errors import PredictionError, VideoError
from worldprobe.findings.run_files import read_json
from worldprobe.io.files import StrPath, paths_of
from worldprobe.pipeline.failures import Failure
from worldprobe.pipeline.folder import PREDICT, add_notes, merge
from worldprobe.pipeline.ledger import Ledger, device_of, foretold
from worldprobe.pipeline.predict.decoder import will_draw
from worldprobe.pipeline.predict.forecast import Forecast, forecast
from worldprobe.pipeline.predict.pictures import drop_figures, keep_curves, keep_errors, keep_violations, place
from worldprobe.pipeline.predict.pixels import DecodedFuture, find_pen
from worldprobe.pipeline.predict.scores import Told, leak_lines, lines
from worldprobe.pipeline.predict.surprise import Surprises, surprise_lines, surprises
from worldprobe.pipeline.predict.windows import Cut, read_windows
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.sources import ref_of
from worldprobe.pipeline.stage_record import record_experiment, write_provenance
from worldprobe.predictors.vjepa2 import VJEPA2Predictor
from worldprobe.protocols import Encoder
from worldprobe.records import VideoRef
from worldprobe.results import AnyResult


def predict(
    experiment: Experiment, videos: Sequence[StrPath] | StrPath, out: StrPath, *, progress: Progress = silent
) -> list[Failure]:
    """Predict what ``experiment.predict`` asks for and write it into a run's folder, beside what is there.

    Lines of the same kinds from an earlier run are replaced; those of other kinds (probes, decoders) stay.

    Returns:
        What failed; the rest was done without it.

    Raises:
        PredictionError: an encoder without predictor, or a folder that holds another encoder's results.
        VideoError: no video has room for a context and a horizon; with ``strict`` the first that fails.
    """
    videos, out = paths_of(videos), Path(out)
    asked = experiment.predict or Predict()
    encoder = load_encoder(experiment.encoder, device=experiment.device, precision=experiment.precision)
    predictor = VJEPA2Predictor.from_encoder(encoder)
    _own_folder(out, encoder)
    pen = find_pen(asked.decoder, out, encoder)  # one that does not fit is said before anything is predicted
    cut = Cut(asked.context, asked.horizon, experiment.stride, asked.windows)
    ledger = Ledger(expected=foretold(out))
    found: list[AnyResult] = []
    failures: list[Failure] = []
    seen: list[VideoRef] = []
    kept = {"error_map"}
    for encoder_of, one in ((encoder, predictor), *_twins(experiment, encoder, asked)):
        told = Told(one.encoder.name, one.precision, asked.context, asked.horizon, asked.mode, experiment.seed)
        decoded = DecodedFuture(pen, encoder, told, cut, videos=len(videos)) if pen and one is predictor else None
        done, lost = _forecast(videos, encoder_of, one, cut, told, decoded, ledger, progress)
        if experiment.strict and lost:
            raise VideoError(lost[0].error)
        # What cannot be read for one encoder cannot for the other: it is counted once.
        failures = failures or lost
        seen = seen or [ref_of(videos[number]) for number in sorted({window.video for window in done.windows})]
        found += [*lines(done, told), *leak_lines(done, told)]
        if one is predictor:
            keep_errors(done, videos, encoder, place(out, "error_map"), context=asked.context)
            keep_curves(done, videos, encoder, out, context=asked.context)
        if decoded:
            drawn = decoded.lines(place(out, "prediction_comparison"))
            found += drawn
            items = max(line.n for line in drawn)
            kept |= {"prediction_comparison"} if items else set()
            started = time.perf_counter() - decoded.seconds
            ledger.book("predict: draw", started=started, items=items, device=device_of(encoder))
        if asked.pairs:
            at = _surprises(encoder_of, one, asked.pairs, told, ledger, progress)
            found += surprise_lines(at, told)
            if one is predictor:
                keep_violations(at, encoder, place(out, "violations"), context=asked.context)
                kept.add("violations")
    drop_figures(out, but=kept)
    out.mkdir(parents=True, exist_ok=True)
    add_notes(out, merge(out, PREDICT, found, ledger.costs, revision=encoder.revision, videos=seen))
    write_provenance(out, "predict", encoder, videos=seen, seed=experiment.seed, ledger=ledger)
    return failures


def _forecast(
    videos: Sequence[Path],
    encoder: Encoder,
    predictor: VJEPA2Predictor,
    cut: Cut,
    told: Told,
    decoded: DecodedFuture | None,
    ledger: Ledger,
    progress: Progress,
) -> tuple[Forecast, list[Failure]]:
    """Predict all windows once, to be scored and to be drawn; and what could not be read."""
    stage, started = f"predict {encoder.name}", time.perf_counter()
    lost: list[Failure] = []
    selection = decoded.selection if decoded else None
    batches = read_windows(videos, encoder, cut, failures=lost, progress=progress, stage=stage, selection=selection)
    at = {"context": told.context, "horizon": told.horizon, "seed": told.seed}
    done = forecast(batches, predictor, mode=told.mode, draw=decoded, **at)
    if done is None:
        first = next((one for one in lost if one.clip is None), lost[0])
        raise VideoError(f"nothing could be predicted of {len(videos)} videos. The first: {first.error}")
    started += decoded.seconds if decoded else 0.0  # drawing is booked apart
    items, each = len(done.windows), ledger.expected.get(stage)
    ledger.book(stage, started=started, items=items, device=device_of(encoder), each=each)
    return done, lost


def _surprises(
    encoder: Encoder, predictor: VJEPA2Predictor, pairs: int, told: Told, ledger: Ledger, progress: Progress
) -> Surprises:
    """Measure surprise at pairs of possible and impossible videos, and book what it took."""
    started = time.perf_counter()
    found = surprises(encoder, predictor, pairs=pairs, told=told, progress=progress)
    items = 2 * sum(map(len, found.found.values()))
    ledger.book(f"predict: surprise {encoder.name}", started=started, items=items, device=device_of(encoder))
    return found


def check(experiment: Experiment, out: Path) -> None:
    """Find out before anything is encoded what cannot be predicted, or not drawn.

    Raises:
        PredictionError: an encoder without predictor, or no decoder of that name, or one of other tokens.
    """
    if experiment.predict is None:
        return
    encoder = load_encoder(experiment.encoder, device=experiment.device, precision=experiment.precision)
    VJEPA2Predictor.from_encoder(encoder)
    if will_draw(experiment, out, encoder):
        find_pen(experiment.predict.decoder, out, encoder)


def record(experiment: Experiment, out: Path) -> None:
    """Write the experiment down; where the folder holds an experiment of other stages, its table alone."""
    record_experiment(experiment, out, "predict")


def _twins(experiment: Experiment, encoder: Encoder, asked: Predict) -> list[tuple[Encoder, VJEPA2Predictor]]:
    """The untrained twin, which shows what the architecture tells without training."""
    name = twin_of(encoder) if asked.twin else None
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
