"""Work on a Ray cluster: one that runs already, or one started on this machine for as long as it is needed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from worldprobe.errors import ConfigError, WorldprobeError
from worldprobe.execute.movable import bring_home
from worldprobe.protocols import Outcome

# A worker that dies takes its item with it; Ray starts another and gives it the item again, so many times.
_RETRIES = 3
_ANSWER_SECONDS = 5.0
_AHEAD = 2  # items that a worker has at hand, so that it does not wait for the next


class Ray:
    """ray: actors of a Ray cluster, each with the model loaded (extra [ray]; --ray-address, else started here)."""

    name = "ray"
    labels_videos = adds_sums = fits_curves = predicts_windows = trains_decoders = trains_apart = True

    def __init__(
        self, argument: str | None = None, *, address: str | None = None, workers: int | None = None
    ) -> None:
        """Connect, or start a cluster of this machine.

        Args:
            argument: the number of workers (``ray:2``); by default one for each GPU, without GPUs as many as
                the cores allow at this process's number of threads.
            address: of a running cluster (``ray://HOST:10001``, ``HOST:6379`` or ``auto``).

        Raises:
            ConfigError: Ray is not installed, the cluster does not answer, or the argument is no number.
        """
        if argument is not None and not (argument.isdecimal() and int(argument) > 0):
            raise ConfigError(f"ray:{argument}: give a number of workers, such as ray:2")
        # Ray tells its makers of use by default: no host is asked unless the user named it.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            import torch
        except ImportError as error:
            raise ConfigError("the executor ray needs Ray: pip install 'worldprobe[ray]'") from error
        self._ray = ray
        self._started = not ray.is_initialized()
        if address:
            _reach(address)
        if self._started:
            here = {} if address else {"include_dashboard": False}
            try:
                ray.init(address=address, log_to_driver=False, configure_logging=False, **here)
            except (ConnectionError, OSError, ValueError, RuntimeError) as error:
                raise ConfigError(f"no Ray cluster answers at {address or 'this machine'}: {error}") from error
        resources = ray.cluster_resources()
        gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        # The number of threads decides the order of sums, and so the last bits: workers take this process's, so
        # that they store what it would (OMP_NUM_THREADS sets it).
        self._threads = torch.get_num_threads()
        self.workers = int(argument or 0) or gpus or max(1, cores // self._threads)
        self.gpus, self._share = gpus > 0, min(1.0, gpus / self.workers)
        self._cores = min(1.0, cores / self.workers)
        # They live from one ``map`` to the next, and so does what they have loaded.
        self._actors: list[Any] = []

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Outcome[Any, Any]]:
        """As they finish. A worker that is lost is started anew, and what it was at is done again."""
        ray = self._ray
        actors = self._at_least(min(self.workers, len(items)))
        given = ray.put(function)
        waiting = list(reversed(items))
        at_work: dict[Any, tuple[Any, Any]] = {}

        def give(actor: Any) -> None:
            if waiting:
                item = waiting.pop()
                at_work[actor.work.remote(given, item)] = (actor, item)

        try:
            for _ in range(_AHEAD):
                for actor in actors:
                    give(actor)
            while at_work:
                [ready], _ = ray.wait(list(at_work), num_returns=1)
                actor, item = at_work.pop(ready)
                give(actor)
                yield self._outcome(ready, function, item)
        finally:
            if at_work:  # who asked has stopped: nobody wants what is being done
                self._let_go()

    def _at_least(self, count: int) -> list[Any]:
        """So many actors, those there are among them."""
        remote = self._ray.remote(
            num_cpus=self._cores, num_gpus=self._share, max_restarts=-1, max_task_retries=_RETRIES
        )(_Worker)
        while len(self._actors) < count:
            self._actors.append(remote.remote(self._threads))
        return self._actors[:count]

    def _let_go(self) -> None:
        while self._actors:
            self._ray.kill(self._actors.pop())

    def spent(self) -> float | None:
        """Not known here."""
        return None

    @property
    def terms(self) -> dict[str, Any]:
        """For whoever reads the result."""
        return {"executor": self.name, "workers": self.workers}

    def close(self) -> None:
        """Let go of the workers and disconnect; a cluster that was started here ends."""
        self._let_go()
        if self._started:
            self._ray.shutdown()

    def _outcome(self, ready: Any, function: Callable[[Any], Any], item: Any) -> Outcome[Any, Any]:
        """What became of an item; what it left in the store is brought to where it belongs here."""
        try:
            value, error = self._ray.get(ready)
            if error is None:
                bring_home(function, item, value)
        except self._ray.exceptions.RayTaskError as failed:  # around our own code, which returns its errors
            reason = (
                f"a worker could not take its work or give its answer ({_last_line(failed)}). Give all machines "
                "the same version of worldprobe, and the plug-ins that are used here"
            )
            return Outcome(item, None, WorldprobeError(reason))
        except self._ray.exceptions.RayError as lost:
            reason = f"the worker was lost {_RETRIES + 1} times: {str(lost).splitlines()[0]}"
            return Outcome(item, None, WorldprobeError(reason))
        except WorldprobeError as missing:
            return Outcome(item, None, missing)
        return Outcome(item, value, error)


def _last_line(error: BaseException) -> str:
    """What went wrong, beneath the traceback of another process."""
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)


def _reach(address: str) -> None:
    """That somebody listens there: Ray itself ends the whole process where nobody does."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return  # auto, or a name that Ray knows
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(
            f"no Ray cluster answers at {address} ({error}). Start one (`ray start --head`), or leave "
            "--ray-address out to start one on this machine."
        ) from error


class _Worker:
    """A process of its own, that keeps what functions cache."""

    def __init__(self, threads: int) -> None:
        import torch
        from threadpoolctl import threadpool_limits

        torch.set_num_threads(threads)
        self._limits = threadpool_limits(threads)  # NumPy's, whose sums the order decides too

    def work(self, function: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
        """The function's value, or its error: an item's error is no reason for Ray to try it again."""
        try:
            return function(item), None
        except Exception as error:
            return None, error
