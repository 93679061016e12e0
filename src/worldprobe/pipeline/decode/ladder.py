"""What the blur is made of: from the original's decoder to a sound one, a change at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worldprobe.decoders.pairs import Averaged, StoredPairs
from worldprobe.pipeline.decode.scores import ScoredFrames, lines_of, results_of
from worldprobe.pipeline.decode.training import ScoredDecoder, Workshop
from worldprobe.results import DecodingResult

ORIGINAL_CLIPS = 40
_DECODER = "cnn"


def ladder(shop: Workshop, scored: Sequence[ScoredDecoder]) -> list[DecodingResult]:
    """Train what the rungs lack, and score each rung. Rungs that the run cannot make are left out.

    1 the original: one frame a clip from its time-averaged tokens, 40 clips, scored on them; 2 each tubelet's own
    frames from its own tokens; 3 scored on held-out groups; 4 all training clips; 5 the flow instead (where the run
    trained one); 6 the block, or all of them joined, that does best on the validation groups (with the first
    rungs' decoder, where the store holds several blocks).
    """
    rows, plan = shop.rows, shop.plan
    norm = shop.series[0].status != "floor"
    few = tuple(rows.training[i * len(rows.training) // ORIGINAL_CLIPS] for i in range(ORIGINAL_CLIPS))
    few = tuple(dict.fromkeys(few)) if len(rows.training) > ORIGINAL_CLIPS else rows.training

    def train(name: str, source: StoredPairs | Averaged, training: Sequence[int]) -> ScoredDecoder:
        return shop.train(_DECODER, name, source, encoder=plan.encoder, norm=norm, training=training)

    original = train("ladder-original", Averaged(rows.pairs), few)
    tubelets = train("ladder-tubelets", rows.pairs, few)
    everything = next(
        (one for one in scored if one.decoder.name == _DECODER and one.baseline == "none"), None
    ) or train("ladder-all", rows.pairs, rows.training)
    rungs = [
        (replace(original, rows=few), f"the original: time-averaged, {len(few)} clips, training pairs"),
        (replace(tubelets, rows=few), "each tubelet by itself, both frames"),
        (tubelets, "held-out groups instead of training pairs"),
        (everything, f"all {len(rows.training)} training clips"),
    ]
    flow = next((one for one in scored if hasattr(one.decoder.module, "draw")), None)
    if flow is not None:
        rungs.append((flow, "a flow instead of a CNN: one sample"))
    if (best := _best_blocks(shop, everything, norm)) is not None:
        rungs.append((best, f"the best of all blocks and their join ({best.tap}), by the CNN"))
    results = []
    for number, (one, change) in enumerate(rungs, start=1):
        rung = replace(one, protocol=f"ladder-{number}", change=change)
        line: ScoredFrames = lines_of(shop, rung)[0]
        results += results_of(shop, line)
    return results


def _best_blocks(shop: Workshop, last: ScoredDecoder, norm: bool) -> ScoredDecoder | None:
    """The decoder of the block, or of all joined, with the least validation loss; None where there is one only."""
    every = shop.of_encoder(shop.plan.encoder, "all").blocks
    if len(every) < 2:
        return None
    found = [last]
    for name in (*map(str, every), ",".join(map(str, every))):
        source = shop.of_encoder(shop.plan.encoder, name)
        if source.blocks != shop.rows.pairs.blocks:
            title = f"ladder-block{name.replace(',', '+')}"
            found.append(shop.train(_DECODER, title, source, encoder=shop.plan.encoder, norm=norm))
    return min(found, key=lambda one: float(one.decoder.facts["validation_loss"]))
