"""What a run suggests next fits what it is a run of."""

import pytest
from tests.builders.run_lines import prediction_step, probe_lines

from worldprobe.findings.next_steps import suggest_commands
from worldprobe.findings.summary import summarize
from worldprobe.results import write_results


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


def test_rendered_videos_and_films_go_on_with_a_film(tmp_path):
    boxes = [one.model_copy(update={"encoder": "vjepa2-tiny"}) for one in probe_lines("xy", 0.5)]
    for videos, own in ((["scenes:20"], True), (["a.mp4"], False)):
        commands, steps = suggested(tmp_path, videos, lines=boxes)
        assert ("demo film.mp4 --out runs/film" in commands) == own
        assert any(one.startswith("demo film.mp4 --encoder") for one in commands)
        assert any("approach" in step for step in steps)
