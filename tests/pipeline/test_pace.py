"""How long clips last is said of fast and of slow films, and never of ordinary ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldprobe.pipeline.pace import pace_notes
from worldprobe.records import VideoRef


def film(rate: float, name: str = "a.mp4") -> VideoRef:
    return VideoRef(f"{name}{rate}", name, 320, 240, 500, rate)


@given(rate=st.floats(8, 60), stride=st.integers(0, 40), frames=st.integers(1, 64))
def test_nothing_is_said_of_ordinary_rates(rate: float, stride: int, frames: int) -> None:
    assert pace_notes([film(rate)], frames=frames, stride=stride) == ()


def test_a_stride_is_suggested_for_fast_films() -> None:
    (note,) = pace_notes([film(240.0)], frames=16, stride=1)
    assert note == (
        "a.mp4: a clip of 16 frames lasts 67 ms at 240 frames a second: --stride 10 (stride = 10) makes it 0.67 s."
    )
    assert pace_notes([film(240.0)], frames=16, stride=10) == ()
    assert pace_notes([film(240.0)], frames=16, stride=0) == ()


@pytest.mark.parametrize("rate", [75.0, 90.0, 119.88, 240.0, 1000.0])
def test_the_stride_that_is_suggested_is_enough(rate: float) -> None:
    (note,) = pace_notes([film(rate)], frames=16, stride=1)
    stride = int(note.split("--stride ")[1].split()[0])
    assert pace_notes([film(rate)], frames=16, stride=stride) == ()
    assert 0.4 < 16 * stride / rate < 0.9


@pytest.mark.parametrize(("rate", "seconds"), [(0.5, "32 s"), (2.3, "7 s"), (4.0, "4 s")])
def test_slow_films_are_named(rate: float, seconds: str) -> None:
    (note,) = pace_notes([film(rate)], frames=16, stride=1)
    assert f"lasts {seconds} at {rate:g} frames a second" in note


def test_films_of_a_kind_are_said_in_one_sentence() -> None:
    films = [film(240.0, f"{k}.mp4") for k in range(5)] + [film(120.0), film(4.0), film(25.0)]
    fast, slow = pace_notes(films, frames=16, stride=1)
    assert fast.startswith("a.mp4, 0.mp4, 1.mp4 and 3 more: a clip of 16 frames lasts 67 to 133 ms at 120 to 240")
    assert slow.startswith("a.mp4: a clip of 16 frames lasts 4 s")
