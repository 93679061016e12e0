"""The loss curve and the spread, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(log: list[dict[str, Any]], width: int, path: Path) -> None:
    """Losses above, effective rank below with the quarter of the width that it should hold."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    steps = [line["step"] for line in log]
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 5), layout="constrained")
    for key, name in (("blocks", "blocks masked"), ("causal", "future masked"), ("spread", "regulariser")):
        above.plot(steps, [line[key] for line in log], label=name)
    above.set_ylabel("loss (L1)")
    above.legend(frameon=False)
    below.plot(steps, [line["rank"] for line in log], color="C3")
    below.axhline(width / 4, color="0.6", linestyle="--", label="a quarter of the width")
    below.set(ylabel=f"effective rank, of {width}", xlabel="step", ylim=(0, None))
    below.legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
