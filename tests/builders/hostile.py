"""Mutated inputs, a process for each batch of them.

The process has a limit on its memory, each input one on its time. What is not a WorldprobeError ends it, and the
input that did it stays in the folder.
"""

import json
import random
import resource
import shutil
import signal
import sys
from pathlib import Path

import av
import numpy as np
import psutil

from worldprobe.config import read_experiment
from worldprobe.encoders.known import TINY_FOLDER
from worldprobe.errors import WorldprobeError
from worldprobe.labels.files.coco import Coco
from worldprobe.labels.files.mot import Mot
from worldprobe.labels.table import read_labels, write_labels
from worldprobe.records import Labels
from worldprobe.video.read import open_video
from worldprobe.video.write import write_video

SECONDS = 20
MEMORY_BYTES = 3 << 30  # beside what the process holds once everything is imported
NUMBERS = (b"0", b"-1", b"1e999", b"NaN", b"99999999999999999999", b"1000000000", b"65535", b"null", b'"x"', b"[[")
TOML = b'videos = ["a.mp4"]\nlabeller = "truth"\ntasks = ["xy"]\nframes = 8\nseed = 3\n'


def frames():
    return np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), dtype=np.uint8)


def encoded(path, codec):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def video(path):
    with open_video(path) as opened:
        for _ in opened.frames(range(min(4, opened.ref.frames))):
            pass


def mot(path, film):
    with open_video(film) as opened:
        Mot(str(path)).label(opened)


def coco(path, film):
    with open_video(film) as opened:
        Coco(str(path)).label(opened)


def onnx(path, film):
    from worldprobe.labels.detectors.onnx import OnnxDetector

    with open_video(film) as opened:
        OnnxDetector(str(path)).label(opened)


def checkpoint(path, film):
    from worldprobe.encoders.vjepa2 import pretrained

    pretrained(str(path.parent))


def detector(path):
    """A YOLOX on 64 x 64 px that answers the same boxes whatever it is shown."""
    import onnx as library

    answer = np.random.default_rng(0).random((1, 8 * 8 + 4 * 4 + 2 * 2, 5 + 3), dtype=np.float32)
    given = library.helper.make_tensor_value_info("x", 1, [1, 3, 64, 64])
    made = library.helper.make_tensor_value_info("y", 1, answer.shape)
    node = library.helper.make_node("Constant", [], ["y"], value=library.numpy_helper.from_array(answer))
    graph = library.helper.make_graph([node], "g", [given], [made])
    made = library.helper.make_model(graph, opset_imports=[library.helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(made.SerializeToString())


def prepared(kind, folder):
    """The sound file of a kind, and what reads it."""
    film = folder / "film.mp4"
    write_video(film, frames(), rate=10)
    path = folder / f"sound.{kind}"
    if kind == "mp4":
        return film, video
    if kind in ("avi", "webm"):
        encoded(path, {"avi": "mpeg4", "webm": "libvpx-vp9"}[kind])
        return path, video
    if kind == "parquet":
        columns = {"frame": [0, 1], "pts_seconds": [0.0, 0.1], "object": 1, "class": "cat", "x": 3.0, "y": 4.0}
        write_labels(Labels.from_columns(video="v", w=2.0, h=2.0, confidence=1.0, source="s", **columns), path)
        return path, read_labels
    if kind == "toml":
        path.write_bytes(TOML)
        return path, read_experiment
    if kind == "mot":
        path.write_text("".join(f"{frame},1,{frame},4,10,12,1,1,1\n" for frame in range(1, 9)))
        return path, lambda one: mot(one, film)
    if kind == "coco":
        boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 2, 9, 9]} for n in range(4)]
        images = [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 48} for n in range(12)]
        path.write_text(
            json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "c"}]})
        )
        return path, lambda one: coco(one, film)
    if kind == "onnx":
        detector(path)
        return path, lambda one: onnx(one, film)
    shutil.copytree(TINY_FOLDER, folder / "tiny")
    return folder / "tiny" / "model.safetensors", lambda one: checkpoint(one, film)


def mutated(content, generator):
    """One to four changes: bytes, cuts, repeats, extreme numbers; most of them near the beginning."""
    content = bytearray(content)
    for _ in range(generator.randint(1, 4)):
        near = len(content) if generator.random() < 0.5 else min(len(content), 600)
        at = generator.randrange(max(1, near))
        match generator.randrange(7):
            case 0:
                content[at : at + 1] = bytes([generator.randrange(256)])
            case 1:
                content[at : at + 4] = generator.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"])
            case 2:
                del content[at:]
            case 3:
                del content[at : at + generator.randint(1, 40)]
            case 4:
                content[at:at] = content[at : at + generator.randint(1, 400)]
            case 5:
                content[at:at] = generator.choice(NUMBERS)
            case 6:
                content[at : at + 8] = generator.randbytes(8)
    return bytes(content)


def spoiling(kind, folder):
    """What writes the next mutated input of a kind and gives its path, and what reads one."""
    if kind == "lerobot":
        from tests.builders.hostile_lerobot import prepared as datasets

        return datasets(folder)
    path, read = prepared(kind, folder)
    read(path)
    sound = path.read_bytes()
    victim = path if kind == "safetensors" else folder / f"mutated{path.suffix}"

    def spoil(generator):
        victim.write_bytes(mutated(sound, generator))
        return victim

    return spoil, read


def main(arguments):
    """Read inputs of this kind, from this seed on, so many of them, in this folder."""
    kind, seed, count, folder = arguments[0], *map(int, arguments[1:3]), Path(arguments[3])
    spoil, read = spoiling(kind, folder)
    held = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES, held + MEMORY_BYTES))
    generator = random.Random(f"{kind} {seed}")
    refused = 0
    for number in range(count):
        victim = spoil(generator)
        signal.alarm(SECONDS)
        try:
            read(victim)
        except WorldprobeError:
            refused += 1
        except BaseException:
            print(f"{kind} seed {seed} number {number}: {victim}", file=sys.stderr)
            raise
        signal.alarm(0)
    print(json.dumps({"kind": kind, "inputs": count, "refused": refused}))
