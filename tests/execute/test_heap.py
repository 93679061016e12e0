"""Freed memory is kept where the C library can be told to, and nothing happens elsewhere."""

from types import SimpleNamespace

import pytest

from worldprobe.execute import heap


@pytest.mark.parametrize(
    ("platform", "library", "kept"),
    [
        ("linux", SimpleNamespace(mallopt=lambda *_: 1), True),
        ("linux", SimpleNamespace(mallopt=lambda *_: 0), False),  # a glibc that refuses
        ("linux", SimpleNamespace(), False),  # musl has no such function
        ("darwin", None, False),
    ],
)
def test_memory_is_kept_with_glibc_alone(monkeypatch, platform, library, kept):
    monkeypatch.setattr(heap.sys, "platform", platform)
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: library)
    assert heap.keep_freed_memory.__wrapped__() is kept
