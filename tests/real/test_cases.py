"""Inputs that are easily read wrongly, through the command line: right, or refused by name; none is silent."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.conftest import ROOT
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.errors import WorldprobeError
from worldprobe.labels.table import read_labels
from worldprobe.labels.targets import subjects, tracks
from worldprobe.pipeline.sources import open_source

FRAMES = 60


@pytest.fixture(scope="module")
def cases() -> Path:
    folder = Path(os.environ.get("WORLDPROBE_CASES", ROOT.parent / "shared" / "cases"))
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}: set WORLDPROBE_CASES to the folder that holds them")
    return folder


@dataclass(frozen=True)
class Ended:
    """What a command ended with: its exit code, and all that it said."""

    code: int
    said: str


def worldprobe(*arguments: object) -> Ended:
    """A command; whatever is no error of worldprobe's own would be a traceback, and fails the test."""
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if isinstance(done.exception, WorldprobeError):
        assert "\n" not in str(done.exception)
        return Ended(1, str(done.exception))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ended(done.exit_code, done.output)


def label(film: Path | str, labeller: str, out: Path) -> tuple[Ended, pl.DataFrame | None]:
    done = worldprobe("label", film, "--labeller", labeller, "--out", out)
    return done, read_labels(out).table if out.exists() else None


def subject(table: pl.DataFrame, frames: Sequence[int] = tuple(range(16))) -> int:
    """The track that a clip of these frames is about."""
    from worldprobe.records import Labels

    known = tracks(Labels(table), table["video"][0])
    rows, _ = subjects(known, frames)
    return int(known.object[rows[0]][0])


def speed(table: pl.DataFrame) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Speeds of the rows that have one, px a second, and how many rows have none."""
    from worldprobe.records import Labels

    found = tracks(Labels(table), table["video"][0]).speed
    known = np.isfinite(found).all(axis=1)
    return found[known], ~known


def is_the_disc(table: pl.DataFrame, step: float = 1.0) -> None:
    """The boxes of the disc of plain.mp4, at its own frames."""
    assert len(table) > 0
    frame = table["frame"].to_numpy()
    np.testing.assert_allclose(table["x"].to_numpy(), 60 + 2.4 * step * frame, atol=0.1)
    np.testing.assert_allclose(table["y"].to_numpy(), 60 + 1.2 * step * frame, atol=0.1)
    np.testing.assert_allclose(table.select("w", "h").to_numpy(), 40, atol=0.1)


# ---------------------------------------------------------------- label files


def test_mot_scores_keep_their_order(cases: Path, tmp_path: Path) -> None:
    done, table = label(cases / "plain.mp4", f"mot:{cases}/mot_negative_scores.txt", tmp_path / "l.parquet")
    assert done.code == 0
    assert table is not None
    assert "score" in done.said
    assert len(table) == 180
    assert table["confidence"].is_between(0, 1).all()
    first = dict(table.filter(pl.col("frame") == 0).select("object", "confidence").iter_rows())
    assert first[3] > first[2] > first[1]


def test_mot_visibility_chooses_the_subject(cases: Path, tmp_path: Path) -> None:
    done, table = label(cases / "plain.mp4", f"mot:{cases}/mot_visibility.txt", tmp_path / "l.parquet")
    assert done.code == 0
    assert table is not None
    assert "visible" in table.columns
    assert (table.filter(pl.col("object") == 1)["visible"] == 0).all()
    assert 5 not in set(table["object"])
    assert subject(table) == 2


def test_mot_rows_of_ten_columns_are_read_or_named(cases: Path, tmp_path: Path) -> None:
    done, table = label(cases / "plain.mp4", f"mot:{cases}/mot_ten_columns.txt", tmp_path / "l.parquet")
    assert "3D" in done.said
    if done.code == 0:
        assert table is not None
        is_the_disc(table)


@pytest.mark.parametrize("name", ["track_in_attributes", "string_tracks", "string_ids", "polygons"])
def test_coco_of_other_tools(name: str, cases: Path, tmp_path: Path) -> None:
    done, table = label(cases / "plain.mp4", f"coco:{cases}/coco_{name}.json", tmp_path / "l.parquet")
    assert done.code == 0, done.said
    assert table is not None
    is_the_disc(table)
    assert len(table) == FRAMES
    assert table["object"].n_unique() == 1
    assert (table["object"] >= 0).all()
    assert set(table["class"]) == {"ball"}
    np.testing.assert_allclose(speed(table)[0], [[60, 30]] * FRAMES, atol=0.5)


def test_a_malformed_mask_is_named(cases: Path, tmp_path: Path) -> None:
    done, _ = label(cases / "plain.mp4", f"coco:{cases}/coco_rle_malformed.json", tmp_path / "l.parquet")
    assert done.code == 1
    assert "coco_rle_malformed.json" in done.said
    assert "annotation" in done.said
    assert "bbox'" not in done.said


def test_a_negative_score_is_no_confidence(cases: Path, tmp_path: Path) -> None:
    done, table = label(cases / "plain.mp4", f"coco:{cases}/coco_negative_score.json", tmp_path / "l.parquet")
    assert "score" in done.said
    if done.code == 0:
        assert table is not None
        assert table["confidence"].is_between(0, 1).all()


@pytest.mark.parametrize("name", ["every_fifth_frame", "hashes_in_names"])
def test_images_taken_out_of_a_film_are_never_its_first_frames(name: str, cases: Path, tmp_path: Path) -> None:
    file = f"coco:{cases}/coco_{name}.json"
    done, _ = label(cases / "plain.mp4", file, tmp_path / "l.parquet")
    assert done.code == 1
    assert "step=5" in done.said
    assert "7542122" not in done.said
    done, table = label(cases / "plain.mp4", f"{file}?step=5", tmp_path / "spread.parquet")
    assert done.code == 0, done.said
    assert table is not None
    assert table["frame"].to_list() == list(range(0, 60, 5))
    is_the_disc(table)


# ---------------------------------------------------------------- films


def picture(path: Path, frame: int = 5) -> np.ndarray[Any, Any]:
    with open_source(path) as video:
        return video.frame(frame).astype(np.float64)


def notes(path: Path) -> str:
    with open_source(path) as video:
        return " ".join(video.ref.notes)


def disc(path: Path, frame: int) -> tuple[float, float]:
    """Width and height of what moved since the first frame, where it is now."""
    with open_source(path) as video:
        first, now = (video.frame(at).astype(np.float64) for at in (0, frame))
    changed = np.abs(now - first).max(axis=2) > 60
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    return float(np.ptp(columns) + 1), float(np.ptp(rows) + 1)


def test_pixels_that_are_not_square_are_shown_as_a_player_does(cases: Path, tmp_path: Path) -> None:
    path = cases / "pixels_not_square.mp4"
    with open_source(path) as video:
        assert (video.ref.width, video.ref.height) in {(455, 240), (456, 240)}
        assert video.frame(0).shape[:2] == (video.ref.height, video.ref.width)
    boxes = f"mot:{cases}/pixels_not_square_displayed_boxes.txt"
    done, table = label(path, boxes, tmp_path / "l.parquet")
    assert done.code == 0
    assert "square" in done.said
    assert table is not None
    sideways, down = np.median(speed(table)[0], axis=0)
    assert sideways / down == pytest.approx(64 / 45, rel=0.02)


def test_a_size_that_changes_is_no_damage(cases: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("size_changes.h264", "size_changes.ts")):
        done = worldprobe("encode", cases / name, "--encoder", "pixels", "--store", tmp_path / f"{number}.zarr")
        assert done.code in (0, 3)
        assert "damaged" not in done.said
        assert "320 x 180" in done.said or "size" in done.said


def test_what_is_transparent_stays_hidden(cases: Path) -> None:
    assert "black" in notes(cases / "alpha.webm")
    with open_source(cases / "alpha.webm") as video:
        hidden = [picture.std() for _, picture in video.frames([0, 5, 20])]
        first = video.frame(0)
    assert (first == 0).all(axis=2).mean() > 0.2
    assert max(hidden) < 120


def test_colours_follow_the_tags(cases: Path) -> None:
    one, other = picture(cases / "c12_709.mp4"), picture(cases / "c12_601.mp4")
    # Where colours meet, chroma is what the codec made of it.
    assert np.median(np.abs(one - other)) <= 2
    assert np.percentile(np.abs(one - other), 90) <= 2
    np.testing.assert_allclose(one[5, 5], (200, 40, 40), atol=3)
    np.testing.assert_allclose(other[5, 5], (200, 40, 40), atol=3)


def test_high_dynamic_range_is_mapped_and_said(cases: Path) -> None:
    assert "PQ" in notes(cases / "hdr_pq.mp4")
    red, green, blue = picture(cases / "hdr_pq.mp4")[5, 5]
    assert red > 150
    assert max(green, blue) < 80


def test_fields_are_put_apart(cases: Path) -> None:
    assert "interlaced" in notes(cases / "interlaced.mp4")
    rgb = picture(cases / "interlaced.mp4", 10).mean(axis=2)
    comb = np.abs(rgb[1:-1] - (rgb[:-2] + rgb[2:]) / 2)
    assert np.percentile(comb, 99.5) < 60


@pytest.mark.parametrize(("name", "rate", "across", "down"), [("four_fps", 4, 12, 6), ("fps240", 240, 120, 60)])
def test_speeds_at_any_rate(name: str, rate: int, across: float, down: float, cases: Path, tmp_path: Path) -> None:
    with open_source(cases / f"{name}.mp4") as video:
        assert video.ref.rate == pytest.approx(rate, rel=0.01)
    done, table = label(cases / f"{name}.mp4", f"mot:{cases}/{name}.txt", tmp_path / "l.parquet")
    assert done.code == 0
    assert table is not None
    found, without = speed(table)
    assert not without.any()
    np.testing.assert_allclose(np.median(found, axis=0), (across, down), rtol=0.02)


def test_a_fast_film_is_given_a_stride(cases: Path, tmp_path: Path) -> None:
    done = worldprobe("encode", cases / "fps240.mp4", "--encoder", "pixels", "--store", tmp_path / "s.zarr")
    assert done.code == 0
    assert "--stride" in done.said


def test_pictures_in_a_folder_are_a_film(cases: Path, tmp_path: Path) -> None:
    folder = cases / "sequence"
    with open_source(folder) as video:
        assert video.ref.rate == 25
        count = video.ref.frames
    assert count == len(list((folder / "img1").iterdir()))
    done, table = label(folder, f"mot:{folder}/gt/gt.txt", tmp_path / "l.parquet")
    assert done.code == 0, done.said
    assert table is not None
    assert subject(table) == 2
    is_the_disc(table.filter(pl.col("object") == 2))
    done = worldprobe("encode", folder, "--encoder", "pixels", "--store", tmp_path / "s.zarr")
    assert done.code == 0, done.said


# ---------------------------------------------------------------- robots


@pytest.mark.parametrize(
    ("name", "words"),
    [("depth_camera", "depth"), ("camera_lacks_episodes", "episode")],
)
def test_robot_data_as_it_is_found(name: str, words: str, cases: Path, tmp_path: Path) -> None:
    source = f"lerobot:{cases}/lerobot/{name}"
    encoded = worldprobe("encode", source, "--encoder", "pixels", "--frames", 8, "--store", tmp_path / "s.zarr")
    assert encoded.code in (0, 3), encoded.said
    labelled = worldprobe("label", source, "--labeller", "lerobot", "--out", tmp_path / "l.parquet")
    assert labelled.code in (0, 3), labelled.said
    assert words in labelled.said + encoded.said
    table = read_labels(tmp_path / "l.parquet").table
    assert len(table) > 0
    assert {"state.gripper", "action.gripper"} <= set(table.columns)


def test_pictures_that_a_dataset_lacks_are_one_line(cases: Path, tmp_path: Path) -> None:
    """By its metadata its camera is of pictures, and it holds none: neither a column of them nor a folder."""
    source = f"lerobot:{cases}/lerobot/cameras_are_images"
    for command in (
        ["encode", source, "--encoder", "pixels", "--store", tmp_path / "s.zarr"],
        ["label", source, "--labeller", "lerobot", "--out", tmp_path / "l.parquet"],
        ["demo", source, "--encoder", "pixels", "--out", tmp_path / "run"],
        ["predict", source, "--out", tmp_path / "future"],
    ):
        done = worldprobe(*command)
        assert done.code == 1
        assert "pictures by observation.images.front" in done.said


def test_depth_is_no_colour(cases: Path, tmp_path: Path) -> None:
    from worldprobe.console import resolve_videos

    found = resolve_videos([f"lerobot:{cases}/lerobot/depth_camera"])
    assert found
    assert not [path for path in found if "depth" in path.as_posix().rpartition("depth_camera")[2]]
    source = f"lerobot:{cases}/lerobot/depth_camera"
    labelled = worldprobe("label", source, "--labeller", "lerobot:depth", "--out", tmp_path / "l.parquet")
    assert labelled.code == 0, labelled.said
    table = read_labels(tmp_path / "l.parquet").table
    depth = table.select(pl.col("^depth\\..*$")).to_numpy()
    assert depth.shape == (288, 9)
    assert 1344 <= depth.min() < depth.max() <= 3214
    assert set(table["task"]) <= {"pick the green ball", "push the green ball left", "touch the green ball"}


def test_rows_are_matched_by_time(cases: Path, tmp_path: Path) -> None:
    source = f"lerobot:{cases}/lerobot/first_timestamp_late"
    labelled = worldprobe("label", source, "--labeller", "lerobot", "--out", tmp_path / "l.parquet")
    assert labelled.code in (0, 3), labelled.said
    assert "3 of 288 rows" in labelled.said
    rows = pl.read_parquet(cases / "lerobot/first_timestamp_late/data/chunk-000/file-000.parquet")
    truth = np.array(rows["observation.state"].to_list())[:, 0]
    table = read_labels(tmp_path / "l.parquet").table.sort("frame")
    # The first picture is shown at 0.1 s, when three rows have passed.
    np.testing.assert_allclose(table["state.shoulder_pan"].to_numpy(), truth[table["frame"].to_numpy() + 3])
    assert table["frame"][0] == 0
