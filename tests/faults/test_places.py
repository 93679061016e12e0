"""Disks that fill, places that may not be written to, and places that vanish."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
from tests.builders.checks import some
from tests.builders.forked import bound, finished
from tests.builders.killing import Command, findings, tree
from tests.faults.test_damage import ALL_EVIDENCE, TOML

from worldprobe.video.rendered.scenes import render_scenes


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return render_scenes(12, 5, tmp_path_factory.mktemp("films"))[0].parent


@contextmanager
def small_disk(place, kilobytes):
    """A disk of its own of this size at ``place``; skips where none may be mounted."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here: that needs root and the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def run(folder, films, *, out="run"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.toml"
    path.write_text(TOML.format(films=films, encoder="pixels", evidence=ALL_EVIDENCE))
    return Command("run", path, "--out", out, folder=folder)


@pytest.fixture(scope="module")
def whole(films, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    command = run(folder, films)
    assert command.end() == 0, command.said
    return folder / "run"


def check_full(films, whole, tmp_path, kilobytes):
    """A run on a disk of this size ends with one clear line; the same run on a larger one then completes it."""
    disk = tmp_path / "disk"
    with small_disk(disk, kilobytes):
        command = run(tmp_path, films, out=disk / "run")
        assert command.end() == 1
        assert "No space left on device" in command.said
        assert "Traceback" not in command.said
        assert len(command.said.splitlines()) == 1
        wanted = tree(whole)
        left = {
            name: content
            for name, content in tree(disk / "run").items()
            if name.startswith(("embeddings", "labels", "alignment"))
        }
        assert left or kilobytes < 100, "nothing was written that could be torn"
        for name, content in some(left.items()):
            assert content == wanted[name], f"{name} is torn"
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        again = run(tmp_path, films, out=disk / "run")
        assert again.end() == 0, again.said
        assert tree(disk / "run" / "embeddings.zarr") == tree(whole / "embeddings.zarr")
        assert findings(disk / "run") == findings(whole)


def test_a_disk_that_fills_while_encoding(films, whole, tmp_path):
    check_full(films, whole, tmp_path, 150)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_disks_that_fill_at_any_time(films, whole, tmp_path):
    """From one that holds nothing to one that holds everything but the last file."""
    size = sum((path.stat().st_size + 4095) // 4096 * 4 for path in whole.rglob("*") if path.is_file())
    sizes = [int(size * share) for share in (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)]
    for kilobytes in sizes:
        check_full(films, whole, tmp_path / str(kilobytes), kilobytes)
    print(f"{len(sizes)} disks of {sizes[0]} to {sizes[-1]} KiB filled")


def test_a_store_that_vanishes_is_not_written_anew_where_it_was(films, whole, tmp_path):
    store = tmp_path / "store"
    asked = ("encode", films, "--frames", 8, "--encoder", "tests.builders.killing:Counting", "--store", store)
    moving = ("encode", films, "--frames", 8, "--encoder", "tests.builders.killing:Vanishing", "--store", store)
    command = Command(*moving, folder=tmp_path / "work", STORE=str(store), AWAY=str(tmp_path / "unmounted"))
    code = command.end()
    assert code == 1, command.said
    assert "has vanished" in command.said
    assert "Traceback" not in command.said
    # The one that was being written at that moment may have taken its folder with it.
    assert len(list(store.rglob("c.*"))) <= 1, "clips were written where the store was"
    shutil.rmtree(store, ignore_errors=True)
    os.rename(tmp_path / "unmounted", store)
    assert Command(*asked, folder=tmp_path / "work").end() == 0
    other = Command(*asked[:-1], tmp_path / "other", folder=tmp_path / "work")
    assert other.end() == 0, other.said
    assert tree(store) == tree(tmp_path / "other")


def test_permission_lost(films, whole, tmp_path):
    if os.getuid() == 0 and sys.platform != "linux":
        pytest.skip("root passes over permissions, and gives that up on Linux only")
    shutil.copytree(whole, tmp_path / "run")
    chunk = next((tmp_path / "run").rglob("c.*.0.0.0.0"))
    chunk.unlink()
    asked = ("encode", str(films), "--encoder", "pixels", "--frames", "8", "--store")

    for folder in [tmp_path / "run", *(tmp_path / "run").rglob("*")]:
        folder.chmod(0o555 if folder.is_dir() else 0o444)
    store = tmp_path / "run" / "embeddings.zarr"
    before = tree(store)
    options = {"folder": tmp_path, "WORLDPROBE_CACHE": str(tmp_path / "cache")}
    ended = finished(bound, *asked, store, **options)
    assert ended.returncode == 1
    assert "cannot write to the store" in ended.stderr
    assert "Permission denied" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert tree(store) == before
    # What is there can still be read where nothing may be written.
    labels = str(tmp_path / "run" / "labels.parquet")
    probe = ["probe", "--store", str(store), "--labels", labels, "--encoder", "pixels", "--tasks", "xy"]
    probe += ["--features", "z", "--controls", "majority"]
    shutil.copy(whole / chunk.relative_to(tmp_path / "run"), chunk)
    refused = finished(bound, *probe, "--out", tmp_path / "run" / "x", **options)
    assert refused.returncode == 1
    assert "cannot be written" in refused.stderr
    assert "Permission denied" in refused.stderr
    done = finished(bound, *probe, "--out", tmp_path / "open" / "x", **options)
    assert done.returncode == 0, done.stderr
