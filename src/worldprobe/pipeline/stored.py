"""Find in the store what a stage asks for: series of videos, clips, unpooled tokens."""

from __future__ import annotations

from collections.abc import Sequence

from worldprobe.encoders.load import parse_blocks
from worldprobe.encoders.reductions import blocks_within
from worldprobe.encoders.vision.spec import class_name
from worldprobe.errors import ConfigError, StoreError
from worldprobe.records import Block, Labels, blocks_name, in_order
from worldprobe.store import Input, Series, Store

# Why a label is dropped where a run goes on without what could not be encoded.
NOT_ENCODED, MISSING = "in clips that are not encoded", "of videos that are not encoded"


def find_series(
    store: Store, videos: Sequence[str], *, encoder: str, input: Input, block: Block | None
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
            at = "" if block is None else f" at {blocks_name([block])}"
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


def class_series(store: Store, like: Sequence[Series], *, block: Block) -> list[Series]:
    """The series of class tokens of the same encoder, clips and block, for each of these.

    Raises:
        StoreError: they were not kept.
    """
    found = []
    for series in like:
        name = class_name(series.encoder)
        choices = store.find(series.video.id, encoder=name, input=series.input)
        alike = [one for one, blocks in choices if block in blocks and _sampling(one) == _sampling(series)]
        if not alike:
            spec = series.specs[0]
            raise StoreError(
                f"features 'cls' were not kept in {store.location}: it has no class tokens of {series.encoder} at "
                f"{blocks_name([block])} for {series.video.path}. Where that encoder has any, run `worldprobe "
                f"encode {series.video.path} --encoder '{name}' --store {store.location} --input {series.input} "
                f"--frames {spec.frames} --stride {max(spec.stride, 1)} --blocks {block}`, or leave cls out."
            )
        found.append(alike[0])
    return found


def chosen_blocks(choice: str, stored: Sequence[Block]) -> list[Block]:
    """Those of a store's blocks that a choice names; ``last`` is what there is, where no block is stored by itself.

    Raises:
        ConfigError: as ``parse_blocks``.
    """
    single = [block for block in stored if isinstance(block, int)]
    if choice == "last":
        return [max(single)] if single else in_order(stored)[-1:]
    return parse_blocks(choice, 1 + max(blocks_within(stored)))


def decoded_blocks(choice: str, stored: Sequence[Block]) -> list[Block]:
    """Those of a store's blocks that decoders read side by side: ``last``, ``all``, or others by their names.

    Raises:
        ConfigError: as ``parse_blocks``; or a sum or a join beside others, which have another scale or width.
    """
    single = [block for block in stored if isinstance(block, int)]
    found = (in_order(single or stored)) if choice == "all" else chosen_blocks(choice, stored)
    several = [block for block in found if not isinstance(block, int)]
    if several and len(found) > 1:
        raise ConfigError(
            f"a decoder reads one sum or join and nothing beside it, got {', '.join(map(str, found))}: "
            f"set --blocks {several[0]}, or blocks = {str(several[0])!r} in [decode]"
        )
    return found


def labelled_videos(labels: Labels) -> list[str]:
    """Ids of the videos that have labels, in order of the table."""
    return [str(video) for video in labels.table["video"].unique(maintain_order=True)]


def encoded_videos(store: Store, labels: Labels, *, encoder: str, input: Input) -> tuple[list[str], int]:
    """Ids of the labelled videos that the store holds by this encoder, all where it holds none, in order; and how
    many labels the others have."""
    videos = labelled_videos(labels)
    found = [video for video in videos if store.find(video, encoder=encoder, input=input)] or videos
    return found, int((~labels.table["video"].is_in(found)).sum())


def stored_blocks(store: Store, series: Series) -> list[Block]:
    """Find the blocks that a series has embeddings of."""
    found = store.find(series.video.id, encoder=series.encoder, input=series.input)
    return next(blocks for other, blocks in found if other.path == series.path)


def to_encode(store: Store, series: Series, blocks: Sequence[Block]) -> list[int]:
    """Find the positions of the clips that an encoder has to see: what is reduced of stored tokens needs none.

    Raises:
        StoreError: as ``Store.pending``.
    """
    pending = store.pending(series, blocks)
    known = set(pending)
    for block in blocks:
        held = set(store.held(series, block))
        if not isinstance(block, int) and series.pool == "none":
            held |= set(whole_clips(store, series, block.blocks))
        known &= held
    return sorted(set(pending) - known)


def whole_clips(store: Store, series: Series, blocks: Sequence[Block]) -> list[int]:
    """Find the positions of the clips of a series that are in the store at all of its ``blocks``, in order."""
    return sorted(set.intersection(*(set(store.held(series, block)) for block in blocks)))


def held_clips(
    store: Store, series: Sequence[Series], *, encoder: str, input: Input, blocks: Sequence[Block]
) -> list[set[int]]:
    """Positions of the clips of each series that are in the store at all of these blocks.

    Raises:
        StoreError: as ``find_series``.
    """
    found = [set(range(len(one.specs))) for one in series]
    for block in blocks:
        at = find_series(store, [one.video.id for one in series], encoder=encoder, input=input, block=block)
        for clips, one in zip(found, at, strict=True):
            clips &= set(store.held(one, block))
    return found


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
            if _sampling(other) == _sampling(series)
        ]
        if not alike:
            spec = series.specs[0]
            raise StoreError(
                f"the control {control} needs embeddings of {encoder} for {series.video.path}, which are not in "
                f"{store.location}. Run `worldprobe encode {series.video.path} --encoder {series.encoder} "
                f"--store {store.location} --controls --input {series.input} "
                f"--frames {spec.frames} --stride {max(spec.stride, 1)}`, "
                f"or leave the control out: --controls with the others."
            )
        result.append(alike[0])
    return result


def _sampling(series: Series) -> list[tuple[int, int, int]]:
    """The clips of a series, whichever record of the video they are of (it may be found under another path)."""
    return [(spec.start, spec.frames, spec.stride) for spec in series.specs]


def unpooled(
    store: Store, videos: Sequence[str], *, encoder: str, blocks: str, like: Sequence[Series] = ()
) -> tuple[list[Series], tuple[Block, ...]]:
    """A series of tokens for each video (its id), and the blocks.

    Args:
        blocks: as ``decoded_blocks``, of those that the store holds.
        like: series of another encoder, whose clips these must be too.

    Raises:
        StoreError: a video without tokens by this encoder, pooled ones only, or stored in several ways.
        ConfigError: blocks that the store does not hold, or that do not go together.
    """
    found: list[Series] = []
    common: set[Block] = set()
    for number, video in enumerate(videos):
        every = store.find(video, encoder=encoder)
        choices = [(one, held) for one, held in every if one.pool == "none"]
        if like:
            choices = [(one, held) for one, held in choices if _sampling(one) == _sampling(like[number])]
        if len(choices) != 1:
            raise StoreError(
                _no_tokens(store, video, encoder, pooled=bool(every), ways=len(choices), control=bool(like))
            )
        found.append(choices[0][0])
        common = set(choices[0][1]) if not number else common & set(choices[0][1])
    if not common:
        raise StoreError(f"no block of {encoder} is in {store.location} for all {len(videos)} videos")
    chosen = tuple(decoded_blocks(blocks, in_order(common)))
    if missing := [block for block in chosen if block not in common]:
        raise ConfigError(
            f"blocks {_listed(missing)} of {encoder} are not in {store.location}, which holds "
            f"{_listed(in_order(common))}. "
            f"Run `worldprobe encode VIDEO... --encoder {encoder} --store {store.location} --blocks {blocks}`."
        )
    return found, chosen


def _listed(blocks: Sequence[Block]) -> str:
    return f"[{', '.join(map(str, blocks))}]"


def _no_tokens(store: Store, video: str, encoder: str, *, pooled: bool, ways: int, control: bool) -> str:
    """Why there are no tokens to decode, and the command that makes them."""
    if ways > 1:
        return (
            f"{store.location} holds tokens of video {video[:12]} by {encoder} in {ways} ways. "
            "Use a store of their own for each."
        )
    what = "only pooled embeddings" if pooled else "no embeddings"
    otherwise = "" if not control else ", or leave out the controls that read other encoders"
    return (
        f"decoding needs unpooled tokens; {store.location} holds {what} of video {video[:12]} by {encoder}. "
        f"Run `worldprobe encode VIDEO... --encoder {encoder} --store {store.location} --pool none`{otherwise}."
    )
