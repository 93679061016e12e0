"""Several videos are read at a time, and a batch is written while the next one is made: the same comes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from worldprobe.encoders.load import load_encoder
from worldprobe.errors import StoreError, VideoError
from worldprobe.execute.local import prefetch
from worldprobe.pipeline.encode import read_ahead as lacking
from worldprobe.pipeline.encode.encode import encode
from worldprobe.store import Store


@pytest.fixture(scope="module")
def videos(rendered, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("videos")
    films = rendered(8, 3, folder)
    broken = folder / "broken.mp4"
    broken.write_bytes(films[0].read_bytes()[:2000])
    return [*films[:4], broken, *films[4:]]


def _encoded(videos: list[Path], store: Path, monkeypatch: pytest.MonkeyPatch, readers: int, **how: bool):
    monkeypatch.setattr(lacking, "_cores", lambda: readers)
    return encode(videos, encoder=load_encoder("pixels"), store=Store(str(store)), blocks=[0], **how)


def test_makers_run_at_the_same_time_and_each_comes_in_its_order() -> None:
    together = threading.Barrier(3)

    def count(start: int) -> Iterator[int]:
        together.wait(timeout=900)  # is broken unless three are here at once
        yield from range(start, start + 50)

    found = list(prefetch(count(0), count(100), count(200), depth=2))
    assert sorted(found) == [*range(50), *range(100, 150), *range(200, 250)]
    assert all([n for n in found if n // 100 == k] == list(range(100 * k, 100 * k + 50)) for k in range(3))


def test_an_error_of_one_maker_ends_all() -> None:
    stopped = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            stopped.set()

    def failing() -> Iterator[int]:
        yield 1
        raise VideoError("broken")

    others = endless()
    with pytest.raises(VideoError, match="broken"):
        list(prefetch(others, failing(), depth=2))
    others.close()
    assert stopped.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_many_readers_find_what_one_finds_in_the_order_asked_for(
    videos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = _encoded(videos, tmp_path / "one", monkeypatch, 1)
    for alone in (True, False):
        many = _encoded(videos, tmp_path / f"many-{alone}", monkeypatch, 5, alone=alone)
        assert [series.path for series in many.series] == [series.path for series in one.series]
        assert (many.made, many.found) == (one.made, 0)
        assert [failure.video for failure in many.failures] == [str(videos[4])]
        for series in one.series:
            (a, b) = (
                [part.values for _, part in Store(str(tmp_path / name)).read(series, 0)]
                for name in ("one", f"many-{alone}")
            )
            np.testing.assert_array_equal(a, b)
    again = _encoded(videos, tmp_path / "many-True", monkeypatch, 5)
    assert (again.made, again.found) == (0, one.made)


def test_what_goes_wrong_in_writing_is_raised_and_no_thread_is_left(
    videos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(StoreError, match="no space left"):
        _encoded(videos, tmp_path / "store", monkeypatch, 3)
    names = {thread.name.split("_")[0] for thread in threading.enumerate()}
    assert not names & {"prefetch", "write"}


def test_strict_raises_the_first_failure_in_order(
    videos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "absent.mp4"
    with pytest.raises(VideoError, match="broken"):
        _encoded([*videos, missing], tmp_path / "store", monkeypatch, 10, strict=True)
