"""Work done elsewhere: a function and an item, what they read there, and what they leave to be brought home."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from worldprobe.errors import StoreError
from worldprobe.io.files import write_whole
from worldprobe.io.location import Location


@runtime_checkable
class Movable(Protocol):
    """A function that can be sent elsewhere: it says what it needs there, and what it leaves to be brought home.

    Attributes:
        store: where its embeddings are.
        remote: the class of ``modal_app`` that runs it.
    """

    store: str
    remote: Literal["Encoding", "Training"]

    def at(self, store: str) -> Any:
        """The same with another store."""
        ...

    def films(self, item: Any) -> Sequence[str]:
        """Paths of the films that an item reads."""
        ...

    def moved(self, item: Any, films: Mapping[str, str]) -> Any:
        """An item with its films where ``films`` says."""
        ...

    def reads(self, item: Any) -> Sequence[str]:
        """Keys of the store that have to be there before."""
        ...

    def leaves(self, item: Any, value: Any) -> Mapping[str, Path]:
        """What is in the store there afterwards, by key, and where it belongs here; in that order."""
        ...


def bring_home(function: Callable[[Any], Any], item: Any, value: Any) -> None:
    """Copy what an item has left in a store that its worker shares with this process to where it belongs here.

    What belongs into that store stays there as it is; a function that is not ``Movable`` leaves nothing.

    Raises:
        StoreError: it is not in the store: the worker wrote where this machine does not see it.
    """
    if not isinstance(function, Movable):
        return
    place = Location(function.store)
    for key, target in function.leaves(item, value).items():
        if target == Path(function.store, key):
            continue
        content = place.read(key)
        if content is None:
            raise StoreError(
                f"a worker left {key} in {function.store}, and it is not there: it wrote where this machine does "
                "not see it. Use --store with a folder that all machines share, or with s3://..."
            )
        write_whole(target, content)
