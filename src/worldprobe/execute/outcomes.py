"""What an executor offers: one function over many items, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class Outcome(Generic[Item, Value]):
    """What became of an item: a value, or the error that the function raised."""

    item: Item
    value: Value | None
    error: Exception | None

    def get(self) -> Value:
        """The value. Raises the error where there is one."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


@runtime_checkable
class Executor(Protocol):
    """Runs a function on items, here or elsewhere.

    Attributes:
        name: as on the command line.
        workers: how many items are worked on at once.
        gpus: whether they have GPUs, whatever this machine has.
    """

    name: str
    workers: int
    gpus: bool

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Outcome[Any, Any]]:
        """The outcome of each item, in the order in which they finish; one item's error never stops the others.

        The function and the items are pickled; arrays go through the store, not through here. A worker keeps what
        the function caches (a loaded model) from item to item.
        """
        ...

    def spent(self) -> float | None:
        """What the work since this was last asked cost, in dollars; None where nobody asks for money."""
        ...

    def close(self) -> None:
        """Let go of the workers."""
        ...
