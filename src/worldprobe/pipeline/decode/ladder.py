"""What the blur is made of: from the original's decoder to a sound one, a change at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worldprobe.decoders.pairs import Averaged, StoredPairs
from worldprobe.pipeline.decode.best_blocks import best_linear, candidates
from worldprobe.pipeline.decode.scores import ScoredFrames, lines_of, results_of
from worldprobe.pipeline.decode.training import DecodingPlan, ScoredDecoder, Workshop
from worldprobe.results import DecodingResult

ORIGINAL_CLIPS = 40
_DECODER = "cnn"


def ladder(shop: Workshop, scored: Sequence[ScoredDecoder]) -> list[DecodingResult]:
    """Train what the rungs lack, and score each rung. Rungs that the run cannot make are left out.

    1 the original: one frame a clip from its time-averaged tokens, 40 clips, scored on them; 2 each tubelet's own
    frames from its own tokens; 3 scored on held-out groups; 4 all training clips; 5 the best linear picture beneath
    the CNN; then the flow instead (where the run trained one), and the block, sum or join of the last ones
    that draws the best linear picture of the validation groups (where the store holds several blocks).
    """
    rows, plan = shop.rows, shop.plan
    norm = shop.series[0].status != "floor"
    few = tuple(rows.training[i * len(rows.training) // ORIGINAL_CLIPS] for i in range(ORIGINAL_CLIPS))
    few = tuple(dict.fromkeys(few)) if len(rows.training) > ORIGINAL_CLIPS else rows.training

    plain = replace(shop, plan=_without_linear(plan))

    def train(name: str, source: StoredPairs | Averaged, training: Sequence[int]) -> ScoredDecoder:
        return plain.train(_DECODER, name, source, encoder=plan.encoder, norm=norm, training=training)

    original = train("ladder-original", Averaged(rows.pairs), few)
    tubelets = train("ladder-tubelets", rows.pairs, few)
    everything = train("ladder-all", rows.pairs, rows.training)
    own = next((one for one in scored if one.decoder.name == _DECODER and one.baseline == "none"), None)
    if own is None:
        own = shop.train(_DECODER, "ladder-linear", rows.pairs, encoder=plan.encoder, norm=norm)
    rungs = [
        (replace(original, rows=few), f"the original: time-averaged, {len(few)} clips, training pairs"),
        (replace(tubelets, rows=few), "each tubelet by itself, both frames"),
        (tubelets, "held-out groups instead of training pairs"),
        (everything, f"all {len(rows.training)} training clips"),
    ]
    if own.decoder.module.options.get("linear"):
        rungs.append((own, "the best linear picture beneath the CNN"))
    flow = next((one for one in scored if hasattr(one.decoder.module, "draw")), None)
    if flow is not None:
        rungs.append((flow, "a flow instead of a CNN: one sample"))
    if (best := _best_blocks(shop, own, norm)) is not None:
        rungs.append((best, f"the blocks with the best linear picture ({best.tap}), by the CNN"))
    results = []
    for number, (one, change) in enumerate(rungs, start=1):
        rung = replace(one, protocol=f"ladder-{number}", change=change)
        line: ScoredFrames = lines_of(shop, rung)[0]
        results += results_of(shop, line)
    return results


def _without_linear(plan: DecodingPlan) -> DecodingPlan:
    """The plan with the original's CNN, which begins with nothing."""
    options = {**plan.decode.options, _DECODER: {**plan.decode.options.get(_DECODER, {}), "linear": False}}
    return replace(plan, decode=plan.decode.model_copy(update={"options": options}))


def _best_blocks(shop: Workshop, last: ScoredDecoder, norm: bool) -> ScoredDecoder | None:
    """A decoder of the blocks with the best linear picture; None where there is one block only."""
    every = shop.of_encoder(shop.plan.encoder, "all")
    if len(every.blocks) < 2:
        return None
    width = every.read(shop.rows.training[0])[0].shape[-1] // len(every.blocks)
    source = best_linear(
        candidates(every, width=width), training=shop.rows.training, validation=shop.rows.validation
    )
    if source.blocks == shop.rows.pairs.blocks:
        return last
    return shop.train(_DECODER, "ladder-blocks", source, encoder=shop.plan.encoder, norm=norm)
