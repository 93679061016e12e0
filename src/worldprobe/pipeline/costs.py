"""What an encoder takes and sees, in a run's record: written by the stage that probes it, read by comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from worldprobe import provenance
from worldprobe.errors import CompareError
from worldprobe.findings.comparison import Cost, Sight
from worldprobe.findings.run_files import read_provenance
from worldprobe.findings.score import Fact
from worldprobe.pipeline.ledger import Ledger
from worldprobe.records import Block, VideoRef, View
from worldprobe.store import Series, Store

_COST, _SIGHT = "cost", "sight"
_SAME_SHAPE = 0.02  # by which rounding alone may change the ratio of the sides
Known = TypeVar("Known", bound=Fact)


def cost_and_sight(
    out: Path, store: Store, series: Sequence[Series], ledger: Ledger, *, block: Block
) -> dict[str, Any]:
    """What a run's record says of its encoder: ``cost`` and ``sight``.

    How fast it was is of the clips that were encoded now, or of an earlier command in the same folder, whichever
    were more: what is stored is not encoded again, and has no speed.

    Args:
        series: what was probed, by one encoder.
        block: whose bytes a clip count.
    """
    first = series[0]
    network = first.network or ledger.network
    cost = Cost(
        parameters=network.get("parameters"),
        flop=network.get("flop"),
        bytes=store.clip_bytes(first, block),
        **_speed(out, first, ledger),
    )
    return {
        _COST: cost.model_dump(exclude_none=True),
        _SIGHT: _sight(series, network).model_dump(exclude_none=True),
    }


def read_costs(folder: Path) -> tuple[Cost | None, Sight | None]:
    """What a run's record says of its encoder; None of what an older version did not record.

    Raises:
        CompareError: the record is damaged.
    """
    record = read_provenance(folder / provenance.FILE)
    return _known(Cost, record.get(_COST), folder), _known(Sight, record.get(_SIGHT), folder)


def _known(kind: type[Known], found: Any, folder: Path) -> Known | None:
    if not isinstance(found, dict):
        return None
    try:
        return kind(**{key: value for key, value in found.items() if key in kind.model_fields})
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise CompareError(
            f"{folder / provenance.FILE} is damaged: {kind.__name__.lower()}.{where}. Run `worldprobe probe` again."
        ) from error


def _speed(out: Path, series: Series, ledger: Ledger) -> dict[str, Any]:
    names = (f"encode {series.encoder}", f"encode {series.encoder}, {series.input}")
    now = next((one for one in ledger.costs if one.stage in names and one.items), None)
    record = provenance.read(out / provenance.FILE)
    encoder = record.get("encoder")
    same = isinstance(encoder, dict) and encoder.get("revision") == series.revision[:12]
    written = record.get(_COST) if same else None
    before: Mapping[str, Any] = written if isinstance(written, dict) else {}
    if now is None or before.get("clips", 0) > now.items:
        return {key: before[key] for key in ("clips_per_second", "clips", "device", "machine") if key in before}
    return {
        "clips_per_second": now.items_per_second, "clips": now.items, "device": now.device,
        "machine": _machine(now.device),
    }  # fmt: skip


def _machine(device: str) -> str:
    """What computed there; nothing of an executor's workers, which the record names themselves."""
    found = provenance.machine()
    if device.startswith("cuda"):
        return ", ".join(dict.fromkeys(found["gpu"] or ()))
    return str(found["processor"]) if device == "cpu" else ""


def _sight(series: Sequence[Series], network: Mapping[str, Any]) -> Sight:
    first = series[0]
    spec, grid, view = first.specs[0], first.grid, first.view
    return Sight(
        width=view.size[0],
        height=view.size[1],
        shares=tuple(dict.fromkeys(_share(one.video, one.view) for one in series)),
        shape=_shape(first.video, view),
        frames=spec.frames,
        stride=spec.stride,
        grid=(grid.time, grid.height, grid.width),
        tubelet=grid.tubelet,
        **{key: network[key] for key in ("mean", "std", "colours") if key in network},
    )


def _ends(video: VideoRef, view: View, axis: int) -> tuple[float, float, float]:
    """Where in source px the input begins and ends, and how long the frame's side is."""
    start = view.offset[axis] / view.scale[axis]
    return start, start + view.size[axis] / view.scale[axis], (video.width, video.height)[axis]


def _share(video: VideoRef, view: View) -> tuple[float, float]:
    """How much of a frame's width and of its height is seen."""
    shares = []
    for axis in (0, 1):
        start, end, side = _ends(video, view, axis)
        shares.append(round(max(0.0, min(end, side) - max(start, 0.0)) / side, 3))
    return shares[0], shares[1]


def _shape(video: VideoRef, view: View) -> str:
    if abs(view.scale[0] / view.scale[1] - 1) > _SAME_SHAPE:
        return "squashed"
    beyond = (_ends(video, view, axis) for axis in (0, 1))
    return "filled" if any(end > side + 1 or start < -1 for start, end, side in beyond) else "kept"
