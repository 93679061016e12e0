"""Two runs on one machine share the videos: each is encoded by whoever claims it first."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from worldprobe.pipeline.encode import claims as module
from worldprobe.pipeline.encode.claims import Claims

A, B = Path("a.mp4"), Path("b.mp4")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cache", lambda: tmp_path)


def test_a_video_is_claimed_until_it_is_read_and_its_last_clip_is_written() -> None:
    one, other = Claims("work"), Claims("work")
    assert one.take(A)
    one.share(A)  # a clip that waits to be encoded
    one.share(A)
    assert not other.take(A)
    assert other.take(B), "another video is free"
    one.release(A)  # all of it is read
    one.release(A)
    assert not other.take(A)
    one.release(A)
    assert other.take(A)
    assert not one.take(A)


def test_other_work_on_the_same_video_is_no_matter_and_who_claims_nothing_waits_for_nobody() -> None:
    assert Claims("work").take(A)
    held = Claims("other work")
    assert held.take(A)
    free = Claims(None)
    assert free.take(A)
    free.wait(A)
    free.release_all()


def test_a_run_waits_for_what_another_one_has_and_goes_on_when_it_lets_go() -> None:
    one, other, went_on = Claims("work"), Claims("work"), threading.Event()
    assert one.take(A)
    one.share(A)  # a clip that is never written: the run failed

    def wait() -> None:
        other.wait(A)
        went_on.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not went_on.wait(timeout=0.5), "nothing was let go yet"
    one.release_all()
    thread.join(timeout=900)
    assert went_on.is_set()


def test_where_no_lock_can_be_had_the_work_is_done_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    monkeypatch.setattr(module, "cache", lambda: file)
    claims = Claims("work")
    assert claims.take(A)
    assert Claims("work").take(A)
    claims.wait(A)
    claims.release(A)
