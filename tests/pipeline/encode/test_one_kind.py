"""A run that would end with clips of two kinds in one store is refused before it encodes."""

import shutil

import pytest

from worldprobe.config import make_experiment
from worldprobe.errors import StoreError
from worldprobe.pipeline.run import run
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes


def test_clips_of_another_length_are_refused_before_anything_is_encoded(tmp_path):
    films = render_scenes(6, 3, tmp_path / "films")
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


def _id(film):
    from worldprobe.pipeline.sources import ref_of

    return ref_of(film).id
