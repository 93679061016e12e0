"""Embeddings out of a run's store into one file that other tools read: a row a clip, or a row a tubelet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from worldprobe import provenance
from worldprobe.config import Experiment, read_experiment
from worldprobe.errors import ConfigError, StoreError, WorldprobeError, WriteError
from worldprobe.io.files import StrPath, replacing
from worldprobe.io.names import short_names
from worldprobe.pipeline.folder import STORE
from worldprobe.pipeline.stored import whole_clips
from worldprobe.probes.features import pooled
from worldprobe.records import Block, blocks_name, in_order
from worldprobe.store import Series, Store

Form = Literal["parquet", "safetensors"]
Each = Literal["clip", "tubelet"]
FEATURES = ("z", "grid")
# Clips that are in memory at a time.
BATCH = 64

Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: rows, the width of each column of vectors, and clips that the store lacks."""

    path: str
    rows: int
    vectors: dict[str, int]
    missing: int


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """Which clips (positions) of which series, at which blocks, read how; and what their videos are called."""

    store: Store
    parts: tuple[tuple[Series, tuple[int, ...]], ...]
    blocks: tuple[Block, ...]
    features: tuple[str, ...]
    each: Each
    names: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.names.update(short_names(one.video.path for one, _ in self.parts))

    @property
    def rows(self) -> int:
        return sum(len(held) * (one.grid.time if self.each == "tubelet" else 1) for one, held in self.parts)


def export_embeddings(
    run: StrPath,
    path: StrPath,
    *,
    form: Form,
    features: Sequence[str] = ("z",),
    each: Each = "clip",
    store: Store | None = None,
) -> Exported:
    """Write every clip that a run's encoder has in the store, sampled as the run says; ``BATCH`` at a time.

    Columns (tensors of the same names in safetensors): ``video`` (sha256 of the file), ``file``, ``shot``,
    ``group`` (the shot, or the episode whichever camera saw it), ``input``, ``first_frame`` and ``last_frame``
    (source frames), ``seconds`` (of the first frame, at the film's mean rate), ``tubelet`` where a row is one, and
    for each block and kind of features ``block3.z``, float32 [d] (``grid``: [16 d]; of several blocks as one
    ``sum2+3.z``). A clip's vector is the mean of
    its tubelets'. Rows are in order of video, input and frame.

    Args:
        path: written whole or not at all.
        features: of ``FEATURES``.
        store: by default the one in the run's folder.

    Raises:
        ConfigError: features, form or rows of an unknown kind, or no experiment in the folder.
        StoreError: no embeddings of the run's encoder, or a damaged clip.
        ProbeError: ``grid`` of tokens that were stored pooled over space.
    """
    run, path = Path(run), Path(path)
    for names, known in ((features, FEATURES), ([form], get_args(Form)), ([each], get_args(Each))):
        if unknown := [one for one in names if one not in known]:
            raise ConfigError(f"{', '.join(map(repr, unknown))} cannot be exported: choose from {', '.join(known)}")
    store = store or Store(str(run / STORE))
    series, missing = _series(run, store)
    blocks = tuple(in_order(set.intersection(*(set(found) for _, found, _ in series))))
    wanted = _Wanted(store, tuple((one, held) for one, _, held in series), blocks, tuple(features), each)
    if not blocks or not wanted.rows:
        raise StoreError(
            f"no clip in {store.location} is there for all videos at the same block. Run `worldprobe encode`."
        )
    widths = _widths(next(_batches(wanted)))
    write = {"parquet": _write_parquet, "safetensors": _write_safetensors}[form]
    with replacing(path) as temporary:
        write(temporary, wanted, widths)
    return Exported(str(path), wanted.rows, widths, missing)


def _series(run: Path, store: Store) -> tuple[list[tuple[Series, list[Block], tuple[int, ...]]], int]:
    """Series of the run's encoder and sampling, their blocks, the clips there at all of these; how many lack."""
    experiment: Experiment = read_experiment(run / "experiment.toml")
    encoder = provenance.read(run / provenance.FILE).get("encoder", {})
    if not encoder.get("name"):
        raise WorldprobeError(f"{run / provenance.FILE} does not say which encoder the run used. Run it again.")
    if not store.videos():
        raise StoreError(
            f"no embeddings in {store.location}. A run that was made with a store elsewhere needs it named: "
            f"`worldprobe export {run} --embeddings parquet --store S`; a run of predictions alone keeps none."
        )
    found, missing = [], 0
    for video in store.videos():
        for input in experiment.inputs:
            for one, blocks in store.find(video, encoder=encoder["name"], input=input):
                sampling = (one.specs[0].frames, one.specs[0].stride, one.pool)
                requested = (experiment.frames, 0 if input == "still" else experiment.stride, experiment.pool)
                if sampling != requested or not one.revision.startswith(encoder.get("revision", "")):
                    continue
                held = whole_clips(store, one, blocks)
                missing += len(one.specs) - len(held)
                found.append((one, blocks, tuple(held)))
    if not found:
        raise StoreError(
            f"{store.location} holds nothing by {encoder['name']} of clips of {experiment.frames} frames with "
            f"stride {experiment.stride} and pool {experiment.pool}, which is what {run} asked for. "
            "Name its store by --store."
        )
    return found, missing


def _batches(wanted: _Wanted) -> Iterator[Columns]:
    """At most ``BATCH`` clips of one series, as columns of equal length."""
    for series, held in wanted.parts:
        shots = series.shot.tolist()
        for start in range(0, len(held), BATCH):
            yield _columns(wanted, series, held[start : start + BATCH], shots)


def _columns(wanted: _Wanted, series: Series, clips: Sequence[int], shots: Sequence[int]) -> Columns:
    times = range(series.grid.time) if wanted.each == "tubelet" else [None]
    specs = [(series.specs[clip], shots[clip], time) for clip in clips for time in times]
    frames = [
        (
            spec.indices
            if time is None
            else spec.indices[time * series.grid.tubelet : (time + 1) * series.grid.tubelet]
        )
        for spec, _, time in specs
    ]
    first = np.array([one[0] for one in frames], dtype=np.int64)
    columns: Columns = {
        "video": [series.video.id] * len(specs),
        "file": [wanted.names[series.video.path]] * len(specs),
        "shot": np.array([shot for _, shot, _ in specs], dtype=np.int64),
        "group": [_group(series, shot) for _, shot, _ in specs],
        "input": [series.input] * len(specs),
        "first_frame": first,
        "last_frame": np.array([one[-1] for one in frames], dtype=np.int64),
        "seconds": first / series.video.rate,
    }
    if wanted.each == "tubelet":
        columns["tubelet"] = np.array([time for _, _, time in specs], dtype=np.int64)
    for block in wanted.blocks:
        values = [wanted.store.clip(series, block, clip).values for clip in clips]
        for kind in wanted.features:
            rows = [pooled(one, kind) for one in values]
            if wanted.each == "clip":
                rows = [one.mean(axis=0, keepdims=True) for one in rows]
            columns[f"{blocks_name([block])}.{kind}"] = np.concatenate(rows).astype(np.float32)
    return columns


def _group(series: Series, shot: int) -> str:
    """What may not stand on both sides of a split."""
    known = series.video.episodes[shot] if series.video.episodes else ""
    return known or f"{series.video.id[:24]}/{shot}"


def _widths(columns: Columns) -> dict[str, int]:
    """The columns that hold vectors, and how many numbers each has."""
    return {name: one.shape[1] for name, one in columns.items() if isinstance(one, np.ndarray) and one.ndim == 2}


def _write_parquet(path: Path, wanted: _Wanted, widths: dict[str, int]) -> None:
    """Batch after batch through polars' streaming engine, which holds a few row groups."""
    import polars as pl
    from polars.io.plugins import register_io_source

    schema = {
        name: pl.Array(pl.Float32, widths[name]) if name in widths else kind for name, kind in _types(wanted, pl)
    }
    failed: list[WorldprobeError] = []

    def source(*_: object) -> Iterator[pl.DataFrame]:
        try:
            for columns in _batches(wanted):
                yield pl.DataFrame(columns, schema=schema)
        except WorldprobeError as error:
            failed.append(error)  # polars would make another error of it
            raise

    try:
        register_io_source(source, schema=schema).sink_parquet(path, row_group_size=16 * BATCH)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if failed:
            raise failed[0] from error
        raise WriteError(f"cannot write {path.parent}: {error}. What was there before is kept.") from error


def _types(wanted: _Wanted, pl: Any) -> list[tuple[str, Any]]:
    named = {"video": pl.String, "file": pl.String, "shot": pl.Int64, "group": pl.String, "input": pl.String}
    named |= {"first_frame": pl.Int64, "last_frame": pl.Int64, "seconds": pl.Float64}
    named |= {"tubelet": pl.Int64} if wanted.each == "tubelet" else {}
    vectors = [(f"{blocks_name([block])}.{kind}", None) for block in wanted.blocks for kind in wanted.features]
    return [*named.items(), *vectors]


def _write_safetensors(path: Path, wanted: _Wanted, widths: dict[str, int]) -> None:
    """The format's header, then every tensor's place in the file filled row by row.

    Text is no tensor: ``video``, ``group`` and ``input`` are indices into the lists of the file's metadata.
    """
    videos = list(dict.fromkeys((one.video.id, wanted.names[one.video.path]) for one, _ in wanted.parts))
    inputs: list[str] = list(dict.fromkeys(one.input for one, _ in wanted.parts))
    groups = dict.fromkeys(
        _group(one, shot) for one, held in wanted.parts for shot in one.shot[list(held)].tolist()
    )
    codes = {"video": [id for id, _ in videos], "group": list(groups), "input": inputs}
    places_of = {name: {one: at for at, one in enumerate(known)} for name, known in codes.items()}
    names = ["seconds", "video", "shot", "group", "input", "first_frame", "last_frame"]
    names += ["tubelet"] if wanted.each == "tubelet" else []
    # Eight bytes a number first, so that each tensor begins where its numbers may.
    sizes = {name: (np.dtype("<f8" if name == "seconds" else "<i8"), (wanted.rows,)) for name in names}
    shapes: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {**sizes}
    shapes |= {name: (np.dtype("<f4"), (wanted.rows, width)) for name, width in widths.items()}
    metadata = {
        "videos": json.dumps([{"id": id, "file": file} for id, file in videos]),
        "groups": json.dumps(codes["group"]),
        "inputs": json.dumps(inputs),
    }
    places = _reserve(path, shapes, metadata)
    at = 0
    for columns in _batches(wanted):
        rows = len(columns["shot"])
        for name, place in places.items():
            column = columns[name]
            place[at : at + rows] = [places_of[name][one] for one in column] if name in codes else column
        at += rows
    for place in places.values():
        place.flush()


def _reserve(
    path: Path, shapes: dict[str, tuple[np.dtype[Any], tuple[int, ...]]], metadata: dict[str, str]
) -> dict[str, np.memmap[Any, np.dtype[Any]]]:
    """A safetensors file whose tensors are yet to be filled: its arrays, in the file."""
    header: dict[str, Any] = {"__metadata__": metadata}
    offset = 0
    for name, (dtype, shape) in shapes.items():
        size = dtype.itemsize * int(np.prod(shape))
        kind = {"<f8": "F64", "<i8": "I64", "<f4": "F32"}[dtype.str]
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)
    with path.open("wb") as file:
        file.write(len(written).to_bytes(8, "little") + written)
        file.truncate(8 + len(written) + offset)
    base = 8 + len(written)
    return {
        name: np.memmap(path, dtype, "r+", offset=base + header[name]["data_offsets"][0], shape=shape)
        for name, (dtype, shape) in shapes.items()
    }
