"""What keeps an assert in a loop from passing because the loop ran over nothing."""

from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item")


def some(items: Iterable[Item]) -> list[Item]:
    """Give the items as a list, and refuse none: ``for`` and ``all`` over nothing find no fault."""
    found = list(items)
    assert found, "there is nothing to check"
    return found
