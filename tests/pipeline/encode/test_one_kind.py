"""A run that would end with clips of two kinds in one store is refused before it encodes."""

import shutil

import pytest

from worldprobe.config import make_experiment
from worldprobe.errors import ProbeError, StoreError
from worldprobe.pipeline.run import run
from worldprobe.store import Store


def test_clips_of_another_length_are_refused_before_anything_is_encoded(rendered, tmp_path):
    films = rendered(6, 3, tmp_path / "films")
    wanted = {"videos": list(map(str, films)), "labeller": "truth", "tasks": ["xy"], "features": ["z"],
              "controls": ["majority"], "evidence": [], "encoder": "pixels"}  # fmt: skip
    out = tmp_path / "run"
    run(make_experiment(wanted), films, out)
    settings = (out / "experiment.toml").read_bytes()
    scores, stored = (out / "results.jsonl").read_bytes(), sorted((out / "embeddings.zarr").rglob("*"))
    said = r"embeddings.zarr holds clips of 16 frames of .*, and clips of 8 frames, 2 frames apart were asked for"
    with pytest.raises(StoreError, match=said):
        run(make_experiment({**wanted, "frames": 8, "stride": 2}), films, out)
    assert sorted((out / "embeddings.zarr").rglob("*")) == stored
    assert (out / "results.jsonl").read_bytes() == scores
    assert (out / "experiment.toml").read_bytes() == settings  # a report speaks of what is there
    # With the store gone, as the error says, the same command does it.
    shutil.rmtree(out / "embeddings.zarr")
    run(make_experiment({**wanted, "frames": 8, "stride": 2}), films, out)
    ((found, _),) = Store(str(out / "embeddings.zarr")).find(_id(films[0]), encoder="pixels")
    assert (found.specs[0].frames, found.specs[0].stride) == (8, 2)


def test_a_new_film_before_those_that_are_there_hides_none_of_them(rendered, tmp_path):
    films = rendered(7, 3, tmp_path / "films")
    wanted = {"videos": ["films"], "labeller": "truth", "tasks": ["xy"], "features": ["z"],
              "controls": ["majority"], "evidence": [], "encoder": "pixels"}  # fmt: skip
    out, store = tmp_path / "run", Store(str(tmp_path / "store"))
    run(make_experiment(wanted), films[1:], out, store=store)
    stored = sorted((tmp_path / "store").rglob("*"))
    with pytest.raises(StoreError, match="clips of 8 frames were asked for"):
        run(make_experiment({**wanted, "frames": 8}), films, out, store=store)
    assert sorted((tmp_path / "store").rglob("*")) == stored
    # Films that are not asked for may be held in any way, damaged ones too: it gets as far as its probes.
    next((tmp_path / "store").glob(f"{_id(films[1])[:24]}/*/*/*/zarr.json")).write_text("{")
    with pytest.raises(ProbeError, match="found 1 group"):
        run(make_experiment({**wanted, "frames": 8}), films[:1], tmp_path / "one", store=store)


def _id(film):
    from worldprobe.pipeline.sources import ref_of

    return ref_of(film).id
