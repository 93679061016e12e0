from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.geometry import View
from worldprobe.records import Clip, ClipSpec, VideoRef
from worldprobe.video import sample
from worldprobe.video.sample import clips, read_clips, stills

VIEW = View(scale=(0.5, 0.5), offset=(0.0, 0.0), size=(3, 2))


def ref(frames: int, *, missing: int = 0) -> VideoRef:
    return VideoRef("ab" * 32, "cat.mp4", 6, 4, frames, 10.0, missing)


class Film:
    """Frames that hold their own index; some cannot be read."""

    def __init__(self, frames: int, *, unreadable: Sequence[int] = ()) -> None:
        self.ref = ref(frames)
        self.pts_seconds = np.arange(frames) / 10
        self.unreadable = unreadable
        self.passes = 0
        self.shots = (0,)
        self.decoded: list[int] = []

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        self.passes += 1
        for i in sorted(set(range(self.ref.frames) if indices is None else indices)):
            if i not in self.unreadable:
                self.decoded.append(i)
                yield i, np.full((4, 6, 3), i, np.uint8)


def halve(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(frames[:, ::2, ::2].transpose(0, 3, 1, 2))


def shown(item: Clip | tuple[ClipSpec, VideoError]) -> list[int]:
    assert isinstance(item, Clip)
    assert (item.pixels == item.pixels[:, :1, :1, :1]).all()
    np.testing.assert_allclose(item.pts_seconds, np.array(item.spec.indices) / 10)
    return item.pixels[:, 0, 0, 0].tolist()


@given(count=st.integers(1, 300), frames=st.integers(1, 20), stride=st.integers(1, 6))
def test_clips_cover_the_video_without_overlap(count: int, frames: int, stride: int) -> None:
    span = (frames - 1) * stride + 1
    if count < span:
        with pytest.raises(VideoError, match=rf"has {count} frames; .* needs {span}\. .*--frames or --stride"):
            clips(ref(count), frames=frames, stride=stride)
        return
    cut = clips(ref(count), frames=frames, stride=stride)
    assert cut[0].start == 0
    assert all(b.start - a.start == frames * stride > a.last - a.start for a, b in pairwise(cut))
    assert cut[-1].start + frames * stride + span > count  # one more would not fit


def test_known_cuts() -> None:
    assert [(c.start, c.last) for c in clips(ref(50), frames=16, stride=1)] == [(0, 15), (16, 31), (32, 47)]
    assert [(c.start, c.last) for c in clips(ref(64), frames=16, stride=2)] == [(0, 30), (32, 62)]
    assert [c.indices for c in stills(ref(10), frames=2, every=4)] == [(0, 0), (4, 4), (8, 8)]
    with pytest.raises(VideoError, match="7 more are missing"):
        clips(ref(9, missing=7), frames=16, stride=1)


@pytest.mark.parametrize(("frames", "stride"), [(0, 1), (16, 0), (16, -1)])
def test_impossible_options_are_refused(frames: int, stride: int) -> None:
    with pytest.raises(VideoError, match="at least 1"):
        clips(ref(100), frames=frames, stride=stride)
    with pytest.raises(VideoError, match="at least 1"):
        stills(ref(100), frames=frames, every=stride)


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 6), st.integers(0, 4)), min_size=1, max_size=8)


@given(spans=SPANS, unreadable=st.sets(st.integers(0, 60), max_size=8))
def test_every_clip_comes_once_whole_or_with_its_error(
    spans: list[tuple[int, int, int]], unreadable: set[int]
) -> None:
    film = Film(64, unreadable=sorted(unreadable))
    specs = [ClipSpec(film.ref, *span) for span in spans]
    seen: list[ClipSpec] = []
    for item in read_clips(film, specs, preprocess=halve, view=VIEW):
        if isinstance(item, Clip):
            assert shown(item) == list(item.spec.indices)
            assert not unreadable & set(item.spec.indices)
            seen.append(item.spec)
        else:
            spec, error = item
            lost = sorted(unreadable & set(spec.indices))
            assert f"{len(lost)} of them cannot be decoded ({lost[0]}" in str(error)
            seen.append(spec)
    assert [s.start for s in seen] == sorted(s.start for s in specs)
    assert sorted(map(id, seen)) == sorted(map(id, specs))
    assert film.passes == 1
    assert film.decoded == sorted({i for s in specs for i in s.indices} - unreadable)


@pytest.mark.parametrize("together", [1, 24, 5 * 24, 2**19])
def test_small_frames_are_preprocessed_together_once_each(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "_TOGETHER", together)
    film = Film(90, unreadable=[7, 40, 41])
    calls: list[list[int]] = []

    def watched(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        calls.append(frames[:, 0, 0, 0].tolist())
        return halve(frames)

    specs = [ClipSpec(film.ref, start, 8, 2) for start in (0, 8, 16, 16, 24, 60)] + [ClipSpec(film.ref, 1, 60, 1)]
    found = list(read_clips(film, specs, preprocess=watched, view=VIEW))
    wanted = sorted(specs, key=lambda spec: (spec.start, spec.last))
    for spec, item in zip(wanted, found, strict=True):
        if {7, 40, 41} & set(spec.indices):
            assert not isinstance(item, Clip)
            assert item[0] == spec
        else:
            assert shown(item) == list(spec.indices)
    assert [i for call in calls for i in call] == sorted({i for spec in specs for i in spec.indices} - {7, 40, 41})
    assert max(map(len, calls)) <= max(1, together // 24)


def test_shared_frames_are_preprocessed_once_and_dropped_when_done(monkeypatch: pytest.MonkeyPatch) -> None:
    film = Film(200)
    made: list[weakref.ref[NDArray[np.uint8]]] = []

    def watched(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        pixels = halve(frames)
        made.append(weakref.ref(pixels))
        return pixels

    monkeypatch.setattr(sample, "_TOGETHER", 1)
    specs = [ClipSpec(film.ref, start, 8, 1) for start in range(0, 190, 4)]
    for spec, item in zip(specs, read_clips(film, specs, preprocess=watched, view=VIEW), strict=True):
        assert shown(item) == list(spec.indices)
        assert sum(pixels() is not None for pixels in made) <= 9
    assert len(made) == 196


def test_a_clip_of_another_file_is_refused() -> None:
    other = VideoRef("cd" * 32, "cat.mp4", 6, 4, 64, 10.0)
    with pytest.raises(VideoError, match="the file has changed"):
        read_clips(Film(64), [ClipSpec(other, 0, 4, 1)], preprocess=halve, view=VIEW)


def test_no_clip_crosses_a_cut():
    cut = clips(ref(60), frames=8, stride=2, shots=(0, 20, 31))
    assert [(c.start, c.last) for c in cut] == [(0, 14), (31, 45)]
    with pytest.raises(VideoError, match="60 frames in 3 shots, all shorter"):
        clips(ref(60), frames=16, stride=2, shots=(0, 20, 40))
