"""Executors for tests: what goes to a worker and what comes back, without another process."""

import pickle

from tests.builders import checkpoints

from worldprobe.config import make_experiment
from worldprobe.execute.local import Local
from worldprobe.execute.movable import bring_home
from worldprobe.protocols import Outcome
from worldprobe.video.rendered.scenes import render_scenes


class Posted(Local):
    """This process, to which functions and items come as they would come to another one; they finish in another
    order than they were given, and ``asked`` takes down what was."""

    name, in_process = "posted", False
    labels_videos = adds_sums = fits_curves = predicts_windows = trains_decoders = trains_apart = True

    def __init__(self):
        self.asked = []

    def map(self, function, items):
        sent = pickle.dumps((function, items))
        function, given = pickle.loads(sent)
        for item, outcome in zip(reversed(items), super().map(function, given[::-1]), strict=True):
            self.asked.append((type(function).__name__, item))
            value = pickle.loads(pickle.dumps(outcome.value))
            if outcome.error is None:
                bring_home(function, item, value)
            yield Outcome(item, value, outcome.error)

    def named(self, function):
        """The items that a function was asked for."""
        return [item for name, item in self.asked if name == function]


def every_stage(folder):
    """A small experiment of every stage that workers take part in, and its videos, of which one cannot be read."""
    films, broken = render_scenes(10, 2, folder / "films"), folder / "broken.mp4"
    broken.write_bytes(films[0].read_bytes()[:3000])
    values = {"videos": ["x"], "labeller": "truth", "frames": 8, "precision": "fp32", "features": ["z"]}
    values |= {"encoder": str(checkpoints.save(folder / "small")), "tasks": ["xy", "size"]}
    values |= {"controls": ["majority"], "evidence": ["code", "learning"]}
    values |= {"decode": {"steps": 3, "size": 32, "controls": ["shuffled"]}}
    asked = make_experiment({**values, "predict": {"context": 2, "horizon": 2, "pairs": 0}})
    return asked, [films[0], broken, *films[1:]]
