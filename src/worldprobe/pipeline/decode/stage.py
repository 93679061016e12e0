"""Decoding as a stage of a run: everything it leaves in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from worldprobe.config import Decode, Experiment
from worldprobe.findings.setup import spread_note
from worldprobe.io.files import StrPath, paths_of, sha256
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.claim import alone
from worldprobe.pipeline.decode.frames import regions_of
from worldprobe.pipeline.decode.ladder import ladder
from worldprobe.pipeline.decode.pictures import PICTURES, write_film, write_pictures
from worldprobe.pipeline.decode.scores import score
from worldprobe.pipeline.decode.training import FOLDER, DecodingPlan, open_workshop, train_all
from worldprobe.pipeline.decode.workers import elsewhere, train_elsewhere
from worldprobe.pipeline.failures import Failure, cut_short
from worldprobe.pipeline.folder import DECODE, add_notes, merge
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.stage_record import write_provenance
from worldprobe.protocols import Executor
from worldprobe.records import Labels
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import truth_path


@alone("decode")
def decode_into(
    out: StrPath,
    store: Store,
    videos: Mapping[str, Path],
    plan: DecodingPlan,
    ledger: Ledger,
    *,
    labels: Labels | None = None,
    film: Path | None = None,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> list[Failure]:
    """Train and score decoders of the videos in a store (ids, and where each is); other kinds of results are kept.

    Args:
        labels: boxes, for scores inside and outside them.
        film: where to write the test clips as a film, real above decoded.
        executor: who trains, where it does; scores are worked out here.

    Returns:
        Clips whose frames could not be read, and films that are cut short.

    Raises:
        WorldprobeError: no tokens, too few groups, weights or a VAE that cannot be had.
    """
    out = Path(out)
    from worldprobe.decoders.trained import WEIGHTS  # with torch, which importing this does not load

    out.mkdir(parents=True, exist_ok=True)
    plan = elsewhere(plan, executor)
    shop = open_workshop(store, videos, plan, out, ledger, progress=progress)
    train_elsewhere(shop, executor, progress=progress)
    scored = train_all(shop)
    results = score(shop, scored, regions_of(shop.rows.pairs, labels, rows=shop.rows.test))
    if plan.decode.ladder and plan.weights is None:
        results += ladder(shop, scored)
    write_pictures(shop, scored, out / FOLDER / PICTURES)
    if film is not None:
        write_film(shop, scored, film)
    seen = [one.video for one in shop.every]  # of some of which decoders may be; the run is of all
    notes = merge(out, DECODE, results, ledger.costs, revision=shop.series[0].revision, videos=seen)
    add_notes(out, DECODE, [*spread_note("decode", len(shop.series), shop.usable), *notes])
    weights = {one.name: sha256((plan.weights or out / FOLDER / one.name) / WEIGHTS) for one in scored}
    write_provenance(
        out, "decode", shop.series[0], videos=seen, seed=plan.seed, ledger=ledger, labels=labels, decoders=weights
    )
    shop.rows.pairs.frames.path.unlink()
    return [*shop.rows.failures, *(lost for one in seen for lost in cut_short(one))]


def plan_of(experiment: Experiment, *, encoder: str, weights: Path | None = None) -> DecodingPlan:
    """What an experiment asks of decoders, of an encoder by the name that its embeddings are stored under."""
    return DecodingPlan(
        encoder=encoder,
        decode=experiment.decode or Decode(),
        split=experiment.split,
        seed=experiment.seed,
        device=experiment.device,
        # fp16 is for encoding: training in it would need its loss scaled.
        precision="auto" if experiment.precision == "fp16" else experiment.precision,
        weights=weights,
    )


def truth_of(paths: Sequence[StrPath] | StrPath) -> Labels | None:
    """The exact truth of rendered scenes; None unless all are."""
    paths = paths_of(paths)
    if not all(truth_path(path).exists() for path in paths):
        return None
    return label(paths, labeller=load_labeller("truth"))
