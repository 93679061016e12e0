"""Small jobs: scenes rendered, small films read, clips of `vjepa2-tiny` encoded; plainly, and by worldprobe.

- rendered: every frame drawn whole, one scene after another, against ``render_scenes`` with all cores, in a process
  of its own; both write the same H.264 films, byte for byte, which is checked. What x264 alone takes is printed: no
  drawing is below it.
- read: each film by PyAV, its frames resized one at a time by torch, against worldprobe's readers as encoding uses
  them: hashed, indexed, searched for cuts, checked for damage.
- encoded: PyAV, transformers' model and ``numpy.save``, a clip at a time, against ``pipeline.encode`` into a store;
  both in float32. What the passes alone take is printed, and how far bfloat16 would be off, beside what the store
  rounds.
- with controls: the encoder, its untrained twin, `pixels` and `flow`, as a run with all controls has them, one
  after another, against all in one pass; both leave the same store, which is checked.

Both sides in turn, in one process; medians of the repeats. Seconds by the clock and of processors: on a machine
that does other things too only the latter say much, and OMP_NUM_THREADS=1 keeps waiting threads out of them.

    python -m benchmarks.small [--scenes 400] [--films 2000] [--clips 60] [--repeats 3]

Prints a table and one last line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from transformers import VJEPA2Model

from worldprobe.encoders.known import TINY_FOLDER
from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.preprocess import crop_frames, normalize
from worldprobe.encoders.vjepa2 import VJEPA2Encoder, random_twin, tiny
from worldprobe.pipeline.encode.claims import Claims
from worldprobe.pipeline.encode.clips import evenly
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.job import Beside, EncodeJob
from worldprobe.pipeline.encode.read_ahead import EncodedVideos, reading
from worldprobe.pipeline.progress import Tally, silent
from worldprobe.store import Store
from worldprobe.video.rendered import scenes, sprites

FRAMES = 16  # a clip
SEED = 20_000
FLOORS = ("pixels", "flow")
Cost = tuple[float, float]  # seconds by the clock, seconds of processors


def costs(work: Callable[[], Any]) -> Cost:
    clock, processors = time.perf_counter(), sum(os.times()[:4])  # of processes that have ended too
    work()
    return time.perf_counter() - clock, sum(os.times()[:4]) - processors


def in_turn(sides: dict[str, Callable[[], Any]], repeats: int, *, warm: bool = True) -> dict[str, Cost]:
    """Medians of each side's costs."""
    found: dict[str, list[Cost]] = {name: [] for name in sides}
    for repeat in range(repeats + warm):
        for name, side in sides.items():
            cost = costs(side)
            if repeat >= warm:
                found[name].append(cost)
    return {name: tuple(map(statistics.median, zip(*of, strict=True))) for name, of in found.items()}


def drawn_whole(scene: scenes.Scene) -> Iterator[np.ndarray]:
    """The frames of a scene, every object's outline and texture worked out for every pixel of every frame."""
    everywhere = np.s_[0 : scene.size[1], 0 : scene.size[0]]
    tile = sprites.wrapped(scene.tile, scene.size)
    tint, ground = (one.astype(np.float32)[:, None, None] for one in (scene.tint, scene.colour + 0.5))
    for time_, corner in enumerate(scene.pan.tolist()):
        noise = sprites.window(tile, corner=(corner[0], corner[1]), size=scene.size)
        picture = noise * tint + ground
        for one in sorted(scene.sprites, key=lambda sprite: -sprite.depth):
            centre = (float(one.centre[time_, 0]), float(one.centre[time_, 1]))
            mask = sprites.coverage(one.shape, centre=centre, half=one.half, box=everywhere)
            pattern = sprites.texture(
                one.texture, centre=centre, period=one.period, angle=one.angle, box=everywhere
            )
            change, colour = (
                each.astype(np.float32)[:, None, None] for each in (0.25 * one.colour, one.colour + 0.5)
            )
            picture = picture + mask * (pattern * change + colour - picture)
        yield np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def rendered(count: int, repeats: int, folder: Path) -> dict[str, Cost]:
    places = {name: folder / name for name in ("plain", "worldprobe", "x264 alone")}

    def emptied(name: str) -> Path:
        shutil.rmtree(places[name], ignore_errors=True)
        places[name].mkdir()
        return places[name]

    def plain() -> None:
        into = emptied("plain")
        for index in range(count):
            scenes.write_film(into / f"{index:06d}.mp4", drawn_whole(scenes.plan_scene(SEED, index)))

    def ours() -> None:
        # In a process of its own, as by a command: this one's imports would be each of its processes'.
        call = f"render_scenes({count}, {SEED}, {str(emptied('worldprobe'))!r}, workers=None)"
        code = f"from worldprobe.video.rendered.scenes import render_scenes; {call}"
        subprocess.run([sys.executable, "-c", code], check=True)

    ready = [[picture for picture, _ in scenes.plan_scene(SEED, index).frames()] for index in range(count)]

    def alone() -> None:
        into = emptied("x264 alone")
        for index, pictures in enumerate(ready):
            scenes.write_film(into / f"{index:06d}.mp4", pictures)

    found = in_turn({"plain": plain, "worldprobe": ours, "x264 alone": alone}, repeats, warm=False)
    theirs, own = (sorted(places[name].rglob("*.mp4")) for name in ("plain", "worldprobe"))
    assert len(own) == count
    assert [film.read_bytes() for film in theirs] == [film.read_bytes() for film in own], "other films"
    return found


def read_plainly(film: Path, crop: int) -> np.ndarray:
    """A film's frames as the model sees them, uint8 [t, 3, h, w]."""
    with av.open(str(film)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(container.streams.video[0])]
    return np.concatenate([crop_frames(frame[None], crop=crop) for frame in frames])


def read(films: list[Path], encoder: VJEPA2Encoder, repeats: int, folder: Path) -> dict[str, Cost]:
    def ours() -> None:
        store = Store(str(folder / "never-written"))
        job = EncodeJob(
            encoder=encoder, store=store, blocks=(encoder.blocks - 1,), frames=FRAMES, input="native", pool="none",
            sampler=evenly(encoder, store, FRAMES, 1, "native"),
        )  # fmt: skip
        claims = Claims(None)
        with reading(films, job, claims, Tally("read", len(films), silent), EncodedVideos()) as clips:
            assert sum(clip.clip.pixels.shape[0] == FRAMES for clip in clips) == len(films)

    def plain() -> None:
        for film in films:
            assert len(read_plainly(film, encoder.crop)) == FRAMES

    return in_turn({"plain": plain, "worldprobe": ours}, repeats, warm=False)


def encoded(films: list[Path], encoder: VJEPA2Encoder, repeats: int, folder: Path) -> dict[str, Any]:
    model: Any = VJEPA2Model.from_pretrained(TINY_FOLDER, dtype=torch.float32).eval()
    half = tiny(device="cpu", precision="bf16")
    last = encoder.blocks - 1

    def theirs(pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = model(normalize(pixels), skip_predictor=True).last_hidden_state
        return found

    def plain() -> None:
        for number, film in enumerate(films):
            tokens = theirs(torch.from_numpy(read_plainly(film, encoder.crop))[None])
            np.save(folder / f"{number}.npy", tokens[0].half().numpy())

    def ours() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as into:
            encode(films, encoder=encoder, store=Store(into), blocks=[last], frames=FRAMES)

    others = [(random_twin("vjepa2-tiny", device="cpu"), [last]), *((load_encoder(one), [0]) for one in FLOORS)]

    def apart(into: Path) -> None:
        for one, blocks in ((encoder, [last]), *others):
            encode(films, encoder=one, store=Store(str(into)), blocks=blocks, frames=FRAMES)

    def together(into: Path) -> None:
        beside = [Beside(one, blocks) for one, blocks in others]
        encode(films, encoder=encoder, store=Store(str(into)), blocks=[last], frames=FRAMES, beside=beside)

    def emptied(name: str) -> Path:
        shutil.rmtree(folder / name, ignore_errors=True)
        return folder / name

    def contents(into: Path) -> dict[Path, bytes]:
        return {file.relative_to(into): file.read_bytes() for file in into.rglob("*") if file.is_file()}

    pixels = torch.from_numpy(np.stack([read_plainly(film, encoder.crop) for film in films[:8]]))
    one = torch.rand(4096, 512), torch.rand(512, 512)
    product = min(costs(lambda: torch.mm(*one))[1] for _ in range(20))
    passes = in_turn(
        {
            "pass, transformers": lambda: [theirs(clip[None]) for clip in pixels],
            "pass, worldprobe": lambda: encoder.tokens(pixels),
            "pass, worldprobe in bf16": lambda: half.tokens(pixels),
        },
        repeats,
    )
    exact = theirs(pixels)
    distances = {
        name: float((found.float().reshape(exact.shape) - exact).norm() / exact.norm())
        for name, found in (
            ("worldprobe", encoder.tokens(pixels)), ("float16, as stored", exact.half()),
            ("bfloat16", half.tokens(pixels)),
        )
    }  # fmt: skip
    ways = {"one after another": lambda: apart(emptied("apart"))}
    ways["in one pass"] = lambda: together(emptied("together"))
    controls = in_turn(ways, repeats)
    assert contents(folder / "apart") == contents(folder / "together"), "other stores"
    return {
        "controls": controls,
        "costs": in_turn({"plain": plain, "worldprobe": ours}, repeats),
        "passes": {name: (clock / len(pixels), own / len(pixels)) for name, (clock, own) in passes.items()},
        "distances": distances,
        "gflop": encoder.flop(FRAMES) / 1e9,
        "gflop_per_second_of_products": 2 * 4096 * 512 * 512 / product / 1e9,
    }


def report(title: str, unit: str, found: dict[str, Cost], count: int) -> dict[str, Any]:
    """Print costs an item; returns what is printed."""
    print(f"{title} ({count})")
    lines = {}
    for name, (clock, processors) in found.items():
        lines[name] = {"ms": round(1e3 * clock / count, 2), "processor_ms": round(1e3 * processors / count, 2)}
        print(
            f"  {name:26} {1e3 * clock / count:8.2f} ms a {unit}  {count / clock:8.1f} {unit}s/s  "
            f"{1e3 * processors / count:8.2f} ms of a processor"
        )
    if {"plain", "worldprobe"} <= found.keys():
        ratios = [plain / own for plain, own in zip(found["plain"], found["worldprobe"], strict=True)]
        lines["ratios"] = {"clock": round(ratios[0], 2), "processor": round(ratios[1], 2)}
        print(f"  plain / worldprobe: {ratios[0]:.2f} by the clock, {ratios[1]:.2f} of processors")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--films", type=int, default=2000)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--part", choices=("render", "read", "encode"), help="only this one")
    asked = parser.parse_args()
    parts, found = [asked.part] if asked.part else ["render", "read", "encode"], {}
    encoder = tiny(device="cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["WORLDPROBE_CACHE"] = str(folder / "cache")
        if "render" in parts:
            (folder / "rendered").mkdir()
            cost = rendered(asked.scenes, asked.repeats, folder / "rendered")
            found["rendered"] = report("Scenes rendered", "scene", cost, asked.scenes)
        distinct = scenes.render_scenes(max(asked.clips, 100), SEED, folder / "films", workers=None)
        if "read" in parts:
            films = [folder / f"film-{number:06d}.mp4" for number in range(asked.films)]
            for number, film in enumerate(films):
                shutil.copyfile(distinct[number % len(distinct)], film)
            cost = read(films, encoder, 1, folder)
            found["read"] = report(f"Films of {FRAMES} frames read", "film", cost, asked.films)
        if "encode" in parts:
            told = encoded(distinct[: asked.clips], encoder, asked.repeats, folder)
            found["encoded"] = report("Clips encoded", "clip", told["costs"], asked.clips)
            found["controls"] = report("Clips with controls", "clip", told["controls"], asked.clips)
            found["passes"] = report("Passes alone, 8 clips", "clip", told["passes"], 1)
            print("  from transformers in float32: " + ", ".join(
                f"{name} {distance:.1e}" for name, distance in told["distances"].items()
            ))  # fmt: skip
            rate = told["gflop"] / told["passes"]["pass, worldprobe"][1]
            print(
                f"  {told['gflop']:.2f} GFLOP a clip: {rate:.0f} GFLOP/s of a processor; plain products of 4096 x "
                f"512 by 512 x 512: {told['gflop_per_second_of_products']:.0f}"
            )
            found |= {"distances": told["distances"]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
