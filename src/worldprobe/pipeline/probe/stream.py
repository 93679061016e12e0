"""Ridge regression on more moments than memory holds: a clip at a time from the store, in several places."""

from __future__ import annotations

import numpy as np

from worldprobe.errors import ProbeError
from worldprobe.labels import targets
from worldprobe.pipeline.probe.inputs import chunks, require_held
from worldprobe.pipeline.probe.moments import align, with_before
from worldprobe.pipeline.probe.targets import target
from worldprobe.pipeline.stored import chosen_blocks, class_series, find_series, labelled_videos, stored_blocks
from worldprobe.probes.features import CHANGES
from worldprobe.probes.linear.estimators import RidgeProbe
from worldprobe.records import Labels
from worldprobe.store import Input, Store

# Rows are added up this many at a time: adding is a d x d product, which pays for more than a clip's few rows.
_ROWS = 4096


def fit_ridge(
    store: Store,
    labels: Labels,
    *,
    encoder: str,
    task: str,
    features: str = "z",
    block: str = "last",
    input: Input = "native",
    alpha: float = 1.0,
) -> RidgeProbe:
    """A ridge probe of one task, fitted to every labelled moment in the store.

    What is held at a time is a few thousand rows of features and a few d x d matrices, whatever the number of
    moments. Probes fitted to parts of the videos, on several machines, merge to that of them all
    (``RidgeProbe.merge``). It gives no score: hold videos out by leaving their labels out, and score on these.

    Raises:
        ProbeError: a task that is not a number, or that no moment knows, or features that are not finite.
        StoreError: embeddings that are not in the store, of a video or of some of its clips.
    """
    if targets.kind(task) != "regression":
        raise ProbeError(
            f"{task} is a class, and ridge regression is for numbers: use one of xy, size, velocity, ..."
        )
    series = find_series(store, labelled_videos(labels), encoder=encoder, input=input, block=None)
    moments = align(series, labels)
    if features in CHANGES:
        moments = with_before(moments, series)
    known = target(moments, task, moments.group)
    if not known.usable.any():
        raise ProbeError(f"no moment has a {task} to learn from: " + ("; ".join(known.notes) or "no labels"))
    (at,) = chosen_blocks(block, stored_blocks(store, series[0]))
    if features == "cls":
        series = class_series(store, series, block=at)
    probe, waiting, count = RidgeProbe(alpha=alpha), [], 0
    held = np.zeros(len(moments), dtype=bool)
    for here, values in chunks(store, series, moments, block=at, kind=features):
        rows = known.usable[here]
        held[here] = True
        waiting.append((values[rows], known.values[here[rows]]))
        count += int(rows.sum())
        if count >= _ROWS:
            _add(probe, waiting)
            waiting, count = [], 0
    if waiting:
        _add(probe, waiting)
    require_held(held, store, series, at)
    return probe


def _add(probe: RidgeProbe, waiting: list[tuple[np.ndarray, np.ndarray]]) -> None:
    inputs, values = (np.concatenate(parts) for parts in zip(*waiting, strict=True))
    if not len(inputs):
        return
    try:
        probe.partial_fit(inputs, values)
    except ValueError as error:
        raise ProbeError(f"{error}; encode them again in fp32") from error
