"""Which entries of a folder are checkpoints, of which step, and which are not whole yet."""

import os

import pytest

from worldprobe.errors import ConfigError
from worldprobe.pipeline.watch.checkpoints import find, step_of


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("checkpoint-500", 500), ("step_001000", 1000), ("epoch=3-step=1200.onnx", 1200), ("vjepa2-000500", 500),
        ("iter20-fp16", 20), ("vit2/ckpt-7", 7), ("final", None), ("weights.pt", None),
    ],
)  # fmt: skip
def test_a_step_is_what_a_name_says(name, step):
    assert step_of(name) == step


def made(folder, *files):
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).write_text("{}")
    return folder


WHOLE = ("config.json", "model.safetensors")


def test_folders_of_weights_are_found_by_step_and_all_else_is_left(tmp_path):
    made(tmp_path / "checkpoint-1000", *WHOLE, "optimizer.pt")
    made(tmp_path / "checkpoint-90", *WHOLE)
    made(tmp_path / "run-200" / "model", *WHOLE)
    made(tmp_path / "final", *WHOLE)
    made(tmp_path / "logs", "events.json")
    made(tmp_path / "tmp-checkpoint-2000", *WHOLE)
    made(tmp_path / ".hidden", *WHOLE)
    made(tmp_path / "step-5.partial", *WHOLE)
    (tmp_path / "notes.txt").write_text("")
    found, refused = find(tmp_path)
    assert [one.name for one in found] == ["checkpoint-90", "run-200", "checkpoint-1000", "final"]
    assert [one.step for one in found] == [90, 200, 1000, None]
    assert found[1].path == tmp_path / "run-200" / "model"
    assert (refused, {one.lacks for one in found}) == ([], {""})


def test_what_is_not_written_to_the_end_says_what_it_lacks(tmp_path):
    made(tmp_path / "step-1", "config.json")
    made(tmp_path / "step-2", "model.safetensors")
    found, _ = find(tmp_path)
    assert [one.lacks for one in found] == ["no weights (*.safetensors) yet", "no config.json yet"]
    (tmp_path / "step-1" / "model.safetensors").write_text("{}")
    now, _ = find(tmp_path)
    assert (now[0].lacks, now[1]) == ("", found[1])
    assert now[0].files != found[0].files


def test_files_written_anew_are_other_files(tmp_path):
    weights = made(tmp_path / "latest", *WHOLE) / "model.safetensors"
    before = find(tmp_path)[0][0]
    os.utime(weights, (1, 1))
    assert find(tmp_path)[0][0].files != before.files


def test_pickles_are_refused_with_what_makes_encoders_of_them(tmp_path):
    made(tmp_path / "checkpoint-3", "config.json", "pytorch_model.bin")
    (tmp_path / "vitl.pt").write_text("")
    (tmp_path / "net.onnx").write_text("")
    found, refused = find(tmp_path)
    assert found == []
    made_of = f"`worldprobe convert {tmp_path / 'vitl.pt'} OUT` makes a folder of it"
    assert {one.name: one.why for one in refused} == {
        "checkpoint-3": "its weights are a pickle (pytorch_model.bin): save them as safetensors",
        "vitl.pt": f"a pickle, which is not loaded: {made_of}",
        "net.onnx": "name the tensor: --encoder 'onnx:{}#TENSOR'",
    }


def test_onnx_files_and_patterns(tmp_path):
    for name in ("step2.onnx", "step10.onnx", "a.pt", "b.pt"):
        (tmp_path / name).write_text("")
    assert [one.name for one in find(tmp_path, encoder="onnx:{}#t")[0]] == ["step2.onnx", "step10.onnx"]
    found, refused = find(tmp_path, encoder="mine:Encoder:{}", match="*.pt")
    assert ([one.name for one in found], refused) == (["a.pt", "b.pt"], [])


def test_what_is_no_folder_of_checkpoints_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no folder .* to watch"):
        find(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="is a checkpoint itself"):
        find(made(tmp_path / "one", *WHOLE))
