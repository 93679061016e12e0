"""A run's folder: whose results it holds, and what of them stays when a stage writes its own."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from worldprobe import provenance
from worldprobe.config import Decode, Experiment, Predict, to_toml
from worldprobe.errors import ConfigError, WorldprobeError
from worldprobe.findings.run_files import read_experiment_text, read_json
from worldprobe.io.files import write_whole
from worldprobe.pipeline.claim import alone
from worldprobe.pipeline.differences import in_words
from worldprobe.records import VideoRef
from worldprobe.results import AnyResult, CostResult, read_results, write_results

RESULTS, EXPERIMENT, ALIGNMENT = "results.jsonl", "experiment.toml", "alignment.json"
# A folder may be given more videos; the machine is no part of what is asked.
_MAY_DIFFER = ("videos", "labeller", "device", "strict")
# Stages may end at once, and each reads what the others have written before it writes.
_MERGE_SECONDS = 60.0
# What makes two experiments two. All else is how the same one is asked, and may be asked anew in its folder.
_IDENTITY = ("protocol", "encoder", "labeller")
_TABLES: dict[str, type[BaseModel]] = {"predict": Predict, "decode": Decode}


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that writes lines, and what the names of those costs begin with that it pays anew."""

    name: Literal["probe", "predict", "decode"]
    costs: tuple[str, ...]


PROBE = Stage("probe", ("probe",))
PREDICT = Stage("predict", ("predict",))
# What it took to train a decoder stays as long as the decoder does, until it is trained anew.
DECODE = Stage("decode", ("frames",))
_STAGES = (PROBE, PREDICT, DECODE)
_RESULTS_OF = {"probe": "probes", "predict": "predictions", "decode": "decoders", "": "other kinds"}
_NAMES = tuple(_RESULTS_OF)
# Whose other costs are, by how their names begin.
_PAID = {"encode": "probe", "label": "probe", "train ": "decode"}


@alone("results", patience=_MERGE_SECONDS)
def merge(
    out: Path,
    stage: Stage,
    found: Sequence[AnyResult],
    costs: Sequence[CostResult],
    *,
    revision: str,
    videos: Iterable[VideoRef],
) -> list[str]:
    """Write a stage's lines into a folder's results: the one rule for all stages.

    A stage replaces lines of its own kinds and its own costs. All else that speaks of the same encoder and videos
    stays as it is, lines of unknown kinds to the byte. What speaks of others goes: a folder speaks of one run.

    Args:
        revision: of the encoder that the lines are of, as ``Encoder.revision``.
        videos: that they are of.

    Returns:
        A sentence for each stage whose lines went since they speak of something else.
    """
    path = out / RESULTS
    old, damaged = _readable(path)
    record, now = provenance.read(out / provenance.FILE), provenance.of_videos(videos)
    gone = {name for name in _NAMES if not _alike(_record_of(name, record), revision[:12], now)}
    again = {cost.stage for cost in costs}

    def stays(line: AnyResult) -> bool:
        if _stage_of(line) in gone:
            return False
        if isinstance(line, CostResult):
            return not (line.stage in again or line.stage.startswith(stage.costs))
        return line.written_by != stage.name

    kept = [line for line in old if stays(line)]
    paid = [line for line in kept if isinstance(line, CostResult)]
    others = [line for line in kept if not isinstance(line, CostResult)]
    lines = [*found, *others] if stage is PROBE else [*others, *found]  # probes come first, as everywhere
    write_results(path, [*lines, *paid, *costs])
    lost = {_stage_of(line) for line in old if not isinstance(line, CostResult)} & gone - {stage.name}
    for other in _STAGES:
        if other.name in gone - {PROBE.name, stage.name}:
            with suppress(WorldprobeError):  # a damaged alignment says nothing of it either
                add_notes(out, other, [])
    notes = [
        f"What {path} held of {_RESULTS_OF[name]} was of another encoder or of other videos, and is removed."
        for name in sorted(lost)
    ]
    if damaged:
        notes.append(f"{path} was damaged: {damaged[0]} What could be read of it is kept.")
    return notes


def add_notes(out: Path, stage: Stage, notes: Sequence[str]) -> None:
    """Say what a user must know of a stage, beside what is said of others and in place of what was said of it."""
    known = read_json(out / ALIGNMENT)
    if notes or stage.name in _stage_notes(known):
        _write_notes(out, known, {**_stage_notes(known), stage.name: list(notes)}, own=_own_notes(known))


def write_alignment(out: Path, facts: Mapping[str, Any], notes: Sequence[str]) -> None:
    """Write what became of the labels, and what a user must know of probes; notes on other stages stay."""
    known: dict[str, Any] = {}
    with suppress(WorldprobeError):  # a damaged one is written anew
        known = read_json(out / ALIGNMENT)
    _write_notes(out, facts, _stage_notes(known), own=notes)


def _write_notes(
    out: Path, facts: Mapping[str, Any], of_stages: Mapping[str, Sequence[str]], *, own: Sequence[str]
) -> None:
    """Write all notes as one list, and beside it which of them are on which stage."""
    found = {name: list(notes) for name, notes in of_stages.items() if notes}
    written = {**facts, "notes": [*own, *(note for notes in found.values() for note in notes)]}
    written.pop("stage_notes", None)
    write_whole(out / ALIGNMENT, json.dumps({**written, **({"stage_notes": found} if found else {})}).encode())


def _stage_notes(alignment: Mapping[str, Any]) -> dict[str, list[str]]:
    """Notes on the stages after probing, by the stage's name."""
    written = {name: notes for name, notes in _table(alignment, "stage_notes").items() if isinstance(notes, list)}
    return {name: [note for note in notes if isinstance(note, str)] for name, notes in written.items()}


def _own_notes(alignment: Mapping[str, Any]) -> list[str]:
    """Notes on labels and probes."""
    notes = alignment.get("notes")
    found = list(notes) if isinstance(notes, list) else []
    for note in (note for notes in _stage_notes(alignment).values() for note in notes):
        if note in found:
            found.remove(note)
    return found


def require_own(
    out: Path, wanted: Mapping[str, Any], *, ids: Callable[[], Collection[str]] | None = None, part: bool = False
) -> None:
    """Refuse to write over another experiment's results.

    The same experiment may be resumed, asked otherwise (tasks, split, ...) or given more videos.

    Args:
        wanted: ``videos`` (as written in an experiment), ``encoder``, and where they are asked for ``labeller`` and
            ``protocol``.
        ids: gives those of the videos asked for, by which they are known whatever their place is called.
        part: whether a stage is added to what is there, of which some of the videos will do.

    Raises:
        ConfigError: the folder holds results of another encoder, labeller, protocol, or of other videos.
    """
    if not (out / RESULTS).exists():
        return
    held, record = _experiment(out), provenance.read(out / provenance.FILE)
    if not held:
        return
    kinds = {line.kind for line in _readable(out / RESULTS)[0]}
    differing = [
        f"{name} {held[name]!r}, and {wanted[name]!r} was asked for"
        for name in _IDENTITY
        if name in held and name in wanted and not _same(name, held[name], wanted[name], probed="probe" in kinds)
    ]
    if not _same_videos(held, record, wanted, ids, part=part):
        differing.append(f"videos {_named(held.get('videos'))}, and {_named(wanted.get('videos'))} was asked for")
    if differing:
        raise ConfigError(
            f"{out} holds the results of another experiment: of {'; of '.join(differing)}. Give another folder "
            "(--out), or delete this one to do without them."
        )


def changed_settings(out: Path, experiment: Experiment) -> list[str]:
    """A sentence where a folder holds results of the same experiment with other settings, which a run replaces."""
    if not (out / RESULTS).exists():
        return []
    held, now = _experiment(out), tomllib.loads(to_toml(experiment))
    changes = [one for key, one in _changes(held, now, Experiment) if key not in _MAY_DIFFER]
    return [f"{out} held results with {'; '.join(changes)}: they are replaced."] if held and changes else []


def _changes(
    held: Mapping[str, Any], now: Mapping[str, Any], table: type[BaseModel] | None, within: str = ""
) -> Iterator[tuple[str, str]]:
    """Each key of a table that differs, and how: of a table in it, the keys of that one.

    Args:
        table: what the keys are of; None where they are the user's own.
        within: what tables these are in, with a full stop after each.
    """
    for key in dict.fromkeys((*held, *now)):
        one, other = held.get(key), now.get(key)
        field = table.model_fields.get(key) if table else None
        # What is not set is not written; a stage's table that only one of them has changes nothing of other stages.
        unset = table is None or (field is not None and field.default is None and key not in _TABLES)
        if one == other or not (unset or (key in held and key in now)):
            continue
        if all(isinstance(each, dict) for each in (one, other) if each is not None):
            inner = _TABLES.get(key) if table is Experiment else None
            yield from ((key, change) for _, change in _changes(one or {}, other or {}, inner, f"{within}{key}."))
        else:
            yield key, f"{within}{key} = {_set(one)} (now {_set(other)})"


def _set(value: Any) -> str:
    return "not set" if value is None else in_words(value)


def _same(name: str, held: Any, wanted: Any, *, probed: bool) -> bool:
    if name != "labeller":
        return bool(held == wanted)
    if not probed:  # nothing was labelled: the file only has the default
        return True
    # A table of labels may know less of its labeller than an experiment: "mot" is "mot:boxes.txt".
    (one, _, of_one), (other, _, of_other) = str(held).partition(":"), str(wanted).partition(":")
    return one == other and (of_one == of_other or not of_one or not of_other)


def _same_videos(
    held: Mapping[str, Any],
    record: Mapping[str, Any],
    wanted: Mapping[str, Any],
    ids: Callable[[], Collection[str]] | None,
    *,
    part: bool,
) -> bool:
    before, now = set(map(str, held.get("videos") or ())), set(map(str, wanted.get("videos") or ()))
    if not before or not now or before <= now or (part and before & now):
        return True
    videos = _table(record, "videos")
    if not videos or ids is None:
        return False
    found = set(ids())
    if (known := _ids(videos)) is not None:
        return known <= found or (part and bool(known & found))
    return bool(videos.get("sha256") == provenance.hash_of(found))


def _ids(videos: Mapping[str, Any]) -> set[str] | None:
    """Of the videos that a record names, where it names them all: of two with one name it knows the second."""
    named = _table(videos, "named")
    found = {words[1].rstrip(",") for entry in named.values() if len(words := str(entry).split()) > 1}
    return found if found and len(found) == videos.get("count") else None


def _record_of(stage: str, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a folder's record says of a stage: what is said of it apart, else what is said of all."""
    return _table(_table(record, "otherwise"), stage) or record


def _alike(record: Mapping[str, Any], revision: str, now: Mapping[str, Any]) -> bool:
    """Whether a record is of this encoder, and of these videos, some of them, or these and more."""
    if _table(record, "encoder").get("revision") not in (None, revision):
        return False
    before = _table(record, "videos")
    if not before or before.get("sha256") == now["sha256"]:
        return True
    # A stage may have had to leave some videos out. An id hashes the bytes: others under the same name are others.
    one, other = _ids(before), _ids(now)
    return one is not None and other is not None and (one <= other or other <= one)


def _table(of: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = of.get(key)
    return found if isinstance(found, dict) else {}


def _stage_of(line: AnyResult) -> str:
    """The stage that wrote a line; "" for a line of an unknown kind."""
    if isinstance(line, CostResult):
        starts = {start: stage.name for stage in _STAGES for start in stage.costs} | _PAID
        return next((name for start, name in starts.items() if line.stage.startswith(start)), "")
    return line.written_by


def _experiment(out: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_experiment_text(out / EXPERIMENT))
    except WorldprobeError as error:
        raise ConfigError(
            f"{error} Whose results {out} holds cannot be told: give another folder (--out), or delete the file to "
            "write over them."
        ) from error


def _readable(path: Path) -> tuple[list[AnyResult], list[str]]:
    """The lines of a file of results that can be read, and what is wrong with the others."""
    damaged: list[str] = []
    try:
        return (read_results(path, damaged=damaged) if path.exists() else []), damaged
    except WorldprobeError as error:
        return [], [str(error)]


def _named(videos: Any) -> str:
    names = [str(one) for one in videos or ()]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


STORE = "embeddings.zarr"
