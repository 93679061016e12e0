"""Experiment files: what is wrong is named, and nothing is guessed."""

import pytest

from worldprobe.config import make_experiment, read_experiment, to_toml
from worldprobe.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('videos = ["a.mp4"]\nencodr = "pixels"', "unknown 'encodr'; did you mean 'encoder'"),
        ('videos = ["a.mp4"]\ntasks = ["xy", "szie"]', "unknown 'szie'; did you mean 'size'"),
        ('videos = ["a.mp4"]\nsplit = "even"', "split: Input should be 'grouped'"),
        ('videos = ["a.mp4"]\nframes = 1', "frames: Input should be greater than or equal to 2"),
        ('videos = ["a.mp4"]\ncontrols = []', "controls: empty; choose from gaussian"),
        ('videos = ["a.mp4"]\npool = "space"', "features 'grid' need tokens"),
        ("videos = []", "videos: List should have at least 1 item"),
        ("", "videos: Field required"),
        ("videos = [", "is not a TOML file"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path, text, message):
    path = tmp_path / "experiment.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"experiment\.toml") as caught:
        read_experiment(path)
    assert message in str(caught.value)


def test_all_mistakes_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        make_experiment({"videos": ["a"], "sed": 1, "stride": 0})
    assert "did you mean 'seed'" in str(caught.value)
    assert "stride" in str(caught.value)


def test_what_is_written_is_read_back(tmp_path):
    experiment = make_experiment({"videos": ['a "b" ü\n.mp4', "scenes:3"], "features": ["z"], "strict": True})
    path = tmp_path / "experiment.toml"
    path.write_text(to_toml(experiment), encoding="utf-8")
    assert read_experiment(path) == experiment


def test_no_file_is_one_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="no experiment file at"):
        read_experiment(tmp_path / "none.toml")
