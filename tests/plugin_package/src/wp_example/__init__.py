"""An encoder, two labellers, a probe and an executor of a third party: nothing is inherited, only offered."""

from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np

from worldprobe.protocols import Outcome
from worldprobe.records import Labels, TokenGrid, View


class Brightness:
    """brightness: the mean of each quarter of the frame."""

    name, revision, blocks, tubelet, status = "brightness", "1", 1, 1, "floor"

    def __init__(self, argument=None, *, device="auto", precision="auto"):
        pass

    def view(self, width, height):
        return View(scale=(32 / width, 32 / height), offset=(0.0, 0.0), size=(32, 32))

    def preprocess(self, frames):
        rows = np.arange(32) * frames.shape[1] // 32
        columns = np.arange(32) * frames.shape[2] // 32
        return frames[:, rows][:, :, columns].transpose(0, 3, 1, 2)

    def grid(self, frames):
        return TokenGrid(frames, 2, 2, 1, 16)

    def encode(self, clips, *, blocks):
        pixels = np.stack([clip.pixels for clip in clips]).astype(np.float32)
        cells = pixels.reshape(*pixels.shape[:2], 3, 2, 16, 2, 16).mean(axis=(2, 4, 6))
        return {block: cells[..., None].astype(np.float16) for block in blocks}


class Middle:
    """middle: says that something is in the middle of every frame."""

    name = "middle"

    def __init__(self, argument=None):
        pass

    def label(self, video):
        ref, n = video.ref, video.ref.frames
        return Labels.from_columns(
            **{"video": ref.id, "frame": np.arange(n), "pts_seconds": video.pts_seconds, "object": 0, "class": "",
               "x": ref.width / 2, "y": ref.height / 2, "w": 10.0, "h": 10.0, "confidence": 1.0,
               "source": self.name}
        )  # fmt: skip


class Points:
    """points: boxes of 10 px around the points of a text file, a line a frame: "x y"."""

    name, one_video_only = "points", True

    def __init__(self, argument=None):
        self._at = np.loadtxt(argument, ndmin=2)

    def label(self, video):
        frame = np.arange(len(self._at))
        return Labels.from_columns(
            **{"video": video.ref.id, "frame": frame, "pts_seconds": video.pts_seconds[frame], "object": 0,
               "class": "", "x": self._at[:, 0], "y": self._at[:, 1], "w": 10.0, "h": 10.0, "confidence": 1.0,
               "source": self.name}
        )  # fmt: skip


class Threads:
    """threads: so many threads of this process (threads:4)."""

    name, gpus, labels_videos, adds_sums = "threads", False, True, True

    def __init__(self, argument=None):
        self.workers, self.done = int(argument or 2), []

    def map(self, function, items):
        with ThreadPoolExecutor(self.workers) as pool:
            given = {pool.submit(function, item): item for item in items}
            for one in as_completed(given):
                self.done.append(type(function).__name__)
                error = one.exception()
                yield Outcome(given[one], None if error else one.result(), error)

    def spent(self):
        return None

    def close(self):
        pass


class Mean:
    """mean: predicts the training mean."""

    name, kind, strengths = "mean", "regression", (1.0,)

    def __init__(self, argument=None):
        pass

    def fit(self, training, target, *, strength, classes, start=None):
        return Constant(target.mean(axis=0))


class Constant:
    """What ``Mean`` learnt."""

    def __init__(self, value):
        self.value = value

    def predict(self, inputs):
        return np.tile(self.value, (len(inputs), 1))
