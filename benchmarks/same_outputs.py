"""Compare two folders of one experiment, made by two versions: ``python -m benchmarks.same_outputs BEFORE AFTER``.

What says when, where and how fast a run was is left out: costs, machines, versions, paths. Ends with 1 where
something differs.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl

_OF_THE_MACHINE = {"name", "costs", "provenance", "experiment"}


def differences(before: Path, after: Path) -> list[str]:
    """A line for each part that was compared: whether it is the same, and the first difference."""
    return [
        _compared("results.jsonl", _results(before), _results(after)),
        _compared("report.json", _report(before), _report(after)),
        *(
            _compared(name, _table(before / name), _table(after / name))
            for name in ("labels.parquet", "answers.parquet")
        ),
        _compared("embeddings.zarr", _tree(before / "embeddings.zarr"), _tree(after / "embeddings.zarr")),
        _compared("figures", _names(before / "figures"), _names(after / "figures")),
    ]


def _compared(name: str, one: list[str], other: list[str]) -> str:
    if one == other:
        return f"same    {name}: {len(one)} entries"
    first = next((pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]), ("", ""))
    return f"DIFFERS {name}: {len(one)} and {len(other)} entries; first: {first[0][:200]} | {first[1][:200]}"


def _results(run: Path) -> list[str]:
    lines = (json.loads(line) for line in (run / "results.jsonl").read_text().splitlines())
    return [json.dumps(line, sort_keys=True) for line in lines if line["kind"] != "cost"]


def _report(run: Path) -> list[str]:
    facts = json.loads((run / "report.json").read_text())
    return [text for key in sorted(facts) if key not in _OF_THE_MACHINE for text in _flat(key, facts[key])]


def _flat(place: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key in sorted(value) for text in _flat(f"{place}.{key}", value[key])]
    if isinstance(value, list):
        return [text for at, one in enumerate(value) for text in _flat(f"{place}[{at}]", one)]
    return [f"{place} = {value!r}"]


def _table(path: Path) -> list[str]:
    return [repr(row) for row in pl.read_parquet(path).rows()] if path.exists() else []


def _tree(folder: Path) -> list[str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


if __name__ == "__main__":
    found = differences(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(found))
    sys.exit(any(line.startswith("DIFFERS") for line in found))
