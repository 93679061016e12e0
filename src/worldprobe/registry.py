"""Encoders, labellers, probes and decoders by name: built-in ones and third parties' alike come by entry point."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from worldprobe.errors import RegistryError
from worldprobe.guarded import blamed, guarded

Kind = Literal["encoders", "executors", "labellers", "probes", "decoders"]
_MODULE_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Listed:
    """A plug-in as ``worldprobe list`` shows it; ``problem`` is empty when it loads."""

    name: str
    distribution: str
    summary: str
    problem: str


def create(kind: Kind, name: str, *, offered: Mapping[str, Any] = MappingProxyType({}), **options: Any) -> Any:
    """Make the plug-in that a user named: ``name``, ``name:argument``, or ``module:Class``.

    The plug-in is called with the argument (None where there is none) and the options; of what is ``offered`` it
    gets what it takes.

    Raises:
        RegistryError: no plug-in of that name, it cannot be loaded or made, lacks what ``worldprobe.protocols``
            asks for, or does not take these options.
    """
    points = _points(kind)
    head, colon, argument = name.partition(":")
    if head in points:
        return _made(kind, points[head], head, argument if colon else None, offered, options)
    if _MODULE_CLASS.fullmatch(name) and not Path(name).exists():
        return _made(kind, EntryPoint(name, name, f"worldprobe.{kind}"), name, None, offered, options)
    near = difflib.get_close_matches(head, points, n=1)
    raise RegistryError(
        f"no {kind[:-1]} {name!r}" + (f"; did you mean {near[0]!r}?" if near else ".") + f" There are: "
        f"{', '.join(sorted(points))}, or module:Class of your own."
    )


def knows(kind: Kind, name: str) -> bool:
    """Whether the name is a plug-in's or has the form ``module:Class``."""
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


def _made(
    kind: Kind,
    point: EntryPoint,
    name: str,
    argument: str | None,
    offered: Mapping[str, Any],
    options: dict[str, Any],
) -> Any:
    """A plug-in, made; a third party's with its promises checked from here on."""
    plugin = _load(point)
    if not foreign(kind, name):
        return _call(plugin, name, argument, offered, options)
    if not callable(plugin):
        raise RegistryError(f"the {kind[:-1]} {name} is a {type(plugin).__name__}, expected a class or a function")
    with blamed(f"the {kind[:-1]} {name}", "being made", RegistryError):
        made = _call(plugin, name, argument, offered, options)
    return guarded(kind, made, name)


def _call(plugin: Any, name: str, argument: str | None, offered: Mapping[str, Any], options: dict[str, Any]) -> Any:
    taken = inspect.signature(plugin).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in taken.values()):
        for option in options:
            if option not in taken:
                known = ", ".join(taken) or "none"
                raise RegistryError(f"{name} takes no option {option!r}; what it takes is: {known}")
    return plugin(argument, **{key: value for key, value in offered.items() if key in taken}, **options)


def _points(kind: Kind) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"worldprobe.{kind}")}


def _load(point: EntryPoint) -> Any:
    module, _, attribute = point.value.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    # A plug-in may fail in any way while it is imported; the others must go on working.
    except (Exception, SystemExit) as error:
        said = str(error) or type(error).__name__
        raise RegistryError(f"{point.name} ({point.value}) cannot be loaded: {said}") from error
