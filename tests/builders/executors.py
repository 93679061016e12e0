"""Executors for tests: what goes to a worker and what comes back, without another process."""

import pickle

from worldprobe.execute.local import Local
from worldprobe.execute.movable import bring_home
from worldprobe.protocols import Outcome


class Posted(Local):
    """This process, to which functions and items come as they would come to another one; they finish in another
    order than they were given, and ``asked`` takes down what was."""

    name, in_process = "posted", False
    labels_videos = adds_sums = trains_decoders = trains_apart = True

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
