from pathlib import Path

import polars as pl
import pytest
from tests.builders.robots import some_robots

from worldprobe.cli import main
from worldprobe.errors import VideoError
from worldprobe.video.rendered.keep import keep_films
from worldprobe.video.rendered.robots.lerobot import write_lerobot
from worldprobe.video.rendered.scenes import render_scenes, truth_path


def render(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["worldprobe", "render", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None), ended.value.code


def test_films_lie_beside_their_truth_and_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "kept"
    render(monkeypatch, "scenes:2@3", out)
    assert capsys.readouterr().out == f"2 films, each beside its truth: {out}\n"
    names = ["scene-000000", "scene-000001"]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        f"{name}{end}" for name in names for end in (".mp4", ".truth.parquet")
    )
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    render(monkeypatch, "scenes:3@3", out)
    after = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert len(after) == 6
    assert before.items() <= after.items()


def test_another_film_of_the_same_name_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "kept"
    keep_films(render_scenes(1, 3, tmp_path / "a"), out)
    held = (out / "scene-000000.mp4").read_bytes()
    with pytest.raises(VideoError, match=r"scene-000000\.mp4 is there already, and is another film"):
        keep_films(render_scenes(1, 4, tmp_path / "b"), out)
    assert (out / "scene-000000.mp4").read_bytes() == held


def test_what_is_not_rendered_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["worldprobe", "render", "film.mp4", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "film.mp4 is not rendered. Give scenes:N or robots:N" in capsys.readouterr().err


def test_a_dataset_is_made_of_robots_alone_and_in_a_new_folder(tmp_path: Path) -> None:
    scenes = render_scenes(1, 3, tmp_path / "a")
    with pytest.raises(VideoError, match="shows no robot whose state and action are known"):
        write_lerobot(scenes, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").touch()
    with pytest.raises(VideoError, match="is there already, and a dataset is written whole"):
        write_lerobot(scenes, tmp_path / "full")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return some_robots(tmp_path_factory)


def test_tasks_are_named_by_what_is_done(films: list[Path], tmp_path: Path) -> None:
    root = write_lerobot(films, tmp_path / "dataset")
    entries = pl.read_parquet(root / "meta/episodes/chunk-000/file-000.parquet")
    truths = [pl.read_parquet(truth_path(film)) for film in films]
    assert entries["tasks"].to_list() == [[f"{truth['behaviour'][0]} the {truth['class'][0]}"] for truth in truths]
    # As pandas reads it, the names are the table's index: pyarrow looks for this note, unless Arrow's own hides it.
    content = (root / "meta/tasks.parquet").read_bytes()
    assert b"ARROW:schema" not in content
    assert b"index_columns" in content
    named = dict(pl.read_parquet(root / "meta/tasks.parquet").select("task_index", "__index_level_0__").iter_rows())
    rows = pl.read_parquet(root / "data/chunk-000/file-000.parquet")
    for episode, (name,) in enumerate(entries["tasks"].to_list()):
        (number,) = rows.filter(pl.col("episode_index") == episode)["task_index"].unique()
        assert named[number] == name
