"""The store loses nothing, finds damage, and knows what is done."""

import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import zarr
from google_crc32c import value as crc32c
from zarr.codecs import Crc32cCodec, ZstdCodec

from worldprobe.errors import StoreError
from worldprobe.io import layout as layout_module
from worldprobe.records import ClipSpec, TokenGrid, VideoRef, View
from worldprobe.store import Series, Store

REF = VideoRef(id="ab" * 32, path="cat.mp4", width=64, height=48, frames=64, rate=24.0)


def series(**changes):
    fields = {
        "video": REF,
        "specs": tuple(ClipSpec(REF, start, 16, 1) for start in (0, 16, 32, 48)),
        "encoder": "org/model",
        "revision": "f" * 64,
        "status": "trained",
        "twin": "random:org/model",
        "input": "native",
        "pool": "none",
        "grid": TokenGrid(8, 2, 2, 2, 16),
        "view": View((0.5, 0.5), (1.0, 0.0), (32, 32)),
    }
    return Series(**{**fields, **changes})


def values(seed):
    return np.random.default_rng(seed).normal(size=(8, 2, 2, 5)).astype(np.float16)


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


def test_what_is_written_is_read_and_the_rest_is_pending(store):
    s = series()
    store.create(s, [0, 3], width=5)
    for index in (0, 2):
        store.write(s, 0, index, values(index))
        store.write(s, 3, index, -values(index))
    store.write(s, 0, 1, values(1))
    assert Store(store.location).pending(s, [0, 3]) == [1, 3]
    read = dict(store.read(s, 3))
    assert sorted(read) == [0, 2]
    np.testing.assert_array_equal(read[2].values, -values(2))
    assert (read[2].spec, read[2].grid, read[2].view) == (s.specs[2], s.grid, s.view)
    assert str(read[2].tap) == "org/model/block3.out"


def test_all_zero_values_are_done_too(store):
    store.create(series(), [0], width=5)
    store.write(series(), 0, 3, np.zeros((8, 2, 2, 5), np.float16))
    assert store.pending(series(), [0]) == [0, 1, 2]


def test_a_series_is_found_by_name_with_everything_it_was_made_with(store):
    still = series(input="still", specs=(ClipSpec(REF, 3, 16, 0),), pool="space")
    store.create(series(), [1, 11], width=5)
    store.create(still, [11], width=5)
    store.create(series(encoder="other"), [0], width=5)
    [(found, blocks)] = store.find(REF.id, encoder="org/model")
    assert blocks == [1, 11]
    assert found.attributes() == series().attributes()
    [(found, _)] = store.find(REF.id, encoder="org/model", input="still")
    assert found.specs == still.specs
    assert store.find(REF.id, encoder="org/model", frames=64) == []
    assert store.find("cd" * 32, encoder="org/model") == []


def test_one_flipped_bit_is_found_and_named(store, tmp_path):
    s = series()
    store.create(s, [0], width=5)
    store.write(s, 0, 2, values(2))
    [chunk] = (tmp_path / "store").rglob("c.2.*")
    content = bytearray(chunk.read_bytes())
    content[40] ^= 1
    chunk.write_bytes(bytes(content))
    with pytest.raises(StoreError, match=r"clip 2 of cat\.mp4 at org/model/block0\.out is damaged"):
        list(store.read(s, 0))


@pytest.mark.parametrize("compressed", [False, True], ids=["as this package writes", "compressed"])
def test_a_clip_is_what_zarr_reads_however_its_chunks_are_laid_out(store, tmp_path, monkeypatch, compressed):
    s = series()
    store.create(s, [0], width=5)
    [folder] = (tmp_path / "store").rglob("block0.out")
    if compressed:
        written = zarr.open_array(folder, mode="r")
        shutil.rmtree(folder)
        codecs = {"compressors": [ZstdCodec(), Crc32cCodec()], "attributes": dict(written.attrs)}
        layout = {"chunk_key_encoding": {"name": "default", "separator": "."}, "fill_value": float("nan")}
        zarr.create_array(
            folder, shape=written.shape, chunks=(1, *written.shape[1:]), dtype="float16", **codecs, **layout
        )
    store.write(s, 0, 1, values(1))
    by_itself = []
    monkeypatch.setattr(layout_module, "crc32c", lambda found: by_itself.append(found) or crc32c(found))
    [(index, read)] = Store(str(tmp_path / "store")).read(s, 0)
    assert index == 1
    assert bool(by_itself) != compressed
    np.testing.assert_array_equal(read.values, zarr.open_array(folder, mode="r")[1])
    assert read.values.dtype == np.float16
    read.values[:] = 0  # it is the caller's own


@pytest.mark.parametrize("pool", ["none", "space"])
def test_a_folder_holds_the_very_bytes_that_zarr_writes(tmp_path, monkeypatch, pool):
    s, seen = series(pool=pool), values(1).mean(axis=(1, 2)) if pool == "space" else values(1)
    for name in ("own", "zarr"):
        if name == "zarr":  # the way of a Zarr whose descriptions this package does not know
            monkeypatch.setattr("worldprobe.store.array_description", lambda *_: None)
            monkeypatch.setattr("worldprobe.store.plain_shape", lambda _: None)
        one = Store(str(tmp_path / name))
        one.create(s, [0, 3], width=5)
        one.write(s, 3, 2, seen)
    zarr.open_group(tmp_path / "folder", mode="a")
    held = {
        name: {str(file.relative_to(tmp_path / name)): file.read_bytes() for file in (tmp_path / name).rglob("*.*")
               if file.is_file()}
        for name in ("own", "zarr")
    }  # fmt: skip
    assert held["own"] == held["zarr"]
    assert len(held["own"]) == 7  # four folders, two arrays, a chunk
    assert held["own"]["zarr.json"] == (tmp_path / "folder" / "zarr.json").read_bytes()
    with pytest.raises(StoreError, match="this run would write"):
        Store(str(tmp_path / "own")).create(s, [0], width=6)


def test_a_chunk_that_is_too_short_is_damaged(store, tmp_path):
    s = series()
    store.create(s, [0], width=5)
    store.write(s, 0, 2, values(2))
    [chunk] = (tmp_path / "store").rglob("c.2.*")
    chunk.write_bytes(chunk.read_bytes()[:7])
    with pytest.raises(StoreError, match=r"clip 2 of cat\.mp4 at org/model/block0\.out is damaged"):
        list(store.read(s, 0))


def test_a_write_that_was_cut_off_is_not_done(store, tmp_path):
    s = series()
    store.create(s, [0], width=5)
    [array] = (tmp_path / "store").rglob("block0.out")
    (array / "c.1.0.0.0.0123456789abcdef.partial").write_bytes(b"half")
    assert store.pending(s, [0]) == [0, 1, 2, 3]


def test_another_revision_or_sampling_is_another_place(store):
    others = [
        series(revision="e" * 64),
        series(specs=tuple(ClipSpec(REF, start, 16, 1) for start in (0, 16, 32))),
        series(specs=tuple(ClipSpec(REF, start, 16, 2) for start in (0, 16, 32))),
        series(pool="space"),
        series(input="still"),
    ]
    assert len({s.path for s in [series(), *others]}) == 6


def test_values_that_are_not_finite_are_refused(store):
    store.create(series(), [0], width=5)
    bad = values(0)
    bad[0, 0, 0, 0] = np.inf
    with pytest.raises(StoreError, match="NaN or infinite"):
        store.write(series(), 0, 0, bad)
    assert store.pending(series(), [0]) == [0, 1, 2, 3]


def test_a_store_that_is_not_there_holds_nothing_and_one_that_cannot_be_made_says_so(tmp_path):
    assert Store(str(tmp_path / "nothing")).find(REF.id, encoder="org/model") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        Store(str(tmp_path / "file")).create(series(), [0], width=5)


def test_what_was_made_of_other_pictures_of_the_same_bytes_is_refused(store):
    old = series()
    store.create(old, [0], width=5)
    store.write(old, 0, 0, values(0))
    read_otherwise = series(video=replace(REF, reading="square pixels 91x48"))
    with pytest.raises(StoreError, match=r"read it \(plainly; now: square pixels 91x48\)") as refused:
        store.pending(read_otherwise, [3])
    assert f"{store.location}/{REF.id[:24]}" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert store.pending(old, [0]) == [1, 2, 3]


def test_what_is_read_as_it_was_is_found_again(store):
    read = series(video=replace(REF, reading="fields parted"))
    store.create(read, [0], width=5)
    store.write(read, 0, 2, values(0))
    assert store.pending(read, [0]) == [0, 1, 3]
    written = read.attributes()
    del written["video"]["reading"], written["video"]["cut"]
    assert Series.from_attributes(written).video.reading == ""


def test_a_store_without_a_name_is_refused():
    with pytest.raises(StoreError, match="no store is named"):
        Store(" ")


@pytest.mark.parametrize("place", ["folder", "url"])
def test_what_workers_put_down_beside_embeddings_is_no_video_and_goes_with_its_folder(place, tmp_path):
    store = Store(str(tmp_path / "store") if place == "folder" else f"memory://{tmp_path.name}/store")
    for key in ("decoders/a/x.bin", "decoders/a/b/y.bin", "predictions/c/0.npz"):
        store.keep(key, key.encode())
    assert store.kept("decoders/a/b/y.bin") == b"decoders/a/b/y.bin"
    assert store.kept("decoders/a") is store.kept("decoders/z.bin") is None
    assert store.videos() == []
    store.drop("decoders/a")
    store.drop("decoders/never")
    assert [store.kept(key) for key in ("decoders/a/x.bin", "decoders/a/b/y.bin")] == [None, None]
    assert store.kept("predictions/c/0.npz") == b"predictions/c/0.npz"


def test_what_was_found_is_known_again_until_something_changes(store, tmp_path, monkeypatch):
    s = series()
    store.create(s, [0], width=5)
    parsed = []
    was = Store._attributes
    monkeypatch.setattr(Store, "_attributes", lambda self, path: parsed.append(path) or was(self, path))
    monkeypatch.setattr("worldprobe.store._SETTLED_NANOSECONDS", -(10**18))  # all is taken to be old
    for _ in range(3):
        [(found, blocks)] = store.find(REF.id, encoder="org/model")
        assert (found.path, blocks) == (s.path, [0])
        blocks.append(9)  # it is the caller's own
    assert len(parsed) == 1
    time.sleep(0.02)  # longer than the system's clock stands still
    store.create(s, [3], width=5)
    assert [blocks for _, blocks in store.find(REF.id, encoder="org/model")] == [[0, 3]]
    time.sleep(0.02)
    store.create(series(input="still"), [0], width=5)
    assert len(store._all(REF.id, "")) == 2
    assert store.shots(REF.id) == (0,)
    time.sleep(0.02)
    [description] = (tmp_path / "store").rglob("still*/block0.out/zarr.json")
    description.unlink()
    assert len(store._all(REF.id, "")) == 1
    shutil.rmtree(tmp_path / "store" / REF.id[:24])
    assert store.find(REF.id, encoder="org/model") == []


def test_what_was_written_just_now_is_looked_at_again(store):
    store.create(series(), [0], width=5)
    found = [store.find(REF.id, encoder="org/model")[0][0] for _ in range(2)]
    assert found[0] is not found[1]
