"""What the blur is made of: from the original's decoder to a sound one, a change at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worldprobe.decoders.pairs import Averaged, StoredPairs
from worldprobe.pipeline.decode.best_blocks import Summed, best_linear, candidates
from worldprobe.pipeline.decode.scores import ScoredFrames, lines_of, results_of
from worldprobe.pipeline.decode.training import DecodingPlan, ScoredDecoder, Workshop
from worldprobe.results import DecodingResult

ORIGINAL_CLIPS = 40
_DECODER = "cnn"
_ORIGINAL, _TUBELETS, _ALL, _LINEAR, _BLOCKS = (
    f"ladder-{name}" for name in ("original", "tubelets", "all", "linear", "blocks")
)


def rung_names(plan: DecodingPlan) -> tuple[str, ...]:
    """Name the decoders that the ladder trains beside those of the plan."""
    if not plan.decode.ladder or plan.weights is not None:
        return ()
    linear = () if _DECODER in plan.decode.decoders else (_LINEAR,)
    return (_ORIGINAL, _TUBELETS, _ALL, *linear, _BLOCKS)


def train_rung(shop: Workshop, name: str) -> ScoredDecoder | None:
    """Train a decoder of ``rung_names``, or take it where that has been done; None where the store has one block
    only, or where the best blocks are those that the run's own decoder reads."""
    rows, plan = shop.rows, shop.plan
    norm = shop.series[0].status != "floor"
    if name == _LINEAR:
        return shop.train(_DECODER, name, rows.pairs, encoder=plan.encoder, norm=norm)
    if name == _BLOCKS:
        source = _best_blocks(shop)
        if source is None or source.blocks == rows.pairs.blocks:
            return None
        return shop.train(_DECODER, name, source, encoder=plan.encoder, norm=norm)
    pairs = Averaged(rows.pairs) if name == _ORIGINAL else rows.pairs
    training = rows.training if name == _ALL else _few(rows.training)
    plain = replace(shop, plan=_without_linear(plan))
    return plain.train(_DECODER, name, pairs, encoder=plan.encoder, norm=norm, training=training)


def ladder(shop: Workshop, scored: Sequence[ScoredDecoder]) -> list[DecodingResult]:
    """Train what the rungs lack, and score each rung. Rungs that the run cannot make are left out.

    1 the original: one frame a clip from its time-averaged tokens, 40 clips, scored on them; 2 each tubelet's own
    frames from its own tokens; 3 scored on held-out groups; 4 all training clips; 5 the best linear picture beneath
    the CNN; then the flow instead (where the run trained one), and the block, sum or join of the last ones
    that draws the best linear picture of the validation groups (where the store holds several blocks).
    """
    rows = shop.rows
    few = _few(rows.training)
    trained = {name: train_rung(shop, name) for name in rung_names(shop.plan)}
    original, tubelets, everything = trained[_ORIGINAL], trained[_TUBELETS], trained[_ALL]
    own = next((one for one in scored if one.decoder.name == _DECODER and one.baseline == "none"), None)
    own = own or trained[_LINEAR]
    assert original is not None
    assert tubelets is not None
    assert everything is not None
    assert own is not None
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
    if len(shop.of_encoder(shop.plan.encoder, "all").blocks) > 1:
        best = trained[_BLOCKS] or own
        rungs.append((best, f"the blocks with the best linear picture ({best.tap}), by the CNN"))
    results = []
    for number, (one, change) in enumerate(rungs, start=1):
        rung = replace(one, protocol=f"ladder-{number}", change=change)
        line: ScoredFrames = lines_of(shop, rung)[0]
        results += results_of(shop, line)
    return results


def _few(training: Sequence[int]) -> tuple[int, ...]:
    """As many clips as the original trained on, evenly spread."""
    if len(training) <= ORIGINAL_CLIPS:
        return tuple(training)
    return tuple(dict.fromkeys(training[i * len(training) // ORIGINAL_CLIPS] for i in range(ORIGINAL_CLIPS)))


def _without_linear(plan: DecodingPlan) -> DecodingPlan:
    """The plan with the original's CNN, which begins with nothing."""
    options = {**plan.decode.options, _DECODER: {**plan.decode.options.get(_DECODER, {}), "linear": False}}
    return replace(plan, decode=plan.decode.model_copy(update={"options": options}))


def _best_blocks(shop: Workshop) -> StoredPairs | Summed | None:
    """The blocks with the best linear picture; None where there is one block only."""
    every = shop.of_encoder(shop.plan.encoder, "all")
    if len(every.blocks) < 2:
        return None
    width = every.read(shop.rows.training[0])[0].shape[-1] // len(every.blocks)
    return best_linear(candidates(every, width=width), training=shop.rows.training, validation=shop.rows.validation)
