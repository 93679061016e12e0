"""Energy of actions: is the frame that came nearest to what the true action leads to?

A planner picks the action of the least energy, so a predictor is of use to it only where that is the true one's. It
is asked here without a robot: the true action against the same one scaled, and against those of other groups.

Axes: n transitions, m actions.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.config import Experiment, Predict
from worldprobe.encoders.load import load_encoder, twin_of
from worldprobe.errors import PredictionError, VideoError
from worldprobe.execute.fitting import Fitting
from worldprobe.intervals import Draws, Floats, Scale, Standing, standings
from worldprobe.io.files import StrPath, paths_of
from worldprobe.pipeline.failures import Failure
from worldprobe.pipeline.folder import PREDICT, add_notes, merge
from worldprobe.pipeline.ledger import Ledger, device_of, foretold
from worldprobe.pipeline.predict.transitions import POSE, Transition, pixels_of, transitions
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.stage_record import write_provenance
from worldprobe.predictors.vjepa2_ac import ActionPredictor
from worldprobe.probes.metrics import ratio_draws
from worldprobe.protocols import Encoder
from worldprobe.records import Labels
from worldprobe.results import EnergyResult

# Of the true action; 0 is none at all, and below it the opposite.
TIMES = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
SHUFFLED = 8  # actions of other groups, for each transition
_TRUE = TIMES.index(1.0)
_RATES = (3.0, 5.0)
_TRANSITIONS_PER_BATCH = 8
_Metric = Literal["l1", "excess", "accuracy"]
_Key = tuple[float | None, _Metric]
_INSTEAD = "Use --precision bf16, or another device."


def predict_energy(
    experiment: Experiment,
    videos: Sequence[StrPath] | StrPath,
    labels: Labels,
    out: StrPath,
    *,
    progress: Progress = silent,
) -> list[Failure]:
    """Write the energy of actions into a run's folder; lines of predictions from an earlier run are replaced.

    Args:
        labels: a robot's poses, as ``state.*`` columns.

    Returns:
        What failed; the rest was done without it.

    Raises:
        PredictionError: a predictor that takes no actions or other poses, or labels without poses.
        VideoError: no video could be read.
    """
    videos, out = paths_of(videos), Path(out)
    settings, ledger = experiment.predict or Predict(), Ledger(expected=foretold(out))
    encoder = load_encoder(experiment.encoder, device=experiment.device, precision=experiment.precision)
    predictors = [(encoder, ActionPredictor.from_encoder(encoder))]
    if settings.twin and (name := twin_of(encoder)):
        twin = load_encoder(name, device=experiment.device, precision=experiment.precision)
        predictors.append((twin, ActionPredictor.from_encoder(twin)))
    if (took := predictors[0][1].action_dim) != POSE:
        raise PredictionError(f"{encoder.name} takes actions of {took} numbers, and poses have {POSE}")
    failures: list[Failure] = []
    found = transitions(videos, labels, stride=experiment.stride, most=settings.windows, failures=failures)
    actions = compared(found, seed=experiment.seed)
    measured: list[Floats] = []
    for one, predictor in predictors:
        started, stage = time.perf_counter(), f"predict: energy {one.name}"
        lost = failures if one is encoder else []
        measured.append(energies(found, actions, one, predictor, failures=lost, progress=progress))
        ledger.book(stage, started=started, items=len(found), device=device_of(one))
    read: NDArray[np.bool_] = np.asarray(np.isfinite(measured[0]).all(axis=1))
    if not read.any():
        raise VideoError(f"none of {len(found)} transitions could be read. The first: {failures[0].error}")
    kept = [one for one, there in zip(found, read, strict=True) if there]
    names = [one.name for one, _ in predictors]
    lines = list(energy_lines(kept, [one[read] for one in measured], names, experiment))
    refs = list({one.spec.video.id: one.spec.video for one in kept}.values())
    out.mkdir(parents=True, exist_ok=True)
    notes = merge(out, PREDICT, lines, ledger.costs, revision=encoder.revision, videos=refs)
    add_notes(out, PREDICT, [*notes, *_pace(kept)])
    write_provenance(out, "predict", encoder, videos=refs, seed=experiment.seed, ledger=ledger, labels=labels)
    return failures


def compared(found: Sequence[Transition], *, seed: int) -> NDArray[np.float32]:
    """The actions that are held against each other at each transition: its own ``TIMES``, and ``SHUFFLED`` others.

    Raises:
        PredictionError: all transitions are of one group, so that there is no other's action.
    """
    own = np.stack([one.action for one in found])
    group = np.array([one.group for one in found])
    if len(np.unique(group)) < 2:
        raise PredictionError(
            "all transitions are of one shot or episode: actions of another are needed, name more"
        )
    dice = np.random.default_rng(seed)
    others = np.stack([own[dice.choice(np.flatnonzero(group != one), SHUFFLED)] for one in group])
    scaled = own[:, None] * np.array(TIMES)[None, :, None]
    return np.concatenate([scaled, others], axis=1).astype(np.float32)


def energies(
    found: Sequence[Transition],
    actions: NDArray[np.float32],
    encoder: Encoder,
    predictor: ActionPredictor,
    *,
    failures: list[Failure],
    progress: Progress,
) -> Floats:
    """The energy of each action at each transition, float64 [n, m]; NaN where frames cannot be read."""
    energy = np.full(actions.shape[:2], np.nan)
    poses = np.stack([one.pose for one in found]).astype(np.float32)
    fitting = Fitting(encoder.name, most=_TRANSITIONS_PER_BATCH, instead=_INSTEAD)

    def of(batch: Sequence[tuple[int, NDArray[np.uint8]]]) -> NDArray[np.floating]:
        numbers = [number for number, _ in batch]
        frames = predictor.frames(np.stack([pixels for _, pixels in batch]))
        return predictor.energy(frames[:, 0], frames[:, 1], actions[numbers], poses[numbers])

    done = 0
    read = pixels_of(found, encoder, failures=failures)
    while batch := list(islice(read, _TRANSITIONS_PER_BATCH)):
        energy[[number for number, _ in batch]] = np.concatenate(fitting.map(of, batch))
        done += len(batch)
        progress(f"energy {encoder.name}", done, len(found))
    return energy


def energy_lines(
    found: Sequence[Transition], measured: Sequence[Floats], names: Sequence[str], experiment: Experiment
) -> Iterator[EnergyResult]:
    """Mean energy at each multiple of the true action and at others', and how often the true action's is lower.

    Args:
        measured: energies [n, m] of the encoder, and of its untrained twin where there is one.
        names: theirs.
    """
    group = np.array([one.group for one in found])
    seed, every = experiment.seed, [_draws(energy, group, experiment.seed) for energy in measured]
    stands: dict[_Key, Standing] = {}
    if len(every) > 1:  # of energies themselves less is better at the true action alone, and scales differ
        keys = [key for key in every[0] if key[1] == "accuracy"]
        judged = standings([(every[0][key], {"twin": every[1][key]}) for key in keys])
        stands = {key: one["twin"] for key, one in zip(keys, judged, strict=True) if "twin" in one}
    protocol = (
        f"one step of {experiment.stride} source frames; each frame doubled and encoded alone; L1 to the "
        f"layer-normed tokens of the frame that came; others: {SHUFFLED} actions of other groups; intervals "
        "resample groups"
    )
    for name, draws in zip(names, every, strict=True):
        for (times, metric), one in draws.items():
            score = one.score()
            yield EnergyResult(
                encoder=name, actions="shuffled" if times is None else "scaled", times=times, metric=metric,
                score=score.value, low=score.low, high=score.high, n=len(found), n_groups=len(np.unique(group)),
                stride=experiment.stride, protocol=protocol, seed=seed,
                against_twin=stands.get((times, metric)) if name == names[0] else None,
                notes=[score.note] if score.note else [],
            )  # fmt: skip


def _draws(energy: Floats, group: NDArray[np.int64], seed: int) -> dict[_Key, Draws]:
    """By the multiple of the true action (None: others'), and metric."""
    one = np.ones(len(energy))

    def mean(values: Floats, scale: Scale) -> Draws:
        return ratio_draws(values, one, group, seed=seed, scale=scale, empty="no transitions")

    true, others = energy[:, [_TRUE]], energy[:, len(TIMES) :]
    found: dict[_Key, Draws] = {}
    for number, times in enumerate(TIMES):
        found[times, "l1"] = mean(energy[:, number], "error")
        if number != _TRUE:
            found[times, "excess"] = mean(energy[:, number] - true[:, 0], "plain")
            found[times, "accuracy"] = mean(_lower(true, energy[:, [number]]), "share")
    found[None, "l1"] = mean(others.mean(axis=1), "error")
    found[None, "excess"] = mean(others.mean(axis=1) - true[:, 0], "plain")
    found[None, "accuracy"] = mean(_lower(true, others), "share")
    return found


def _lower(true: Floats, others: Floats) -> Floats:
    """The share of others [n, m] whose energy is above the true action's [n, 1]; a draw counts half."""
    return np.asarray(((true < others) + 0.5 * (true == others)).mean(axis=1))


def _pace(found: Sequence[Transition]) -> list[str]:
    """What a user must know of how far frames are apart."""
    rate = 1 / float(np.median([one.seconds for one in found]))
    if _RATES[0] <= rate <= _RATES[1]:
        return []
    return [
        f"Actions lead {rate:.1f} frames a second on, and V-JEPA 2-AC was trained at 4: another --stride fits it"
    ]
