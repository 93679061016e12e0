"""Plug-ins whose names are hostile to whatever prints, splits or joins them, and names for files and folders."""

import itertools

import numpy as np

from worldprobe.records import Labels, TokenGrid, View
from worldprobe.video.write import write_video

# Each would be taken for something: markup, paths, keys, escapes, options, patterns, other directions of writing.
NAMES = (
    "[/x] {y} [bold red]", "a@b/c:d", "<script>alert(1)</script>", "\"it's\" `quoted` | **bold**",
    "קוד \u202eabc\u200f",
    "🦾 joint :smile:", "${HOME} %s %(x)d \\n", "-rf --out", "line\nbreak\ttab", "esc \x1b[31mred\x1b[0m \x7f\x9b",
    "x" * 300, " ", "...", "/block3.out", "état # 1 & 2; $(ls)",
)  # fmt: skip
FEW = ("joint/0.pos", "wrist [/rad]", "<script>alert(1)</script>@ridge\x1b[31m \u202e|`", "")
LOUD = '<b>é</b>[/x]@1/block2.out | "q" ${A} \x1b[31m\u202e`*_🦾'


def film(path, seed, *, frames=48):
    """Write noise with a bright square that goes round; returns the path."""
    shown = np.random.default_rng(seed).integers(0, 60, (frames, 48, 64, 3)).astype(np.uint8)
    for t in range(frames):
        x, y = int(20 + 15 * np.sin(t / 5 + seed)), int(20 + 10 * np.cos(t / 7 + seed))
        shown[t, y : y + 8, x : x + 8] = 230
    write_video(path, shown, rate=10)
    return path


class Encoder:
    """An encoder of nine numbers a tubelet, with a loud name."""

    name, revision, blocks, tubelet, status, twin = LOUD, "1@[/r]", 2, 2, "trained", None

    def __init__(self, argument=None, *, device="auto", precision="auto"):
        pass

    def view(self, width, height):
        return View(scale=(12 / width, 12 / height), offset=(0.0, 0.0), size=(12, 12))

    def preprocess(self, frames):
        rows = np.arange(12) * frames.shape[1] // 12
        columns = np.arange(12) * frames.shape[2] // 12
        return frames[:, rows][:, :, columns].transpose(0, 3, 1, 2)

    def grid(self, frames):
        return TokenGrid(frames // 2, 3, 3, 2, 4)

    def encode(self, clips, *, blocks):
        pixels = np.stack([clip.pixels for clip in clips]).astype(np.float32)
        b, n = pixels.shape[:2]
        cells = pixels.reshape(b, n // 2, 2, 3, 3, 4, 3, 4).mean(axis=(2, 5, 7))
        return {k: np.moveaxis(cells, 2, -1).astype(np.float16) / (k + 1) for k in blocks}


class Labeller:
    """The bright square of each frame, with names for everything."""

    name, measured = LOUD, FEW

    def __init__(self, argument=None):
        pass

    def label(self, video):
        names = itertools.cycle(NAMES)
        shown = next(itertools.islice(names, sum(map(ord, video.ref.id)) % len(NAMES), None))
        rows = []
        for index, frame in video.frames():
            y, x = np.unravel_index(frame.sum(axis=2).argmax(), frame.shape[:2])
            rows.append((index, float(x), float(y)))
        frame, x, y = (np.array(column) for column in zip(*rows, strict=True))
        measured = {f"state.{name}": x + 7 * k + np.sin(frame * k) for k, name in enumerate(self.measured)}
        classes = [shown if index % 6 < 3 else NAMES[0] for index in range(len(rows))]
        table = Labels.from_columns(
            **{
                "video": video.ref.id, "frame": frame, "pts_seconds": video.pts_seconds[frame], "object": 0,
                "class": classes, "x": x, "y": y, "w": 8.0, "h": 8.0, "confidence": 1.0, "source": self.name,
                **measured,
            }
        )  # fmt: skip
        return Labels(table.table, notes=(f"{self.name} looked at {video.ref.path} [/x]\x1b[1m",))


class LabellerOfMany(Labeller):
    """The same, of everything that is measured."""

    measured = NAMES
