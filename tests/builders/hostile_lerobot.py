"""Mutated LeRobot datasets: what their JSON and Parquet files say is changed by what it means, not by its bytes."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tests.builders.lerobot_format import write_dataset

from worldprobe.labels.robots.lerobot import LeRobot, left_out, videos
from worldprobe.pipeline.sources import open_source

MOST_FILMS = 3  # that are opened of one dataset
VALUES = (
    None, True, False, 0, -1, 1, 2, 0.5, -0.5, 1e308, float("nan"), float("inf"), 10**30, 2**63 - 1, "", "x",
    "v3.0", "v2.1", "video", "image", "float32", "string", "0", [], {}, [[]], [None], {"a": None}, [1, 2, 3],
    "\x00", "a" * 5000,
    "../../../../etc/passwd", "/etc/passwd", "..", ".", "~", "{x.__class__}", "{0}", "{}", "{", "}", "{{",
    "{episode_index.__class__.__mro__}", "{chunk_index:0999999999d}", "{video_key!r}", "{video_key:>99999999}",
    "{episode_index[0]}", "observation.images.front", "joint/0.pos", "wrist [/rad]", "\u202e",
)  # fmt: skip
PIECES = ("../", "/", "{file_index}", "{episode_index:06d}", "{x}", "{", "}", "%s", "*", "[a]", "\x00", "é")


def prepared(folder: Path) -> tuple[Callable[[random.Random], Path], Callable[[Path], None]]:
    """What spoils one of some sound datasets and gives its folder, and what reads one."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 4, 16, 16, 3), dtype=np.uint8)
    state = rng.normal(size=(2, 4, 2)).astype(np.float32)
    roots = [
        write_dataset(folder / f"{version} {kind}", frames, state, state, fps=5, version=version, cameras_are=kind)
        for version, kind in (("v3.0", "videos"), ("v2.1", "videos"), ("v3.0", "bytes"), ("v2.1", "files"))
    ]
    for root in (roots[1], roots[3]):
        lines = [json.dumps({"episode_index": number, "tasks": ["a"], "length": 4}) for number in range(2)]
        (root / "meta" / "episodes.jsonl").write_text("\n".join(lines))
    sound = {root: {path: path.read_bytes() for path in _described(root)} for root in roots}
    for root in roots:
        read(root)

    def spoil(generator: random.Random) -> Path:
        root = generator.choice(roots)
        for one in roots:
            for path, content in sound[one].items():
                if not path.exists() or path.read_bytes() != content:
                    path.write_bytes(content)
        for _ in range(generator.randint(1, 2)):
            path = generator.choice(sorted(sound[root]))
            if path.suffix == ".parquet":
                _spoil_table(path, generator)
            elif path.suffix == ".jsonl":
                lines = [json.loads(line) for line in path.read_text().splitlines()]
                path.write_text("\n".join(json.dumps(line) for line in _changed(lines, generator, least=1)))
            else:
                path.write_text(json.dumps(_changed(json.loads(path.read_text()), generator)))
        return root

    return spoil, read


def read(root: Path) -> None:
    """All that a command asks of a dataset; a film that lies elsewhere, or a label of no frame, is a fault."""
    films = list(videos(root))
    left_out(root)
    assert all(film.resolve().is_relative_to(root.resolve()) for film in films)
    for film in films[:MOST_FILMS]:
        with open_source(film) as video:
            table = LeRobot().label(video).table
            assert table["frame"].is_between(0, video.ref.frames - 1).all()
            assert len(video.episodes) in (0, len(video.shots))
            for _ in video.frames([0]):
                pass


def _described(root: Path) -> Iterator[Path]:
    """The files that describe a dataset, and those that hold its rows."""
    for path in sorted(root.rglob("*")):
        if path.suffix in (".json", ".jsonl", ".parquet") and path.stem != "tasks":
            yield path


def _changed(written: Any, generator: random.Random, *, least: int = 0) -> Any:
    """JSON with one to three places changed, the top kept for at least so many levels."""
    written = copy.deepcopy(written)
    for _ in range(generator.randint(1, 3)):
        places = [place for place in _places(written) if len(place) > least]
        if not places:
            return written
        *above, last = generator.choice(places)
        inside = written
        for key in above:
            inside = inside[key]
        match generator.randrange(6):
            case 0:
                del inside[last]
            case 1:
                inside[last] = [inside[last]]
            case 2 if isinstance(inside, dict):
                inside[str(generator.choice(VALUES))[:50]] = inside[last]
            case 3 if isinstance(inside[last], str):
                at = generator.randrange(len(inside[last]) + 1)
                inside[last] = inside[last][:at] + generator.choice(PIECES) + inside[last][at:]
            case _:
                inside[last] = copy.deepcopy(generator.choice(VALUES))
    return written


def _places(written: Any) -> Iterator[tuple[Any, ...]]:
    """Where everything is in JSON."""
    items = (
        written.items() if isinstance(written, dict) else enumerate(written) if isinstance(written, list) else ()
    )
    for key, value in items:
        yield (key,)
        yield from ((key, *below) for below in _places(value))


def _spoil_table(path: Path, generator: random.Random) -> None:
    from tests.builders.hostile import mutated

    try:
        table = pl.read_parquet(path)
        if generator.random() < 0.1 or not table.columns:
            raise OSError("spoil its bytes instead")
        _changed_table(table, generator).write_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        path.write_bytes(mutated(path.read_bytes(), generator))


def _changed_table(table: pl.DataFrame, generator: random.Random) -> pl.DataFrame:
    name = generator.choice(table.columns)
    values = table[name].to_list()
    match generator.randrange(9):
        case 0:
            return table.drop(name)
        case 1:
            return table.rename({name: generator.choice(["x", "", "episode_index ", name.upper(), f"{name}/x"])})
        case 2:
            return table.with_columns(pl.Series(name, [None] * len(values)))
        case 3:
            return table.with_columns(pl.Series(name, [repr(value) for value in values]))
        case 4:
            return table.with_columns(pl.Series(name, [[value] for value in values]))
        case 5:
            return pl.concat([table, table.sample(fraction=0.5, seed=1)]).sample(fraction=1.0, shuffle=True, seed=2)
        case 6:
            return table.head(generator.randrange(len(table) + 1))
        case 7:
            number = generator.choice([-1, 0, 1, 7, 2**62, 0.5, -0.5, 1e300, float("nan"), float("inf")])
            return table.with_columns(pl.Series(name, [number] * len(values)))
        case _:
            if values:
                values[generator.randrange(len(values))] = generator.choice(VALUES)
            return table.with_columns(pl.Series(name, values, strict=False))
