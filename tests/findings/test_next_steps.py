"""The commands that a run ends with: they go on from what was named, and a shell takes them."""

from pathlib import Path

import pytest
from tests.builders.run_lines import prediction_step, probe_lines

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
        (list("abcd"), 10, "demo THESE-FILMS MORE-FILMS --out 'runs/my run'",
         f"demo film.mp4 --encoder {PUBLIC} --out 'runs/my run-vitl'"),
        (None, 10, None, f"demo film.mp4 --encoder {PUBLIC} --out runs/film-vitl"),
    ],
)  # fmt: skip
def test_they_go_on_from_the_films_that_were_named(tmp_path, videos, groups, more, public):
    found = commands(tmp_path / "run", videos, groups)
    assert [one for one in found if "MORE-FILMS" in one or one.endswith("runs/film")] == ([more] if more else [])
    assert public in found
    assert "report 'runs/my run' --open" in found


def suggested(run, videos, *, lines=None, more=""):
    lines = lines or [one.model_copy(update={"encoder": "vjepa2-tiny"}) for one in probe_lines("state.0", 0.5)]
    write_results(run / "results.jsonl", lines)
    (run / "experiment.toml").write_text(f"videos = {videos!r}\n{more}")
    summary = summarize(run)
    return [command for command, _ in suggest_commands(summary, run)], summary.next_steps


@pytest.mark.parametrize("source", ["lerobot:my data", "mcap:my data"])
def test_a_recording_goes_on_with_itself(tmp_path, source):
    commands, steps = suggested(tmp_path, [source], more="frames = 10")
    assert not any("film.mp4" in one for one in commands)
    assert f"predict '{source}' --context 2 --horizon 2 --out {tmp_path}-future" in commands
    public = f"demo '{source}' --encoder facebook/vjepa2-vitl-fpc64-256 --frames 10 --out {tmp_path}-vitl"
    assert public in commands
    assert not any("approach" in step for step in steps)  # recorded states have no boxes


def test_a_prediction_of_a_recording_does_not_suggest_itself(tmp_path):
    lines = prediction_step(0.1, 0.2, 0.3, 0.4, 0.5)
    commands, _ = suggested(tmp_path, ["lerobot:dataset"], lines=lines)
    assert not any(one.startswith("predict") for one in commands)


def test_rendered_videos_go_on_with_a_film_and_films_with_themselves(tmp_path):
    boxes = [one.model_copy(update={"encoder": "vjepa2-tiny"}) for one in probe_lines("xy", 0.5)]
    for videos, own in ((["scenes:20"], True), (["a.mp4"], False)):
        commands, steps = suggested(tmp_path, videos, lines=boxes)
        assert ("demo film.mp4 --out runs/film" in commands) == own
        assert any(one.startswith(f"demo {'film.mp4' if own else 'a.mp4'} --encoder") for one in commands)
        assert any("approach" in step for step in steps)


def test_more_films_are_asked_for_as_those_that_are_there_were(tmp_path):
    """Another encoder, labeller or length of clips would be refused in the same folder."""
    boxes = [one.model_copy(update={"n_groups": 5}) for one in probe_lines("xy", 0.5)]
    asked = 'encoder = "dinov2 small"\nlabeller = "mot:boxes.txt"\nframes = 8\nstride = 1\n'
    commands, _ = suggested(tmp_path, ["a.mp4"], lines=boxes, more=asked)
    options = "--encoder 'dinov2 small' --labeller mot:boxes.txt --frames 8"
    assert f"demo a.mp4 MORE-FILMS {options} --out {tmp_path}" in commands
