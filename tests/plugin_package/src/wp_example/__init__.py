"""An encoder, a labeller and a probe of a third party: nothing is inherited, only offered."""

import numpy as np

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
