"""Experiment files: what is wrong is named, and nothing is guessed."""

from pathlib import Path

import pytest

from worldprobe.config import make_experiment, read_encoders, read_experiment, to_toml
from worldprobe.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('videos = ["a.mp4"]\nencodr = "pixels"', "unknown 'encodr'; did you mean 'encoder'"),
        ('videos = ["a.mp4"]\ntasks = ["xy", "szie"]', "unknown 'szie'; did you mean 'size'"),
        ('videos = ["a.mp4"]\nsplit = "even"', "split: Input should be 'grouped'"),
        ('videos = ["a.mp4"]\ninput = ["native", "stil"]', "unknown 'stil'; did you mean 'still'"),
        ('videos = ["a.mp4"]\ninput = ["still", "still"]', "each once, of native, still"),
        ('videos = ["a.mp4"]\npool = "space"\nfeatures = ["tokens"]', "features 'tokens' need tokens"),
        (
            'videos = ["a.mp4"]\nevidence = ["skill"]',
            "evidence.0: Input should be 'code', 'learning' or 'unlabelled'",
        ),
        ('videos = ["a.mp4"]\nframes = 0', "frames: Input should be greater than or equal to 1"),
        ('videos = ["a.mp4"]\ncontrols = []', "controls: empty; choose from flow, gaussian"),
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


def test_environment_variables_stand_in_for_folders(tmp_path, monkeypatch):
    path = tmp_path / "experiment.toml"
    path.write_text(
        'videos = ["${CLIPS_HERE}/a.mp4", "${CLIPS_GONE:-clips}/b.mp4", "costs $5.mp4"]\n'
        'labeller = "onnx:${CLIPS_HERE}/net.onnx"\n'
    )
    monkeypatch.setenv("CLIPS_HERE", "/somewhere")
    monkeypatch.delenv("CLIPS_GONE", raising=False)
    read = read_experiment(path)
    assert read.videos == ["/somewhere/a.mp4", "clips/b.mp4", "costs $5.mp4"]
    assert read.labeller == "onnx:/somewhere/net.onnx"


@pytest.mark.parametrize(
    ("video", "message"),
    [
        ("${CLIPS_GONE}/a.mp4", "videos names ${CLIPS_GONE}, which is not set. Set it: export CLIPS_GONE=..."),
        ("${CLIPS_GONE/a.mp4", "videos holds '${CLIPS_GONE/a.mp4': write ${NAME} or ${NAME:-text}"),
        ("${}/a.mp4", "videos holds '${}'"),
    ],
)
def test_a_variable_that_is_not_there_is_said(tmp_path, monkeypatch, video, message):
    path = tmp_path / "experiment.toml"
    path.write_text(f'videos = ["{video}"]\n')
    monkeypatch.delenv("CLIPS_GONE", raising=False)
    with pytest.raises(ConfigError) as caught:
        read_experiment(path)
    assert message in str(caught.value)


def test_the_examples_are_experiments(monkeypatch):
    monkeypatch.delenv("WORLDPROBE_DATA", raising=False)
    examples = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.toml"))
    read = {path.stem: next(iter(read_encoders(path).values())) for path in examples}
    assert {"original", "original-small", "scenes"} <= set(read)
    full = read["original"]
    assert (full.protocol, full.samples, full.confidence) == ("original", 10_000, 0.35)
    assert full.videos == ["films:big-buck-bunny", "films:sintel"]
    assert (full.encoder, full.labeller) == ("facebook/vjepa2-vitl-fpc64-256", "yolo:yolov8n.pt")


def test_the_example_of_encoders_has_small_ones_and_those_of_the_hub(monkeypatch):
    monkeypatch.setenv("WORLDPROBE_DATA", "/data")
    path = Path(__file__).resolve().parents[1] / "examples" / "encoders.toml"
    small, hub = read_encoders(path), read_encoders(path, wanted="hub")
    untrained = [one.encoder for one in small.values() if "random:" in one.encoder]
    assert len(untrained) == 6
    for name in untrained:  # configurations lie beside the file
        place = Path(name.rpartition(":")[2])
        assert place.parts[:1] != ("examples",) or (path.parents[1] / place / "config.json").is_file()
    assert sum("onnx:/data/" in one.encoder for one in small.values()) == 1
    assert all("/" in one.encoder and "random:" not in one.encoder for one in hub.values())


def test_the_example_of_robots_holds_a_factor_out_and_has_encoders_of_the_hub(monkeypatch):
    monkeypatch.setenv("WORLDPROBE_DATA", "/data")
    path = Path(__file__).resolve().parents[1] / "examples" / "robots.toml"
    small, hub = read_encoders(path), read_encoders(path, wanted="hub")
    assert {one.hold_out for one in (*small.values(), *hub.values())} == {"camera"}
    assert sum("onnx:/data/" in one.encoder for one in small.values()) == 1
    assert all("/" in one.encoder for one in hub.values())


def test_inputs_are_one_or_several():
    assert make_experiment({"videos": ["a"]}).inputs == ("native",)
    assert make_experiment({"videos": ["a"], "input": "still"}).inputs == ("still",)
    both = make_experiment({"videos": ["a"], "input": ["still", "native"]})
    assert both.inputs == ("still", "native")
    assert 'input = ["still", "native"]' in to_toml(both)


def test_the_example_of_deltas_crosses_features_inputs_and_probes():
    example = read_experiment(Path(__file__).resolve().parents[1] / "examples" / "deltas.toml")
    assert example.features == ["z", "delta", "z+delta"]
    assert example.inputs == ("native", "still")
    assert example.probes == ["linear", "mlp"]
    assert {"motion", "velocity", "approach"} <= set(example.tasks)


def test_principal_components_are_one_or_more_and_of_sound_runs():
    assert make_experiment({"videos": ["a.mp4"], "pca": 64}).pca == 64
    assert "pca" not in to_toml(make_experiment({"videos": ["a.mp4"]}))
    with pytest.raises(ConfigError, match="pca: Input should be greater than or equal to 1"):
        make_experiment({"videos": ["a.mp4"], "pca": 0})
    with pytest.raises(ConfigError, match="pca is of sound runs"):
        make_experiment({"videos": ["a.mp4"], "protocol": "original", "pca": 64})


def test_moments_of_a_clip_are_one_or_more_and_of_sound_runs():
    assert make_experiment({"videos": ["a.mp4"], "moments_per_clip": 2}).moments_per_clip == 2
    assert "moments_per_clip" not in to_toml(make_experiment({"videos": ["a.mp4"]}))
    for other in ({"hold_out": "camera"}, {"protocol": "original"}):
        with pytest.raises(ConfigError, match="moments_per_clip is of sound runs, in which no value is held out"):
            make_experiment({"videos": ["a.mp4"], "moments_per_clip": 2, **other})


def several(tmp_path, text):
    path = tmp_path / "encoders.toml"
    path.write_text(f'videos = ["scenes:3"]\n{text}')
    return path


def test_a_file_may_name_several_encoders(tmp_path, monkeypatch):
    monkeypatch.setenv("PLACE", "/models")
    path = several(tmp_path, 'seed = 3\n[encoders]\none = "pixels"\ntwo = "random:${PLACE}/x"\n')
    found = read_encoders(path)
    assert [(name, one.encoder, one.seed) for name, one in found.items()] == [
        ("one", "pixels", 3), ("two", "random:/models/x", 3),
    ]  # fmt: skip
    assert read_encoders(several(tmp_path, 'encoder = "flow"'))[""].encoder == "flow"


def test_the_first_of_several_tables_of_encoders_is_taken_or_the_one_that_is_named(tmp_path):
    path = several(tmp_path, '[encoders.small]\na = "pixels"\n[encoders.hub]\nb = "flow"\n')
    assert list(read_encoders(path)) == ["a"]
    assert list(read_encoders(path, wanted="hub")) == ["b"]


@pytest.mark.parametrize(("text", "wanted", "why"), [
    ('encoder = "flow"\n[encoders]\na = "pixels"', None, "both encoder and"),
    ('[encoders]\na = "pixels"\n[encoders.hub]\nb = "flow"', None, r"NAME = .encoder., or tables"),
    ("encoders = [1]", None, "or tables"),
    ("[encoders]", None, "or tables"),
    ("[encoders.small]", None, r"\[encoders.small\] is empty"),
    ('[encoders.small]\na = "pixels"', "hub", r"no table \[encoders.hub\]; there are small"),
    ('[encoders]\na = "pixels"', "hub", "there are none"),
    ('encoder = "flow"', "hub", "it is about one encoder"),
    ('[encoders]\n"../a" = "pixels"', None, "names a folder"),
    ("[encoders]\na = 3", None, "encoder: Input should be a valid string"),
])  # fmt: skip
def test_tables_of_encoders_that_say_nothing_are_one_line(tmp_path, text, wanted, why):
    with pytest.raises(ConfigError, match=why):
        read_encoders(several(tmp_path, text), wanted=wanted)
