"""Embeddings out of the store, as the rows that moments name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import StoreError
from worldprobe.pipeline.align import Moments
from worldprobe.probes import features
from worldprobe.records import Labels, VideoRef
from worldprobe.store import Input, Series, Store


def find_series(
    store: Store, videos: Sequence[str], *, encoder: str, input: Input, block: int | None
) -> list[Series]:
    """One series per video (ids), and the block asked for in each.

    Raises:
        StoreError: a video that the store does not hold by this encoder, or holds in several ways.
    """
    found = []
    for video in videos:
        choices = [
            series
            for series, blocks in store.find(video, encoder=encoder, input=input)
            if block is None or block in blocks
        ]
        if not choices:
            at = "" if block is None else f" at block {block}"
            raise StoreError(
                f"no {input} embeddings of {encoder}{at} for video {video[:12]} in {store.location}. "
                f"Run `worldprobe encode VIDEO --encoder {encoder} --store {store.location} --input {input}"
                + ("" if block is None else f" --blocks {block}")
                + "`."
            )
        if len(choices) > 1:
            ways = "; ".join(f"{s.path.partition('/')[2]} ({len(s.specs)} clips)" for s in choices)
            raise StoreError(
                f"{store.location} holds video {video[:12]} by {encoder} in several ways: {ways}. "
                "Delete all but one, or use a store of their own for each."
            )
        found.append(choices[0])
    return found


def labelled_videos(labels: Labels) -> list[str]:
    """Ids of the videos that have labels, in order of the table."""
    return [str(video) for video in labels.table["video"].unique(maintain_order=True)]


def matching_series(store: Store, like: Sequence[Series], *, encoder: str, control: str) -> list[Series]:
    """Another encoder's series of the same videos, sampled alike, for a control.

    Raises:
        StoreError: they are not there; it names the command that makes them.
    """
    result = []
    for series in like:
        alike = [
            other
            for other, _ in store.find(series.video.id, encoder=encoder, input=series.input)
            if other.specs == _respec(series, other.video)
        ]
        if not alike:
            spec = series.specs[0]
            raise StoreError(
                f"the control {control} needs embeddings of {encoder} for {series.video.path}, which are not in "
                f"{store.location}. Run `worldprobe encode {series.video.path} --encoder {series.encoder} "
                f"--store {store.location} --controls --frames {spec.frames} --stride {max(spec.stride, 1)}`, "
                f"or leave the control out: --controls with the others."
            )
        result.append(alike[0])
    return result


def _respec(series: Series, video: VideoRef) -> tuple[object, ...]:
    """The series' clips as of another record of the same video (found under another path, say)."""
    from dataclasses import replace

    return tuple(replace(spec, video=video) for spec in series.specs)


def gather(
    store: Store, series: Sequence[Series], moments: Moments, *, block: int, kind: str
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Features of each moment.

    Args:
        kind: ``z`` or ``grid``; ``flat`` takes all tokens side by side (for floors).

    Returns:
        float32 [n, d], and bool [n]: which moments' clips the store holds (the others are zero).
    """
    order = np.lexsort((moments.clip, moments.video))
    rows: NDArray[np.float32] | None = None
    held = np.zeros(len(moments), dtype=bool)
    starts = np.searchsorted(moments.video[order], np.arange(len(series) + 1))
    for video, one in enumerate(series):
        mine = order[starts[video] : starts[video + 1]]
        for index, embeddings in store.read(one, block):
            here = mine[moments.clip[mine] == index]
            if not len(here):
                continue
            values = embeddings.values
            pooled = features.flat(values) if kind == "flat" else features.pooled(values, kind)
            if one.specs[index].stride == 0:
                # All tubelets of a still show the same frame: their mean is the still's embedding.
                pooled = np.repeat(pooled.mean(axis=0, keepdims=True), len(pooled), axis=0)
            if rows is None:
                rows = np.zeros((len(moments), pooled.shape[1]), dtype=np.float32)
            rows[here] = pooled[moments.tubelet[here]]
            held[here] = True
    if rows is None:
        raise StoreError(f"{store.location} holds none of the labelled clips at block {block}")
    return rows, held
