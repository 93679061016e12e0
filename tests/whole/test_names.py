"""What films are called where two folders hold one name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders.checks import some

from worldprobe.encoders.floors import Pixels
from worldprobe.io.names import file_names, short_names
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.export import export_embeddings
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.label.preview import preview_all
from worldprobe.provenance import of_videos
from worldprobe.records import VideoRef
from worldprobe.store import Store
from worldprobe.video.write import write_video

CAMERAS = ("observation.images.front", "observation.images.side")
LEROBOT = [f"/set/videos/{camera}/chunk-000/file-{k:03}.mp4" for camera in CAMERAS for k in (0, 1)]


def test_a_name_is_as_short_as_tells_films_apart() -> None:
    assert short_names(["/a/b/one.mp4", "/a/c/two.mp4"]) == {"/a/b/one.mp4": "one.mp4", "/a/c/two.mp4": "two.mp4"}
    assert list(short_names(LEROBOT).values()) == [path.removeprefix("/set/videos/") for path in LEROBOT]
    mixed = short_names(["/a/x.mp4", "/b/x.mp4", "/b/y.mp4"])
    assert list(mixed.values()) == ["a/x.mp4", "b/x.mp4", "y.mp4"]
    assert short_names(["/x.mp4", "/a/x.mp4"]) == {"/x.mp4": "/x.mp4", "/a/x.mp4": "a/x.mp4"}
    # Two ways to write one place need not differ.
    assert set(short_names([Path("/a/./x.mp4"), "/a/b/../x.mp4"]).values()) == {"x.mp4"}


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "A", "b", "a-b", "a.b", "x.mp4", "x.avi", "ä"]), min_size=1, max_size=4).map(
            lambda parts: "/" + "/".join(parts)
        ),
        unique=True,
        max_size=12,
    )
)
def test_no_two_films_have_one_name(paths: list[str]) -> None:
    names = short_names(paths)
    assert len(set(names.values())) == len(paths)
    assert all(path.endswith(name) for path, name in names.items())
    files = file_names(paths)
    assert len({name.casefold() for name in files}) == len(paths)
    assert not any(sign in name for name in files for sign in '/\\:*?%"<>|')


def test_files_are_named_without_suffix_unless_that_tells_them_apart() -> None:
    assert file_names(["/a/one.mp4", "/a/v1.0.mp4", "/a/v1.1.mp4"]) == ["one", "v1.0", "v1.1"]
    assert file_names(["/a/one.mp4", "/a/one.avi"]) == ["one.mp4", "one.avi"]
    assert file_names(LEROBOT)[0] == "observation.images.front-chunk-000-file-000"
    assert file_names(["/a/seq?fps=10", "/a/img1/%06d.jpg"]) == ["seq-fps=10", "-06d"]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two cameras' films of one name, of different content."""
    folder = tmp_path_factory.mktemp("set")
    found = []
    for number, camera in enumerate(CAMERAS):
        path = folder / camera / "chunk-000" / "file-000.mp4"
        path.parent.mkdir(parents=True)
        pictures = [np.full((48, 64, 3), 60 * number + 2 * k, np.uint8) for k in range(8)]
        write_video(path, pictures, rate=10)
        found.append(path)
    return found


def test_each_films_preview_has_a_file_of_its_own(films: list[Path], tmp_path: Path) -> None:
    labels = label(films, labeller=load_labeller("moving"))
    written = preview_all(films, labels, beside=tmp_path / "labels.parquet")
    assert [path.name for path in written] == [
        f"labels-{camera}-chunk-000-file-000.{kind}" for camera in CAMERAS for kind in ("mp4", "png")
    ]
    assert all(path.stat().st_size for path in some(written))
    assert "moving found nothing" not in " ".join(labels.notes) or str(films[0]) in " ".join(labels.notes)


def test_an_export_and_the_record_of_a_run_tell_cameras_apart(films: list[Path], tmp_path: Path) -> None:
    import polars as pl
    from safetensors import safe_open

    store = Store(str(tmp_path / "store"))
    encoder = Pixels()
    done = encode(films, encoder=encoder, store=store, blocks=[0], frames=4)
    assert len(done.series) == 2
    names = [f"{camera}/chunk-000/file-000.mp4" for camera in CAMERAS]
    (tmp_path / "provenance.json").write_text(json.dumps({"encoder": {"name": "pixels", "revision": ""}}))
    (tmp_path / "experiment.toml").write_text('videos = ["x"]\nencoder = "pixels"\nframes = 4\n')
    export_embeddings(tmp_path, tmp_path / "e.parquet", form="parquet", store=store)
    assert sorted(set(pl.read_parquet(tmp_path / "e.parquet")["file"])) == names
    export_embeddings(tmp_path, tmp_path / "e.safetensors", form="safetensors", store=store)
    with safe_open(tmp_path / "e.safetensors", "np") as file:
        videos = json.loads(file.metadata()["videos"])
    assert sorted(one["file"] for one in videos) == names
    refs = [VideoRef(str(k), str(path), 64, 48, 8, 10.0) for k, path in enumerate(films)]
    assert sorted(of_videos(refs)["named"]) == names
