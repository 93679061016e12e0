"""What the features of a run are like without labels, beside those of the untrained twin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldprobe.controls import Control
from worldprobe.execute.threads import small_products
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.stored import find_series, matching_series
from worldprobe.probes.unlabelled import SETS, Spread, Tokens, likeness, ranks
from worldprobe.records import Block, Tap
from worldprobe.results import UnlabelledResult
from worldprobe.store import Series, Store

_FEW = 512


def unlabelled(store: Store, plan: Plan, series: Sequence[Series], block: Block) -> list[UnlabelledResult]:
    """Describe a block, the encoder's and its untrained twin's; all clips of the videos count, labelled or not.

    Raises:
        StoreError: embeddings of the twin are not there, and the plan asks for them.
    """
    ids = [one.video.id for one in series]
    own = find_series(store, ids, encoder=plan.encoder, input=plan.input, block=block)
    found = _described(store, own, block, plan, "none")
    if "random-init" in plan.controls and (twin := series[0].twin):
        others = matching_series(store, own, encoder=twin, control="random-init")
        found += _described(store, others, block, plan, "random-init")
    return found


def _described(
    store: Store, series: Sequence[Series], block: Block, plan: Plan, control: Control
) -> list[UnlabelledResult]:
    spreads: list[Spread | None] = [None] * SETS
    tokens = [Tokens() for _ in range(SETS)]
    tubelets = videos = width = 0
    for index, one in enumerate(series):
        rows = []
        for _, embeddings in store.read(one, block):
            values = embeddings.values
            if values.ndim == 4:
                tokens[index % SETS].add(values)
                values = values.mean(axis=(1, 2), dtype=np.float32)
            rows.append(values.astype(np.float32))
        if rows:
            spread = Spread.of(np.concatenate(rows))
            before = spreads[index % SETS]
            spreads[index % SETS] = before + spread if before else spread
            tubelets, videos, width = tubelets + spread.moments.count, videos + 1, len(spread.within)
    sets = [one for one in spreads if one is not None]
    if not sets:
        return []
    with small_products(width <= _FEW):
        found = ranks(sets) | likeness(tokens)
    return [
        UnlabelledResult(
            encoder=plan.encoder, tap=str(Tap(plan.encoder, block)), input=plan.input, control=control,
            measure=measure, score=score.value, low=score.low, high=score.high, n=tubelets, n_videos=videos,
            width=width, notes=[score.note] if score.note else [],
        )
        for measure, score in found.items()
    ]  # fmt: skip
