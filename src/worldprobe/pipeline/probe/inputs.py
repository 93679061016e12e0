"""Embeddings out of the store, as the rows that moments name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import StoreError
from worldprobe.pipeline.probe.moments import LabelledTubelets
from worldprobe.pipeline.stored import NOT_ENCODED
from worldprobe.probes import features
from worldprobe.records import Block, blocks_name
from worldprobe.series import by_clock
from worldprobe.store import Series, Store

Ints = NDArray[np.int64]
_Rows = TypeVar("_Rows")


def chunks(
    store: Store,
    series: Sequence[Series],
    moments: LabelledTubelets,
    *,
    block: Block,
    kind: str,
    floor: bool = False,
) -> Iterator[tuple[Ints, NDArray[Any]]]:
    """Features a clip at a time: which moments lie in it, int64 [m], and theirs, float32 [m, d].

    No more than a clip is ever held, so this is what to read when all features would not fit. Clips without a
    moment are left out.

    Args:
        kind: of ``config.FEATURES``; ``tokens`` gives float16 [m, t, d].
        floor: take all tokens side by side instead of pooling them (for floors, whose tokens are few); differences
            in time are taken of these.

    Raises:
        StoreError: tokens that cover other frames than the moments' encoder has them, as ``series.by_clock`` says.
    """
    order = np.lexsort((moments.clip, moments.video))
    starts = np.searchsorted(moments.video[order], np.arange(len(series) + 1))
    for video, one in enumerate(series):
        mine = order[starts[video] : starts[video + 1]]
        last: tuple[int, NDArray[Any]] | None = None
        for index, embeddings in store.read(one, block):
            here = mine[moments.clip[mine] == index]
            still = one.specs[index].stride == 0
            # A still's successor needs it even where no moment lies in it.
            if not len(here) and not (still and kind in features.CHANGES):
                continue
            tokens = embeddings.values
            if not still:
                tokens = by_clock(tokens, one, tubelet=moments.tubelet_frames)
            values = features.flat(tokens) if floor else features.pooled(tokens, kind)
            if floor and kind == "tokens":
                values = values[:, None, :]
            if still:
                # All tubelets of a still show the same frame: their mean is the still's embedding.
                values = values.mean(axis=0, keepdims=True, dtype=np.float32).astype(values.dtype)
            if len(here):
                tubelet = np.zeros(len(here), dtype=np.int64) if still else moments.tubelet[here]
                yield here, _in_time(values, tubelet, last if still else None, index, kind)
            last = (index, values)


def _in_time(
    values: NDArray[Any], tubelet: Ints, last: tuple[int, NDArray[Any]] | None, index: int, kind: str
) -> NDArray[Any]:
    """The rows of a clip's values [t', ...] that moments ask for, with their change where the kind wants it."""
    if kind not in features.CHANGES:
        return np.asarray(values[tubelet])
    if len(values) == 1:
        if last is None or last[0] != index - 1:
            raise StoreError(
                f"still {index - 1} is not in the store, and still {index} differs from it by {kind}. Run "
                "`worldprobe encode` again; it does only what is missing."
            )
        before = last[1][tubelet]
    else:
        assert (tubelet > 0).all(), "a moment without one before it has no change"
        before = values[tubelet - 1]
    return features.changed(values[tubelet], before, kind)


def gather(
    store: Store,
    series: Sequence[Series],
    moments: LabelledTubelets,
    *,
    block: Block,
    kind: str,
    floor: bool = False,
) -> NDArray[np.float32]:
    """Features of each moment, float32 [n, d]; the arguments are those of ``chunks``.

    Raises:
        StoreError: some of the moments' clips are not in the store.
    """
    rows: NDArray[np.float32] | None = None
    held = np.zeros(len(moments), dtype=bool)
    for here, values in chunks(store, series, moments, block=block, kind=kind, floor=floor):
        if rows is None:
            rows = np.zeros((len(moments), values.shape[1]), dtype=np.float32)
        rows[here] = values
        held[here] = True
    return _whole(rows, held, store, series, block)


def gather_tokens(
    store: Store,
    series: Sequence[Series],
    moments: LabelledTubelets,
    folder: Path,
    *,
    block: Block,
    floor: bool = False,
) -> NDArray[np.float16]:
    """Every token of each moment's tubelet, float16 [n, t, d], in a file in ``folder`` that is read where asked.

    Only what a batch needs is in memory at a time, whatever the number of moments. Raises StoreError as ``gather``.
    """
    rows: NDArray[np.float16] | None = None
    held = np.zeros(len(moments), dtype=bool)
    for here, values in chunks(store, series, moments, block=block, kind="tokens", floor=floor):
        if rows is None:
            shape = (len(moments), *values.shape[1:])
            rows = np.memmap(
                folder / f"{series[0].revision[:12]}-{blocks_name([block])}", np.float16, "w+", shape=shape
            )
        rows[here] = values
        held[here] = True
    return _whole(rows, held, store, series, block)


def require_held(held: NDArray[np.bool_], store: Store, series: Sequence[Series], block: Block) -> None:
    """Raises StoreError unless all moments [n] were found in the store, or where there is none."""
    if not len(held) or not held.all():
        raise StoreError(
            f"{int((~held).sum())} labelled moments lie in clips that {store.location} does not hold at "
            f"{blocks_name([block])} of {series[0].encoder}. Run `worldprobe encode` again; it does only what is "
            "missing."
        )


def _whole(
    rows: _Rows | None, held: NDArray[np.bool_], store: Store, series: Sequence[Series], block: Block
) -> _Rows:
    require_held(held, store, series, block)
    assert rows is not None
    return rows


def encoded_only(moments: LabelledTubelets, held: Sequence[Collection[int]]) -> LabelledTubelets:
    """Those moments whose clip is in the store, given the positions of those that are of each series.

    What a damaged film or a run that was cut short left out is dropped and counted, as all else that fails.
    """
    pairs = zip(moments.video.tolist(), moments.clip.tolist(), strict=True)
    return moments.only(np.array([clip in held[video] for video, clip in pairs], dtype=bool), reason=NOT_ENCODED)
