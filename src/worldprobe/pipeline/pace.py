"""How long a clip lasts, said where it is so short that nothing moves, or so long that nobody follows what does."""

from __future__ import annotations

from collections.abc import Iterable

from worldprobe.records import VideoRef

# Frames a second of ordinary films, at which clips last what encoders were trained on.
_ORDINARY = (8.0, 61.0)
_LIKE = 24.0  # frames a second that a stride should come to
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.25, 2.0
_MOST_NAMED = 3


def pace_notes(videos: Iterable[VideoRef], *, frames: int, stride: int) -> tuple[str, ...]:
    """A sentence for the fast films whose clips last under 0.25 s, and one for the slow ones of over 2 s.

    Args:
        frames, stride: of a clip; a stride of 0 (stills) lasts no time, and nothing is said.
    """
    known = {ref.id: ref for ref in sorted(videos, key=lambda ref: ref.rate) if ref.rate > 0 and stride}
    lasting = {id: frames * stride / ref.rate for id, ref in known.items()}
    fast = [r for id, r in known.items() if r.rate > _ORDINARY[1] and lasting[id] < _SHORTEST_SECONDS]
    slow = [r for id, r in known.items() if r.rate < _ORDINARY[0] and lasting[id] > _LONGEST_SECONDS]
    notes = []
    if fast:
        better = max(stride + 1, round(max(ref.rate for ref in fast) / _LIKE))
        longer = _seconds([frames * better / ref.rate for ref in fast])
        notes.append(f"{_lasts(fast, frames, stride)}: --stride {better} (stride = {better}) makes it {longer}.")
    if slow:
        fewer = (
            "a smaller stride, or fewer --frames" if stride > 1 else "fewer --frames, where the encoder takes them"
        )
        notes.append(f"{_lasts(slow, frames, stride)}, in which much may happen unseen: {fewer}, make it shorter.")
    return tuple(notes)


def _lasts(refs: list[VideoRef], frames: int, stride: int) -> str:
    more = f" and {len(refs) - _MOST_NAMED} more" if len(refs) > _MOST_NAMED else ""
    strides = f" {stride} apart" if stride > 1 else ""
    long, rates = (
        _seconds([frames * stride / ref.rate for ref in refs]),
        _range([f"{ref.rate:.4g}" for ref in refs]),
    )
    named = ", ".join(ref.path for ref in refs[:_MOST_NAMED])
    return f"{named}{more}: a clip of {frames} frames{strides} lasts {long} at {rates} frames a second"


def _seconds(values: list[float]) -> str:
    ordered = sorted(values)
    if ordered[-1] < _SHORTEST_SECONDS:
        return f"{_range([f'{1000 * value:.0f}' for value in ordered])} ms"
    return f"{_range([f'{value:.0f}' if value > 10 else f'{value:.2g}' for value in ordered])} s"


def _range(ordered: list[str]) -> str:
    return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"
