"""Rendered clips of robots as a LeRobot dataset (v3.0), each an episode: what the lerobot package opens."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.io.tables import read_table, write_table
from worldprobe.video.read import open_video
from worldprobe.video.rendered.robots.plan import RATE, SIDE
from worldprobe.video.rendered.scenes import truth_path

if TYPE_CHECKING:
    import polars as pl

CAMERA = "observation.images.camera"
# Columns of the truth that become features, by what they begin with.
_VECTORS = {"observation.state": "state.", "action": "action."}
_CHUNK = 1000  # files of a folder
_NUMBERS = ("timestamp", "frame_index", "episode_index", "index", "task_index")
_INFO = {
    "codebase_version": "v3.0",
    "robot_type": "worldprobe",
    "chunks_size": _CHUNK,
    "data_files_size_in_mb": 100,
    "video_files_size_in_mb": 200,
    "fps": RATE,
    "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
    "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
}


def write_lerobot(films: Sequence[Path], out: Path) -> Path:
    """Write a dataset of clips of robots, an episode each; the films are copied, byte for byte.

    Raises:
        VideoError: a film has no truth with a robot's state and action, or ``out`` holds something already.
    """
    import polars as pl

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise VideoError(f"{out} is there already, and a dataset is written whole: name a new folder")
    truths = [_truth(film) for film in films]
    names = [f"{truth['behaviour'][0]} the {truth['class'][0]}" for truth in truths]
    tasks = sorted(set(names))
    tables, episodes, begin = [], [], 0
    for episode, (truth, task) in enumerate(zip(truths, names, strict=True)):
        tables.append(_rows(truth, episode, begin, tasks.index(task)))
        episodes.append(_entry(episode, task, begin, len(truth)))
        begin += len(truth)
    temporary = out.with_name(f".{out.name}-{uuid.uuid4().hex}")
    try:
        for episode, film in enumerate(films):
            chunk, file = divmod(episode, _CHUNK)
            path = temporary / _INFO["video_path"].format(video_key=CAMERA, chunk_index=chunk, file_index=file)  # type: ignore[attr-defined]
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(film, path)
        rows = pl.concat(tables)
        _write(rows, temporary / "data" / "chunk-000" / "file-000.parquet")
        _write(pl.DataFrame(episodes), temporary / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
        _write_tasks(tasks, temporary / "meta" / "tasks.parquet")
        info = _info(truths[0], len(truths), len(rows), len(tasks))
        (temporary / "meta" / "info.json").write_text(json.dumps(info, indent=4), encoding="utf-8")
        stats = {**_stats(rows), CAMERA: _picture_stats(films)}
        (temporary / "meta" / "stats.json").write_text(json.dumps(stats, indent=4), encoding="utf-8")
        if out.exists():
            out.rmdir()
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out


def _truth(film: Path) -> pl.DataFrame:
    path = truth_path(film)
    if path.exists():
        table = read_table(path)
        if all(any(name.startswith(prefix) for name in table.columns) for prefix in _VECTORS.values()):
            return table
    raise VideoError(
        f"{film} shows no robot whose state and action are known: a LeRobot dataset is made of robots:N"
    )


def _columns(truth: pl.DataFrame, prefix: str) -> list[str]:
    return [name for name in truth.columns if name.startswith(prefix)]


def _rows(truth: pl.DataFrame, episode: int, begin: int, task: int) -> pl.DataFrame:
    import polars as pl

    count = len(truth)
    vectors = {}
    for feature, prefix in _VECTORS.items():
        values = truth.select(_columns(truth, prefix)).to_numpy().astype(np.float32)
        vectors[feature] = pl.Series(values, dtype=pl.Array(pl.Float32, values.shape[1]))
    return pl.DataFrame(
        {
            **vectors,
            "timestamp": (np.arange(count) / RATE).astype(np.float32),
            "frame_index": np.arange(count),
            "episode_index": np.full(count, episode),
            "index": begin + np.arange(count),
            "task_index": np.full(count, task),
        }
    )


def _entry(episode: int, task: str, begin: int, length: int) -> dict[str, Any]:
    """What the metadata say of an episode."""
    chunk, file = divmod(episode, _CHUNK)
    return {
        "episode_index": episode, "tasks": [task], "length": length,
        "data/chunk_index": 0, "data/file_index": 0,
        "dataset_from_index": begin, "dataset_to_index": begin + length,
        f"videos/{CAMERA}/chunk_index": chunk, f"videos/{CAMERA}/file_index": file,
        f"videos/{CAMERA}/from_timestamp": 0.0, f"videos/{CAMERA}/to_timestamp": length / RATE,
        "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0,
    }  # fmt: skip


def _info(truth: pl.DataFrame, episodes: int, frames: int, tasks: int) -> dict[str, Any]:
    video = {
        "video.height": SIDE, "video.width": SIDE, "video.codec": "h264", "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False, "video.fps": RATE, "video.channels": 3, "has_audio": False,
    }  # fmt: skip
    features: dict[str, Any] = {
        CAMERA: {
            "dtype": "video", "shape": [SIDE, SIDE, 3], "names": ["height", "width", "channels"], "info": video,
        }
    }  # fmt: skip
    for feature, prefix in _VECTORS.items():
        names = [name.removeprefix(prefix) for name in _columns(truth, prefix)]
        features[feature] = {"dtype": "float32", "shape": [len(names)], "names": names}
    for name in _NUMBERS:
        kind = "float32" if name == "timestamp" else "int64"
        features[name] = {"dtype": kind, "shape": [1], "names": None}
    counts = {"total_episodes": episodes, "total_frames": frames, "total_tasks": tasks}
    return {**_INFO, **counts, "splits": {"train": f"0:{episodes}"}, "features": features}


def _stats(rows: pl.DataFrame) -> dict[str, Any]:
    """Least, greatest, mean and deviation of each feature's dimensions, as LeRobot normalises by them."""
    found = {}
    for name in rows.columns:
        values = rows[name].to_numpy().astype(np.float64).reshape(len(rows), -1)
        found[name] = {
            "min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist(),
            "mean": values.mean(axis=0).tolist(), "std": values.std(axis=0).tolist(), "count": [len(rows)],
        }  # fmt: skip
    return found


def _picture_stats(films: Sequence[Path]) -> dict[str, Any]:
    """The same of pixels from 0 to 1, by colour channel."""
    low, high, count = np.ones(3), np.zeros(3), 0
    total, squares = np.zeros(3), np.zeros(3)
    for film in films:
        with open_video(film) as video:
            for _, frame in video.frames():
                pixels: NDArray[np.float64] = frame.reshape(-1, 3) / 255
                low, high = np.minimum(low, pixels.min(axis=0)), np.maximum(high, pixels.max(axis=0))
                total, squares = total + pixels.mean(axis=0), squares + (pixels**2).mean(axis=0)
                count += 1
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    named = {"min": low, "max": high, "mean": mean, "std": deviation}
    return {name: values.reshape(3, 1, 1).tolist() for name, values in named.items()} | {"count": [count]}


def _write(table: pl.DataFrame, path: Path, metadata: dict[str, str] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(table, path, metadata)


def _write_tasks(tasks: list[str], path: Path) -> None:
    """Tasks by number; LeRobot reads their names as the index of a pandas table, which the file has to say."""
    import polars as pl

    index = "__index_level_0__"

    def column(name: str | None, field: str, kind: str, numpy_kind: str) -> dict[str, Any]:
        return {"name": name, "field_name": field, "pandas_type": kind, "numpy_type": numpy_kind, "metadata": None}

    said = {
        "index_columns": [index],
        "column_indexes": [],
        "columns": [
            column("task_index", "task_index", "int64", "int64"),
            column(None, index, "unicode", "object"),
        ],
        "creator": {"library": "polars", "version": pl.__version__},
        "pandas_version": "2.0.0",
    }
    table = pl.DataFrame({"task_index": np.arange(len(tasks)), index: tasks})
    _write(table, path, {"pandas": json.dumps(said)})
    # Arrow's own schema, which polars writes too and has no index, would hide pandas' from pyarrow: it gets another
    # name, of the same length.
    path.write_bytes(path.read_bytes().replace(b"ARROW:schema", b"polars:types"))
