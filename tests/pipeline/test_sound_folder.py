"""A damaged file of a run's folder is met before the work, by whatever would read it after."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.builders.commanded import commanded
from tests.builders.known_store import put
from tests.builders.whole import write_whole_run

from worldprobe.errors import ConfigError, DecoderError
from worldprobe.findings.sections.moments import Moments
from worldprobe.io.arrays import write_arrays
from worldprobe.labels.load import load_labeller
from worldprobe.labels.table import write_labels
from worldprobe.pipeline.checks import require_sound
from worldprobe.pipeline.decode.training_clips import known_clips
from worldprobe.pipeline.folder import DECODE, add_notes, require_own, write_alignment
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.ledger import EXPECTED, foretold
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes

WRITERS = ("run", "probe", "predict", "energy", "decode")
# Each file that is read after the work, and by whom it is not, as these write it anew or have no use for it.
FILES = {
    "provenance.json": (),
    "alignment.json": ("run", "probe"),
    "labels.parquet": ("run", "probe"),
    "failures.jsonl": ("run", "decode"),
    "moments/moments.json": ("run", "probe"),
    "moments/clip0.webp": ("run", "probe"),
    "surprise/curves.json": ("predict",),
    "surprise/video0-peak1.webp": ("predict",),
    "predictions/error_map.safetensors": ("predict",),
    "decoders/cnn/losses.jsonl": (),
    "decoders/pictures.safetensors": ("decode",),
    "decoders/cnn/config.json": ("run", "probe", "energy"),
    "decoders/cnn/trained_on.json": ("run", "probe", "energy"),
    "decoders/cnn/model.safetensors": ("run", "probe", "energy"),
    "decoders/flow/checkpoint.safetensors": ("run", "probe", "energy"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_whole_run(folder)
    (folder / "moments").mkdir()
    moments = Moments(tap="t", tubelets=8, context=4, chosen="first", clips=(), notes=())
    (folder / "moments" / "moments.json").write_text(moments.model_dump_json())
    Image.new("RGB", (32, 32)).save(folder / "moments" / "clip0.webp")
    arrays = {"frames": np.arange(4000.0)}
    write_arrays(folder / "predictions" / "error_map.safetensors", arrays, {"encoder": "e"})
    write_arrays(folder / "decoders" / "pictures.safetensors", arrays, {"titles": []})
    write_arrays(folder / "decoders" / "cnn" / "model.safetensors", arrays, {})
    write_arrays(folder / "decoders" / "flow" / "checkpoint.safetensors", arrays, {})
    (folder / "decoders" / "cnn" / "config.json").write_text("{}")
    (folder / "decoders" / "cnn" / "trained_on.json").write_text('{"v": [0, 8]}')
    return folder


@pytest.mark.parametrize("name", FILES)
def test_what_would_be_read_after_the_work_is_read_before_it(name: str, whole: Path) -> None:
    path = whole / name
    sound = path.read_bytes()
    try:
        for damage in (b"", sound[: len(sound) // 2], b"\xff{torn"):
            if path.suffix in (".jsonl", ".json") and not damage.strip():
                damage = b"[" * 50_000
            path.write_bytes(damage)
            for writer in WRITERS:
                if writer in FILES[name]:
                    require_sound(whole, by=[writer])
                    continue
                with pytest.raises(ConfigError, match=r"Nothing has been done yet\.$") as refused:
                    require_sound(whole, by=[writer])
                assert str(path) in str(refused.value)
                assert "r delete " in str(refused.value)
    finally:
        path.write_bytes(sound)
    for writer in WRITERS:
        require_sound(whole, by=[writer])


def test_a_run_reads_what_none_of_its_stages_writes(whole: Path) -> None:
    path = whole / "surprise" / "curves.json"
    sound = path.read_bytes()
    path.write_text('{"curves": 3}')
    try:
        require_sound(whole, by=["run", "predict"])
        with pytest.raises(ConfigError, match=r"curves\.json is damaged"):
            require_sound(whole, by=["run", "decode"])
    finally:
        path.write_bytes(sound)


def test_an_empty_folder_is_sound_and_so_is_none(tmp_path: Path) -> None:
    require_sound(tmp_path, by=["decode"])
    require_sound(tmp_path / "none", by=["predict"])


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return render_scenes(4, 3, tmp_path_factory.mktemp("films"))


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *((command, "provenance.json") for command in ("run", "demo", "probe", "predict", "decode")),
        ("decode", "alignment.json"),
        ("predict", "alignment.json"),
        ("predict", "failures.jsonl"),
        ("demo", "surprise/curves.json"),
    ],
)
def test_every_command_refuses_it_and_leaves_the_folder_as_it_was(
    command: str, name: str, films: list[Path], tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text('{"videos": 3, "dropped": 3, "curves": 3')
    if command == "run":
        (tmp_path / "e.toml").write_text(f'videos = ["{films[0]}"]\nencoder = "pixels"\n')
        arguments = ["e.toml"]
    elif command == "probe":
        put(Store("s.zarr"), films, lambda video, tubelet: np.ones(4))
        write_labels(label(films, labeller=load_labeller("truth")), tmp_path / "l.parquet")
        arguments = ["--store", "s.zarr", "--labels", "l.parquet", "--encoder", "known", "--controls", "majority"]
    else:
        arguments = [*films, "--encoder", "pixels"]
    code, _, err = commanded(capsys, monkeypatch, command, *arguments, "--out", "out")
    assert code == 1
    assert err.startswith(f"worldprobe: out/{name} ")
    assert "Nothing has been done yet." in err
    assert [one for one in (tmp_path / "out").rglob("*") if one.is_file()] == [path]


def test_weights_of_which_nobody_knows_what_they_saw_are_refused_before_encoding(
    films: list[Path], tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("worldprobe.decoders.load", lambda folder: None)
    with pytest.raises(DecoderError, match=r"trained_on\.json is missing"):
        known_clips(tmp_path)
    asked = ("decode", *films, "--encoder", "pixels", "--weights", tmp_path, "--out", tmp_path / "out")
    for written, said in ((None, "trained_on.json is missing"), ("{", "trained_on.json is damaged")):
        if written:
            (tmp_path / "trained_on.json").write_text(written)
        code, _, err = commanded(capsys, monkeypatch, *asked)
        assert (code, said in err) == (1, True), err
        assert not (tmp_path / "out").exists()


def test_values_of_another_kind_break_no_stage_after_its_work(tmp_path: Path) -> None:
    (tmp_path / "alignment.json").write_text(json.dumps({"notes": ["a", 3], "stage_notes": {"predict": ["b", 3]}}))
    write_alignment(tmp_path, {"kept": 9}, ["of labels"])
    add_notes(tmp_path, DECODE, ["Decoded: 1 of 2 videos"])
    found = json.loads((tmp_path / "alignment.json").read_text())
    assert found["notes"] == ["of labels", "b", "Decoded: 1 of 2 videos"]
    (tmp_path / EXPECTED).write_text('{"seconds_per_clip": {"probe": "long"}}')
    assert foretold(tmp_path) == {}
    (tmp_path / "results.jsonl").write_text("")
    (tmp_path / "experiment.toml").write_text("videos = 3\n")
    with pytest.raises(ConfigError, match=r"experiment\.toml is damaged: videos.*cannot be told"):
        require_own(tmp_path, {"videos": ["a.mp4"]})
