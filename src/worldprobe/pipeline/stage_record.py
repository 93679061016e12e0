"""How a stage's results were made, in the run's folder: weights, versions, machine, videos, labels, price."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from worldprobe import provenance
from worldprobe.config import Experiment, make_experiment, read_experiment, to_toml
from worldprobe.encoders.load import control_encoders
from worldprobe.io.files import write_whole
from worldprobe.pipeline.ledger import Ledger
from worldprobe.protocols import Encoder
from worldprobe.records import Labels, VideoRef
from worldprobe.results import CostResult, read_results
from worldprobe.store import Series, Store

Stage = Literal["probe", "predict", "decode"]


def write_provenance(
    out: Path,
    stage: Stage,
    encoder: Encoder | Series,
    *,
    videos: Iterable[VideoRef],
    seed: int,
    ledger: Ledger,
    labels: Labels | None = None,
    **more: Any,
) -> None:
    """Record a stage whose results are written; seconds and price are of all stages together."""
    costs = [one for one in read_results(out / "results.jsonl") if isinstance(one, CostResult)]
    prices = [one.price for one in costs if one.price is not None]
    facts: dict[str, Any] = {
        "encoder": of_encoder(encoder),
        "videos": provenance.of_videos(videos),
        "seed": seed,
        "seconds": round(sum(one.seconds for one in costs), 1),
    }
    facts |= {"price": round(sum(prices), 4)} if prices else {}
    facts |= {"labels": provenance.of_labels(labels)} if labels is not None and len(labels.table) else {}
    facts |= {"executor": ledger.terms} if ledger.terms else {}
    facts |= {"workers": ledger.workers} if ledger.workers else {}
    facts |= {"clips": ledger.clips} if ledger.clips else {}
    provenance.record(out / provenance.FILE, [stage], provenance.collect(**facts, **more))


def record_experiment(experiment: Experiment, out: Path, table: Literal["predict", "decode"]) -> None:
    """Write an experiment of one stage down: as a table of that of other stages, where results of these are there.

    Raises:
        ConfigError: the two do not go together.
    """
    path, results = out / "experiment.toml", out / "results.jsonl"
    known = read_results(results) if results.exists() else []
    if path.exists() and any(line.written_by != table and not isinstance(line, CostResult) for line in known):
        both = read_experiment(path).model_copy(update={table: getattr(experiment, table)})
        experiment = make_experiment(both.model_dump(), source=f"{table} into {out}, which holds results of {path}")
    write_whole(path, to_toml(experiment).encode())


@contextmanager
def put_back(out: Path) -> Iterator[None]:
    """Make a run's folder, and where a stage fails before it writes results, leave it as it was found.

    Results that are there stay, and with them the experiment that they are of: whatever is written of another one
    before it fails would have a report speak of what is not there. What was made on the way (embeddings, labels) is
    kept; a folder that was made for nothing but the file of the experiment goes.
    """
    path, results = out / "experiment.toml", out / "results.jsonl"
    made, written = not out.exists(), _written(results)
    held = path.read_bytes() if path.exists() else None
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # what failed is what is to be said
            if _written(results) == written:
                if held is not None:
                    write_whole(path, held)
                elif set(out.iterdir()) <= {path}:
                    path.unlink(missing_ok=True)
            if made and not any(out.iterdir()):
                out.rmdir()
        raise


def _written(path: Path) -> tuple[int, int] | None:
    """When a file was written, ns, and its inode; None where there is none."""
    return (path.stat().st_mtime_ns, path.stat().st_ino) if path.exists() else None


def of_encoder(encoder: Encoder | Series) -> dict[str, Any]:
    """Name, revision (what the store knows it by), status, and what it says of its checkpoint and options."""
    name = encoder.encoder if isinstance(encoder, Series) else encoder.name
    known = {"name": name, "revision": encoder.revision[:12], "status": encoder.status}
    return {**known, **getattr(encoder, "origin", {})}


def of_controls(store: Store, series: Series, controls: Iterable[str]) -> dict[str, Any]:
    """The encoders that controls read, by control; those that the store holds."""
    found: dict[str, Any] = {}
    for control, name in control_encoders(series.encoder, series.twin).items():
        stored = store.find(series.video.id, encoder=name, input=series.input) if control in controls else []
        if stored:
            found[control] = of_encoder(stored[0][0])
    return found
