"""``decoder_loss.png`` and ``decoder_reconstructions.png``, from what a run keeps of its decoders."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import fill
from typing import Any

from worldprobe.errors import WorldprobeError
from worldprobe.report.plots import FAINT, INK, SERIES, blank, plain, save


def decoder_loss(decoders: Path, path: Path) -> None:
    """Training and held-out loss by step, a panel for each decoder that was trained; none, no file.

    Raises:
        WorldprobeError: a file of losses that is damaged.
    """
    found = {one.parent.name: _losses(one) for one in sorted(decoders.glob("*/losses.jsonl"))}
    found = {name: lines for name, lines in found.items() if lines and not name.startswith("ladder-")}
    if not found:
        return
    figure, panels, _ = blank(len(found), height=2.6)
    for panel, (name, lines) in zip(panels, found.items(), strict=True):
        steps = [one["step"] for one in lines]
        (blue, _), (red, _), *_ = SERIES
        panel.plot(steps, [one["training"] for one in lines], color=blue, marker=".", label="training")
        panel.plot(steps, [one["validation"] for one in lines], color=red, marker=".", label="held-out groups")
        best = min(lines, key=lambda one: float(one["validation"]))
        panel.axvline(best["step"], color=FAINT, linestyle=":", label="kept")
        panel.set_yscale("log")
        panel.set_title(plain(name), fontsize=10, loc="left")
        panel.set_xlabel("step", fontsize=9)
        panel.tick_params(labelsize=8, which="both")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.suptitle("Loss of each decoder", fontsize=11.5, color=INK)
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    save(figure, path)


def decoder_reconstructions(decoders: Path, path: Path, *, title: str) -> None:
    """Test moments in rows, what drew them in columns; no file where the run kept no pictures.

    Raises:
        WorldprobeError: pictures that are damaged.
    """
    kept = decoders / "pictures.safetensors"
    if not kept.exists():
        return
    titles, pictures = _pictures(kept)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    moments = len(pictures[0])
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)
    figure = Figure(figsize=(1.3 * len(titles) + 0.4, 1.3 * moments + 1.0), layout=layout)
    FigureCanvasAgg(figure)
    cells = figure.subplots(moments, len(titles), squeeze=False)
    for column, (name, drawn) in enumerate(zip(titles, pictures, strict=True)):
        for row in range(moments):
            cell = cells[row][column]
            cell.imshow(drawn[row], interpolation="nearest", vmin=0, vmax=255)
            cell.set_axis_off()
        cells[0][column].set_title(plain(fill(name.replace("-", " "), 13)), fontsize=8)
    figure.suptitle(plain(title), fontsize=11, color=INK)
    save(figure, path)


def _losses(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise WorldprobeError(f"{path} is damaged: {error}. Delete the decoder's folder and run again.") from error


def _pictures(path: Path) -> tuple[list[str], list[Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            titles = json.loads((file.metadata() or {})["titles"])
            return titles, [file.get_tensor(f"{number:02d}") for number in range(len(titles))]
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WorldprobeError(f"{path} is damaged: {error}. Run `worldprobe decode` again.") from error
