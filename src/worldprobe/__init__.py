"""What does a frozen video encoder know, where, and compared with what?

On arrays of any embeddings: ``probe(features, labels, groups)``, ``cross_validate``, ``GroupedProbe``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worldprobe.api import GroupedProbe, ProbeReport, cross_validate, probe

__version__ = "0.2.0"
__all__ = ["GroupedProbe", "ProbeReport", "__version__", "cross_validate", "probe"]


def __getattr__(name: str) -> Any:
    """Import the API where it is first used, so that ``import worldprobe`` alone stays cheap."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("worldprobe.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
