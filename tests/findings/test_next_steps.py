"""The commands that a run ends with: they go on from what was named, and a shell takes them."""

from pathlib import Path

import pytest
from tests.builders.run_lines import probe_lines

from worldprobe.findings.next_steps import PUBLIC, suggest_commands
from worldprobe.findings.summary import summarize
from worldprobe.results import write_results


def commands(folder, videos, groups):
    folder.mkdir()
    lines = [
        line.model_copy(update={"n_groups": groups, "encoder": "vjepa2-tiny"}) for line in probe_lines("xy", 0.8)
    ]
    write_results(folder / "results.jsonl", lines)
    if videos is not None:
        named = ", ".join(f'"{video}"' for video in videos)
        (folder / "experiment.toml").write_text(f"videos = [{named}]\n")
    return dict(suggest_commands(summarize(folder), Path("runs/my run")))


@pytest.mark.parametrize(
    ("videos", "groups", "more", "public"),
    [
        (["scenes:200"], 200, "demo film.mp4 --out runs/film",
         f"demo film.mp4 --encoder {PUBLIC} --out runs/film-vitl"),
        (["my films/"], 10, "demo 'my films/' MORE-FILMS --out 'runs/my run'",
         f"demo 'my films/' --encoder {PUBLIC} --out 'runs/my run-vitl'"),
        (["films/"], 40, None, f"demo films/ --encoder {PUBLIC} --out 'runs/my run-vitl'"),
        (list("abcd"), 10, "demo film.mp4 MORE-FILMS --out 'runs/my run'",
         f"demo film.mp4 --encoder {PUBLIC} --out 'runs/my run-vitl'"),
        (None, 10, None, f"demo film.mp4 --encoder {PUBLIC} --out runs/film-vitl"),
    ],
)  # fmt: skip
def test_they_go_on_from_the_films_that_were_named(tmp_path, videos, groups, more, public):
    found = commands(tmp_path / "run", videos, groups)
    assert [one for one in found if "MORE-FILMS" in one or one.endswith("runs/film")] == ([more] if more else [])
    assert public in found
    assert "report 'runs/my run' --open" in found
