"""Writes datasets in LeRobot's public formats, v3.0 and v2.1; cameras are videos, or pictures."""

import io
import json
import shutil
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from worldprobe.video.write import write_video

CAMERA = "observation.images.front"
NAMES = ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]


def write_dataset(
    root: Path, frames: NDArray[np.uint8], state: NDArray[np.float32], action: NDArray[np.float32], *, fps: int,
    version: str = "v3.0", also: Mapping[str, NDArray[np.uint8]] | None = None,
    cameras_are: Literal["videos", "bytes", "files"] = "videos",
) -> Path:  # fmt: skip
    """Episodes uint8 [e, t, h, w, 3] with state and action float32 [e, t, d].

    ``also`` has what further cameras saw of them, by name; in v3.0 these put all episodes into one file. Cameras
    are videos, or PNG pictures: bytes in the tables, or files in folders.
    """
    cameras = {CAMERA: frames, **(also or {})}
    episodes, steps, height, width, _ = frames.shape
    v3, kind = version == "v3.0", "video" if cameras_are == "videos" else "image"
    vector = {"dtype": "float32", "shape": [state.shape[2]], "names": NAMES[: state.shape[2]]}
    info = {
        "codebase_version": version, "robot_type": "widowx", "total_episodes": episodes, "chunks_size": 1000,
        "total_frames": episodes * steps, "fps": fps,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet" if v3
        else "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4" if v3
        else "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        "features": {
            **{
                camera: {"dtype": kind, "shape": [height, width, 3], "names": ["height", "width", "channels"]}
                for camera in cameras
            },
            "observation.state": vector, "action": {**vector, "names": None},
            "timestamp": {"dtype": "float32", "shape": [1], "names": None},
            **{
                name: {"dtype": "int64", "shape": [1], "names": None}
                for name in ("frame_index", "episode_index", "index", "task_index")
            },
        },
    }  # fmt: skip
    (root / "meta").mkdir(parents=True)
    (root / "meta" / "info.json").write_text(json.dumps(info))
    tables = [
        pl.DataFrame(
            {
                "observation.state": state[e].tolist(), "action": action[e].tolist(),
                "timestamp": (np.arange(steps) / fps).astype(np.float32), "frame_index": np.arange(steps),
                "episode_index": np.full(steps, e), "index": e * steps + np.arange(steps),
                "task_index": np.zeros(steps, dtype=np.int64),
            }
        )
        for e in range(episodes)
    ]  # fmt: skip
    if cameras_are != "videos":
        for camera, seen in cameras.items():
            tables = [_with_pictures(root, tables[e], camera, e, seen[e], cameras_are) for e in range(episodes)]
    if v3:
        # Two episodes out of three in the first file, the rest in the second.
        first = max(1, 2 * episodes // 3)
        halves = [part for part in (range(first), range(first, episodes)) if part]
        for file, part in enumerate(halves):
            _put(
                root / info["data_path"].format(chunk_index=0, file_index=file),
                pl.concat([tables[e] for e in part]),
            )
        rows: list[dict[str, object]] = [
            {
                "episode_index": e, "tasks": ["move"], "length": steps,
                "data/chunk_index": 0, "data/file_index": int(e >= first),
                "dataset_from_index": e * steps, "dataset_to_index": (e + 1) * steps,
                "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0,
            }
            for e in range(episodes)
        ]  # fmt: skip
        for camera, seen in cameras.items() if cameras_are == "videos" else ():
            for file, part in enumerate(halves if camera == CAMERA else [range(episodes)]):
                video = root / info["video_path"].format(video_key=camera, chunk_index=0, file_index=file)
                video.parent.mkdir(parents=True, exist_ok=True)
                write_video(video, [frame for e in part for frame in seen[e]], rate=fps, crf=10)
                for number, e in enumerate(part):
                    rows[e] |= {
                        f"videos/{camera}/chunk_index": 0, f"videos/{camera}/file_index": file,
                        f"videos/{camera}/from_timestamp": number * steps / fps,
                        f"videos/{camera}/to_timestamp": (number + 1) * steps / fps,
                    }  # fmt: skip
        _put(root / "meta" / "episodes" / "chunk-000" / "file-000.parquet", pl.DataFrame(rows))
        _put(root / "meta" / "tasks.parquet", pl.DataFrame({"task_index": [0], "__index_level_0__": ["move"]}))
    else:
        for e in range(episodes):
            place = {"episode_chunk": 0, "episode_index": e}
            _put(root / info["data_path"].format(**place), tables[e])
            for camera, seen in cameras.items() if cameras_are == "videos" else ():
                video = root / info["video_path"].format(video_key=camera, **place)
                video.parent.mkdir(parents=True, exist_ok=True)
                write_video(video, seen[e], rate=fps, crf=10)
    return root


def change_info(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a dataset's info.json says."""
    path = root / "meta" / "info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def change_tables(folder: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change every Parquet file below a folder."""
    for path in sorted(folder.rglob("*.parquet")):
        change(pl.read_parquet(path)).write_parquet(path)


def film_depth(
    root: Path, camera: str, depth: NDArray[np.uint16], *, fps: int, coding: Mapping[str, Any] | None = None
) -> None:
    """Film a further camera of a v3.0 dataset anew, as LeRobot writes depth: 12 bit grey [e, t, h, w], lossless."""
    (path,) = (root / "videos" / camera).rglob("*.mp4")
    path.unlink()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=fps, options={"x265-params": "lossless=1:log-level=none"})
        stream.height, stream.width = depth.shape[2:]
        stream.pix_fmt = "gray12le"
        for number, picture in enumerate(depth.reshape(-1, *depth.shape[2:])):
            frame = av.VideoFrame.from_ndarray(picture, format="gray12le")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    said = {"video.pix_fmt": "gray12le", "is_depth_map": True, **(coding or {})}
    change_info(root, lambda info: info["features"][camera].update(info=said))


def write_tasks(root: Path, tasks: Mapping[int, str]) -> None:
    """Write what robots were to do, by number, in the form of the dataset's version."""
    version = json.loads((root / "meta" / "info.json").read_text())["codebase_version"]
    if version == "v3.0":
        rows = {"task_index": list(tasks), "__index_level_0__": list(tasks.values())}
        pl.DataFrame(rows).write_parquet(root / "meta" / "tasks.parquet")
    else:
        lines = [json.dumps({"task_index": number, "task": text}) for number, text in tasks.items()]
        (root / "meta" / "tasks.jsonl").write_text("\n".join(lines) + "\n")


def merge_datasets(first: Path, second: Path, out: Path) -> Path:
    """Merge two v3.0 datasets as LeRobot's own tool does: files side by side, episodes counted on."""
    shutil.copytree(first, out)
    info = json.loads((first / "meta" / "info.json").read_text())
    episodes, frames = info["total_episodes"], info["total_frames"]
    taken = {
        folder: len(list((out / folder).glob("chunk-000/file-*")))
        for folder in ("data", "meta/episodes", *(f"videos/{one.name}" for one in (out / "videos").iterdir()))
    }
    for folder, count in taken.items():
        for path in sorted((second / folder).glob("chunk-000/file-*")):
            number = count + int(path.stem.removeprefix("file-"))
            target = out / folder / "chunk-000" / f"file-{number:03d}{path.suffix}"
            if path.suffix != ".parquet":
                shutil.copy(path, target)
                continue
            counted = {"episode_index": episodes, "index": frames, "data/file_index": taken["data"]}
            counted |= {f"{place}/file_index": held for place, held in taken.items() if "videos/" in place}
            table = pl.read_parquet(path)
            table.with_columns(
                pl.col(name) + shift for name, shift in counted.items() if name in table.columns
            ).write_parquet(target)
    change_info(out, lambda one: one.update(total_episodes=2 * episodes, total_frames=2 * frames))
    return out


def _with_pictures(
    root: Path, table: pl.DataFrame, camera: str, episode: int, frames: NDArray[np.uint8], where: str
) -> pl.DataFrame:
    names = [f"frame_{number:06d}.png" for number in range(len(frames))]
    encoded = [_png(frame) for frame in frames]
    if where == "bytes":
        rows = [{"bytes": content, "path": name} for content, name in zip(encoded, names, strict=True)]
        return table.with_columns(pl.Series(camera, rows))
    folder = root / "images" / camera / f"episode_{episode:06d}"
    folder.mkdir(parents=True)
    for content, name in zip(encoded, names, strict=True):
        (folder / name).write_bytes(content)
    return table


def _png(frame: NDArray[np.uint8]) -> bytes:
    held = io.BytesIO()
    Image.fromarray(frame).save(held, "PNG")
    return held.getvalue()


def _put(path: Path, table: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(path)
