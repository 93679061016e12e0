"""What is wrong with an experiment, found out before anything is encoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from worldprobe import provenance
from worldprobe.config import Decode, Experiment
from worldprobe.encoders.known import require_place
from worldprobe.errors import ConfigError, WorldprobeError
from worldprobe.findings.run_files import (
    PREDICTIONS,
    read_alignment,
    read_failures,
    read_json,
    read_labels,
    read_provenance,
)
from worldprobe.findings.sections.decoding import read_losses
from worldprobe.findings.sections.moments import read_moments
from worldprobe.findings.sections.prediction import SURPRISE, read_curves
from worldprobe.io.arrays import require_arrays
from worldprobe.labels.class_maps import class_map
from worldprobe.labels.load import reads_files
from worldprobe.pipeline.decode.pictures import PICTURES
from worldprobe.pipeline.decode.training import FOLDER, options_of
from worldprobe.pipeline.decode.training_clips import read_training_clips
from worldprobe.pipeline.folder import require_own
from worldprobe.pipeline.groups import Groups
from worldprobe.pipeline.label.checks import labeller_of
from worldprobe.pipeline.moments.keep import FOLDER as MOMENTS
from worldprobe.pipeline.pictures import require_pictures
from worldprobe.pipeline.predict.stage import check as check_future
from worldprobe.pipeline.probe.plan import plan_of
from worldprobe.pipeline.probe.questions import check_probes
from worldprobe.pipeline.probe.shift import require_factor
from worldprobe.pipeline.sources import open_source, ref_of, spread
from worldprobe.plugins import registry
from worldprobe.probes.splits import LEAST_VIDEOS, OUTER_FOLDS, SplitKind
from worldprobe.protocols import Labeller
from worldprobe.records import DecoderShape

# What writes into a run's folder: its commands and, in a run, the stages that it has beside labels and probes.
Writer = Literal["run", "probe", "predict", "energy", "decode"]
# What the report reads of a folder, whatever is done in it, and who writes it anew.
_REPORTED: tuple[tuple[frozenset[Writer], Callable[[Path], object]], ...] = (
    (frozenset(), lambda out: read_provenance(out / provenance.FILE)),
    (frozenset({"run", "probe"}), read_alignment),
    (frozenset({"run", "probe"}), read_labels),
    (frozenset({"run", "decode"}), lambda out: read_failures(out / "failures.jsonl")),
    (frozenset({"run", "probe"}), read_moments),
    (frozenset({"run", "probe"}), lambda out: require_pictures(out / MOMENTS)),
    (frozenset({"predict"}), read_curves),
    (frozenset({"predict"}), lambda out: require_pictures(out / SURPRISE)),
    (frozenset({"predict"}), lambda out: require_arrays(out / PREDICTIONS, stage="predict")),
    (frozenset(), lambda out: read_losses(out / FOLDER)),  # those of decoders that are not trained anew stay
    (frozenset({"decode"}), lambda out: require_arrays(out / FOLDER, PICTURES, stage="decode")),
)
_TABLES: tuple[Writer, ...] = ("predict", "decode")
# Options of decoders that are right or wrong by the size of the frames, which the encoder tells.
_OF_SIZE = ("patch", "latent")


def check(experiment: Experiment, videos: Sequence[Path], out: Path) -> Labeller:
    """Raise now what the stages of a run would raise after hours; the labeller, which is loaded for that.

    Raises:
        WorldprobeError: classes, probes, labeller, tracker, encoder, predictor or decoders that are not there, that
            cannot be had, or that do not go together; a folder that holds another experiment's results.
    """
    require_own(out, identity_of(experiment), ids=lambda: ids_among(videos))
    stages = [name for name in _TABLES if getattr(experiment, name) is not None]
    require_sound(out, by=["run", *stages])
    class_map(experiment.classes)
    if experiment.protocol == "sound":
        check_probes(plan_of(experiment, encoder=experiment.encoder))
    if registry.knows("encoders", experiment.encoder):
        registry.check("encoders", experiment.encoder)
    else:
        require_place(experiment.encoder)
    if experiment.decode is not None:
        check_decoders(experiment.decode)
        _check_enough(experiment.decode, experiment.split, videos)
    labeller = labeller_of(experiment, videos, folder=out)
    _check_factor(experiment, labeller, videos)
    check_future(experiment, out)
    return labeller


def require_sound(out: Path, *, by: Iterable[Writer]) -> None:
    """Refuse a run's folder in which a file is damaged that would be read after the work, before it begins.

    Files that are written anew are not read: a damaged one is replaced.

    Args:
        by: who is to write into the folder.

    Raises:
        ConfigError: names the file, and what to do.
    """
    writers = frozenset(by)
    try:
        for anew, read in _REPORTED:
            if not anew & writers:
                read(out)
    except WorldprobeError as error:
        raise ConfigError(
            f"{error} Or delete the file, to go on without what it says. Nothing has been done yet."
        ) from error
    if not writers & {"predict", "decode"}:
        return
    try:
        for folder in sorted((out / FOLDER).glob("*/")):
            read_json(folder / "config.json")
            read_training_clips(folder)
            require_arrays(folder, stage="decode")
    except WorldprobeError as error:
        raise ConfigError(
            f"{error} Or delete that decoder's folder, to go on without it. Nothing has been done yet."
        ) from error


def _check_factor(experiment: Experiment, labeller: Labeller, videos: Sequence[Path]) -> None:
    """Raises ProbeError where labels that are only read have no column that is to be held out."""
    if experiment.hold_out is None or not videos or not reads_files(labeller):
        return
    try:
        with open_source(videos[0]) as video:
            labels = labeller.label(video)
    except WorldprobeError:  # the run will say it, and may do without this video
        return
    require_factor(plan_of(experiment, encoder=experiment.encoder), labels)


def check_decoders(table: Decode) -> None:
    """Raises RegistryError or DecoderError: no such decoder, options that it does not take or allow."""
    for name in table.decoders:
        registry.check("decoders", name, **options_of(table, name))
        if not registry.foreign("decoders", name):
            # Of any shape: what is wrong with these options is wrong with all. Others go by the frames' size.
            shape = DecoderShape(grid=(8, 8), width=64, size=(64, 64), frames=2)
            options = {key: one for key, one in options_of(table, name).items() if key not in _OF_SIZE}
            registry.create("decoders", name, shape=shape, **options)


def _check_enough(table: Decode, split: SplitKind, videos: Sequence[Path]) -> None:
    """Raises ConfigError where those of the videos that ``[decode]`` takes are too few to hold some out.

    Blocks of time, which a split may hold out instead, are counted when clips are.
    """
    if table.videos is None or table.videos >= len(videos) or split not in ("grouped", "video"):
        return
    needed, found = (OUTER_FOLDS, 0) if split == "grouped" else (LEAST_VIDEOS, table.videos)
    groups, unread = Groups(), 0
    for path in spread(videos, table.videos) if split == "grouped" else ():
        try:
            with open_source(path) as video:
                found = max(found, 1 + int(groups.of(video.ref, video.shots).max()))
        except WorldprobeError:  # another will stand for it
            unread += 1
        if found + unread >= needed:
            return
    if found < needed:
        what = "groups (shots or episodes)" if split == "grouped" else "videos"
        raise ConfigError(
            f"videos = {table.videos} in [decode] leaves {found + unread} {what}, and split = {split!r} needs "
            f"{needed} or more to hold some out: set videos to {needed} or more in [decode], or leave it out"
        )


def identity_of(experiment: Experiment) -> dict[str, object]:
    """What makes an experiment another than the one whose results a folder holds."""
    return {name: getattr(experiment, name) for name in ("videos", "encoder", "labeller", "protocol")}


def ids_among(videos: Sequence[Path]) -> set[str]:
    """Ids of those of the videos that can be opened."""
    found = set()
    for path in videos:
        try:
            found.add(ref_of(path).id)
        except WorldprobeError:
            continue
    return found
