"""What the folders of several runs say of how they were made, and where they do not agree."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from worldprobe.errors import CompareError
from worldprobe.findings.comparison import Differing
from worldprobe.findings.run_files import read_provenance

# Keys of an experiment that say what a target is.
_OF_TARGETS = ("labeller", "confidence", "every", "tracker", "camera", "classes", "subject", "protocol")
# Videos are compared by content; where they lay does not matter.
_OMITTED = ("videos",)


def differing(folders: Sequence[Path]) -> tuple[Differing, ...]:
    """Keys of ``experiment.toml`` and versions in ``provenance.json`` that are not the same in all runs.

    Raises CompareError where a file is damaged; one that is not there says nothing.
    """
    facts = [_facts(folder) for folder in folders]
    names = dict.fromkeys(name for one in facts for name in one)
    return tuple(
        Differing(name=name, values=values)
        for name in names
        if name not in _OMITTED and len(set(values := tuple(one.get(name, "–") for one in facts))) > 1
    )


def why_targets_differ(folders: Sequence[Path]) -> str:
    """A sentence that names what the experiments ask otherwise of labels; empty where they ask the same."""
    found = [f"{one.name} ({' and '.join(one.values)})" for one in differing(folders) if one.name in _OF_TARGETS]
    return f" The experiments differ in {', '.join(found)}." if found else ""


def _facts(folder: Path) -> dict[str, str]:
    path = folder / "experiment.toml"
    written: dict[str, Any] = {}
    if path.exists():
        try:
            written = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CompareError(f"{path} is damaged: {error}. Run the stage that writes it again.") from error
    versions = read_provenance(folder / "provenance.json").get("versions") or {}
    return {key: in_words(value) for key, value in [*written.items(), *versions.items()]}


def in_words(value: Any) -> str:
    """A value of an experiment file as a person would write it: lists by comma, tables as ``key = value``."""
    if isinstance(value, dict):
        return ", ".join(f"{key} = {_within(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(in_words, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _within(value: Any) -> str:
    text = in_words(value)
    return f"({text})" if isinstance(value, dict) or (isinstance(value, list) and len(value) > 1) else text
