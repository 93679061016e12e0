"""Encoders, labellers, probes and decoders by name: built-in ones and third parties' alike come by entry point."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from worldprobe.errors import RegistryError
from worldprobe.plugins.guarded import blamed, guarded

Kind = Literal["encoders", "executors", "labellers", "probes", "decoders"]
_MODULE_CLASS = re.compile(r"([A-Za-z_][\w.]*:[A-Za-z_]\w*)(?::(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Listed:
    """A plug-in as ``worldprobe list`` shows it; ``problem`` is empty when it loads."""

    name: str
    distribution: str
    summary: str
    problem: str


def create(kind: Kind, name: str, *, offered: Mapping[str, Any] = MappingProxyType({}), **options: Any) -> Any:
    """Make the plug-in that a user named: ``name`` or ``module:Class``, each also with ``:argument``.

    The plug-in is called with the argument (None where there is none) and the options; of what is ``offered`` it
    gets what it takes.

    Raises:
        RegistryError: no plug-in of that name, it cannot be loaded or made, lacks what ``worldprobe.protocols``
            asks for, or does not take these options.
    """
    plugin, argument = check(kind, name, **options)
    taken = inspect.signature(plugin).parameters
    given = {key: value for key, value in offered.items() if key in taken} | options
    if not foreign(kind, name):
        return plugin(argument, **given)
    head, _ = parts(kind, name)
    with blamed(f"the {kind[:-1]} {head}", "being made", RegistryError):
        built = plugin(argument, **given)
    return guarded(kind, built, head)  # its promises are checked from here on


def check(kind: Kind, name: str, **options: Any) -> tuple[Any, str | None]:
    """Find out without making it whether a plug-in can be made so; the plug-in, and its argument.

    Raises:
        RegistryError: as ``create``.
    """
    points = _points(kind)
    head, argument = parts(kind, name)
    if head in points:
        plugin = _load(points[head])
    elif _MODULE_CLASS.fullmatch(head):
        plugin = _load(EntryPoint(head, head, f"worldprobe.{kind}"))
    else:
        raise RegistryError(
            f"no {kind[:-1]} {name!r}{near(kind, name)} There are: {', '.join(sorted(points))}, or module:Class of "
            "your own."
        )
    if not callable(plugin):
        raise RegistryError(f"the {kind[:-1]} {head} is a {type(plugin).__name__}, expected a class or a function")
    for option in options:
        if not _takes(plugin, option):
            others = [other for other in sorted(points) if other != head and _offers(points[other], option)]
            known = ", ".join(one for one in inspect.signature(plugin).parameters if one != "argument")
            raise RegistryError(
                f"{head} takes no option {option!r}"
                + (f"; what it takes is: {known}" if known else ", nor any other")
                + (f". {kind.capitalize()} that take it: {', '.join(others)}." if others else ".")
            )
    return plugin, argument


def parts(kind: Kind, name: str) -> tuple[str, str | None]:
    """A name without its argument, and the argument: ``a:b`` is a plug-in ``a`` with b, else module:Class."""
    head, colon, argument = name.partition(":")
    own = _MODULE_CLASS.fullmatch(name)
    if head in _points(kind) or own is None or Path(name).exists():
        return head, argument if colon else None
    return own[1], own[2]


def near(kind: Kind, name: str, *, others: Iterable[str] = ()) -> str:
    """The end of a sentence on a name that there is none of: ``; did you mean 'truth'?``, or a full stop."""
    names = [*_points(kind), *others]
    found = [
        close for one in (name, name.partition(":")[0]) for close in difflib.get_close_matches(one, names, n=1)
    ]
    return f"; did you mean {found[0]!r}?" if found else "."


def knows(kind: Kind, name: str) -> bool:
    """Whether the name is a plug-in's or has the form ``module:Class``, with an argument or without."""
    return name.partition(":")[0] in _points(kind) or bool(_MODULE_CLASS.fullmatch(name))


def foreign(kind: Kind, name: str) -> bool:
    """Whether a name is a third party's, which may call itself otherwise; ``module:Class`` is."""
    head = name.partition(":")[0]
    if point := _points(kind).get(head):
        return point.dist is None or point.dist.name != "worldprobe"
    return knows(kind, name)


def listed(kind: Kind) -> list[Listed]:
    """Every plug-in of a kind, with the reason where one cannot be loaded."""
    found = []
    for name, point in sorted(_points(kind).items()):
        distribution = point.dist.name if point.dist else "?"
        try:
            summary = (_load(point).__doc__ or "").strip().splitlines()
            found.append(Listed(name, distribution, summary[0] if summary else "", ""))
        except RegistryError as error:
            found.append(Listed(name, distribution, "", str(error)))
    return found


def _takes(plugin: Any, option: str) -> bool:
    taken = inspect.signature(plugin).parameters
    return option in taken or any(one.kind is one.VAR_KEYWORD for one in taken.values())


def _offers(point: EntryPoint, option: str) -> bool:
    try:
        return _takes(_load(point), option)
    except (RegistryError, ValueError, TypeError):  # broken, or nothing that is called
        return False


def _points(kind: Kind) -> dict[str, EntryPoint]:
    path = tuple((folder, Path(folder).stat().st_mtime_ns) for folder in sys.path if Path(folder).exists())
    return {point.name: point for point in _declared(f"worldprobe.{kind}", path)}


@lru_cache(maxsize=16)
def _declared(group: str, path: tuple[tuple[str, int], ...]) -> EntryPoints:
    """Read a group's entry points, once until one is installed: a file of each package."""
    return entry_points(group=group)


def _load(point: EntryPoint) -> Any:
    module, _, attribute = point.value.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    # A plug-in may fail in any way while it is imported; the others must go on working.
    except (Exception, SystemExit) as error:
        reason = str(error) or type(error).__name__
        raise RegistryError(f"{point.name} ({point.value}) cannot be loaded: {reason}") from error
