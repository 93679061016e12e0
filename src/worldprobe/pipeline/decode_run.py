"""Decoding as a stage of a run: everything it leaves in the run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from worldprobe import provenance
from worldprobe.config import Decode, Experiment
from worldprobe.pipeline.decode import FOLDER, Plan, open_workshop, train_all
from worldprobe.pipeline.decode_pictures import PICTURES, write_film, write_pictures
from worldprobe.pipeline.decode_scores import score
from worldprobe.pipeline.encode import Failure
from worldprobe.pipeline.label import label, load_labeller
from worldprobe.pipeline.ladder import ladder
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.regions import regions_of
from worldprobe.pipeline.sources import open_source
from worldprobe.records import Labels
from worldprobe.results import AnyResult, CostResult, DecodingResult, read_results, write_results
from worldprobe.store import Store
from worldprobe.video.scenes import truth_path


def decode_into(
    out: Path,
    store: Store,
    videos: Sequence[str],
    plan: Plan,
    ledger: Ledger,
    *,
    labels: Labels | None = None,
    film: Path | None = None,
    progress: Progress = silent,
) -> list[Failure]:
    """Train and score decoders of the videos (ids) in a store; results of other kinds in the folder are kept.

    Args:
        labels: boxes, for scores inside and outside them.
        film: where to write the test clips as a film, real above decoded.

    Returns:
        Clips whose frames could not be read.

    Raises:
        WorldprobeError: no tokens, too few groups, weights or a VAE that cannot be had.
    """
    out.mkdir(parents=True, exist_ok=True)
    shop = open_workshop(store, videos, plan, out, ledger, progress=progress)
    drawn = train_all(shop)
    results = score(shop, drawn, regions_of(shop.rows.pairs, labels, rows=shop.rows.test))
    if plan.decode.ladder and plan.weights is None:
        results += ladder(shop, drawn)
    write_pictures(shop, drawn, out / FOLDER / PICTURES)
    if film is not None:
        write_film(shop, drawn, film)
    every = [*_others(out, ledger), *results, *ledger.costs]
    write_results(out / "results.jsonl", every)
    first = shop.series[0]
    encoder = {"name": first.encoder, "revision": first.revision[:12], "status": first.status}
    seconds = round(sum(cost.seconds for cost in every if isinstance(cost, CostResult)), 1)
    provenance.write(out / "provenance.json", provenance.collect(encoder=encoder, seconds=seconds, seed=plan.seed))
    shop.rows.pairs.frames.path.unlink()
    return list(shop.rows.failures)


def plan_of(experiment: Experiment, *, encoder: str, weights: Path | None = None) -> Plan:
    """What an experiment asks of decoders, of an encoder by the name that its embeddings are stored under."""
    return Plan(
        encoder=encoder,
        decode=experiment.decode or Decode(),
        split=experiment.split,
        seed=experiment.seed,
        device=experiment.device,
        # fp16 is for encoding: training in it would need its loss scaled.
        precision="auto" if experiment.precision == "fp16" else experiment.precision,
        weights=weights,
    )


def ids_of(paths: Sequence[Path]) -> list[str]:
    """What the store knows videos by. Raises VideoError for one that cannot be read."""
    found = []
    for path in paths:
        with open_source(path) as video:
            found.append(video.ref.id)
    return found


def truth_of(paths: Sequence[Path]) -> Labels | None:
    """The exact truth of rendered scenes; None unless all are."""
    if not all(truth_path(path).exists() for path in paths):
        return None
    return label(paths, labeller=load_labeller("truth"))


def _others(out: Path, ledger: Ledger) -> list[AnyResult]:
    """What other stages found, and what earlier sittings cost where this one did not do it again."""
    if not (out / "results.jsonl").exists():
        return []
    again = {cost.stage for cost in ledger.costs}
    return [
        one
        for one in read_results(out / "results.jsonl")
        if not isinstance(one, DecodingResult) and not (isinstance(one, CostResult) and one.stage in again)
    ]
