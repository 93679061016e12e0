"""The loss curve and the spread, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(log: list[dict[str, Any]], width: int, path: Path) -> None:
    """Losses above, effective rank of pooled features below."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    steps = [line["step"] for line in log]
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 5), layout="constrained")
    for key in dict.fromkeys(key for line in log for key in line if key not in ("step", "seconds", "rank")):
        above.plot(steps, [line.get(key) for line in log], label=key)
    above.set_ylabel("loss")
    above.set_yscale("log")
    above.legend(frameon=False, fontsize="small", ncols=2)
    below.plot(steps, [line["rank"] for line in log], color="C3")
    below.set(ylabel=f"effective rank, of {width}", xlabel="step", ylim=(0, None))
    figure.savefig(path, dpi=120)
    plt.close(figure)
