"""Figures of predictions that show frames, drawn from what the run keeps in ``predictions/``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from worldprobe.findings.run_files import PREDICTIONS
from worldprobe.io.arrays import Arrays, damaged, read_arrays
from worldprobe.report.drawing.pictures import PredictedWindow, comparison, error_map, violations


def prediction_figures(run: Path) -> None:
    """Draw ``error_map.png``, ``prediction_comparison.png`` and ``violations.png``, each where the run keeps it.

    Raises:
        WorldprobeError: a file that is damaged.
    """
    for name, draw in _FIGURES.items():
        kept = run / PREDICTIONS / f"{name}.safetensors"
        if not kept.exists():
            continue
        arrays, facts = read_arrays(kept, stage="predict")
        try:
            draw(run / "figures" / f"{name}.png", arrays, facts)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise damaged(kept, error, stage="predict") from error


def _error_map(path: Path, arrays: Arrays, facts: dict[str, Any]) -> None:
    error_map(
        path,
        encoder=facts["encoder"],
        means={method: arrays[f"mean {method}"] for method in facts["methods"]},
        frames=arrays["frames"],
        context=arrays["context"],
        example=arrays["example"],
    )


def _comparison(path: Path, arrays: Arrays, facts: dict[str, Any]) -> None:
    frames = [arrays[name] for name in ("seen", "predicted", "decoded", "real")]
    examples = [PredictedWindow(name, *shown) for name, *shown in zip(facts["windows"], *frames, strict=True)]
    comparison(path, encoder=facts["encoder"], decoder=facts["decoder"], examples=examples)


def _violations(path: Path, arrays: Arrays, facts: dict[str, Any]) -> None:
    kinds = facts["kinds"]
    violations(
        path,
        encoder=facts["encoder"],
        examples=dict(zip(kinds, arrays["frames"], strict=True)),
        curves=dict(zip(kinds, arrays["surprise"], strict=True)),
        first=facts["first"],
    )


_FIGURES: dict[str, Callable[[Path, Arrays, dict[str, Any]], None]] = {
    "error_map": _error_map,
    "prediction_comparison": _comparison,
    "violations": _violations,
}
