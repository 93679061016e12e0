"""V-JEPA 2-AC as its authors' code has it: converted, loaded strictly, and told apart from plain predictors."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.builders import official_vjepa

from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.official import convert
from worldprobe.errors import PredictionError, RegistryError
from worldprobe.predictors.vjepa2 import VJEPA2Predictor, layer_normed
from worldprobe.predictors.vjepa2_ac import ActionPredictor
from worldprobe.testing import check_encoder

GOLDEN = json.loads((Path(__file__).parents[1] / "encoders" / "golden" / "vjepa2_ac.json").read_text())
DICE = np.random.default_rng(23)
PIXELS = DICE.integers(0, 256, (2, 4, 3, 64, 64), dtype=np.uint8)
ACTIONS, STATES = (DICE.standard_normal((2, 4, 7)).astype(np.float32) for _ in range(2))
# Some frames' tokens, so that the predictor is held to the authors' apart from the encoder.
TOKENS = layer_normed(torch.from_numpy(DICE.standard_normal((2, 4, 16, 96)).astype(np.float32)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return official_vjepa.acting(tmp_path_factory.mktemp("ac"))


def loaded(name):
    return load_encoder(str(name), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def predictor(folder):
    return ActionPredictor.from_encoder(loaded(folder))


def close(found, golden, atol=1e-5):
    np.testing.assert_allclose(found, np.array(golden, np.float32), rtol=1e-5, atol=atol)


def test_frames_and_what_is_predicted_are_those_of_the_authors_code(predictor):
    frames = predictor.frames(PIXELS)
    assert frames.shape == (2, 4, 16, 96)
    close(frames.flatten(1, 2)[:, [0, 21, 42, 63], ::12], GOLDEN["frames"])
    told = predictor.next_frames(TOKENS, ACTIONS, STATES)
    close(told.flatten(1, 2)[:, [0, 21, 42, 63], ::12], GOLDEN["next frames"])
    rolled = predictor.rollout(TOKENS[:, :1], ACTIONS[:, :3], STATES[:, :3])
    # Each step takes the rounding of those before it for what was seen.
    close(rolled.flatten(1, 2)[:, [0, 21, 47], ::12], GOLDEN["rollout"], atol=1e-4)
    assert (rolled[:, 0] - told[:, 0]).abs().max() < 1e-5


def test_energy_is_the_distance_of_what_an_action_leads_to(predictor):
    found = predictor.energy(TOKENS[:, 0], TOKENS[:, 1], ACTIONS, STATES[:, 0])
    close(found, GOLDEN["energy"])
    assert (found.shape, found.dtype) == ((2, 4), np.float32)


def test_no_frame_sees_what_comes_after_it(predictor):
    frames = predictor.frames(PIXELS)
    told = predictor.next_frames(frames, ACTIONS, STATES)
    later = [frames.clone(), ACTIONS.copy(), STATES.copy()]
    for values in later:
        values[:, 2:] += 1
    again = predictor.next_frames(*later)
    assert (again[:, :2] == told[:, :2]).all()
    assert (again[:, 2:] - told[:, 2:]).abs().amax(dim=(2, 3)).min() > 0.1
    for which in (1, 2):  # what is done and how the robot stands both count
        given = [frames, ACTIONS.copy(), STATES.copy()]
        given[which][:, 0] += 1
        assert (predictor.next_frames(*given)[:, 0] - told[:, 0]).abs().mean() > 1e-3


def test_a_frame_is_encoded_by_itself(predictor):
    frames = predictor.frames(PIXELS)
    assert (predictor.frames(PIXELS[:, 2:3]) - frames[:, 2:3]).abs().max() < 1e-5
    twice = predictor.encoder.tokens(torch.from_numpy(PIXELS[:, [1, 1]]))
    assert (torch.nn.functional.layer_norm(twice, (96,)) - frames[:, 1:2]).abs().max() < 1e-5


def test_the_folder_is_an_encoder_and_plain_prediction_is_refused(folder):
    encoder = loaded(folder)
    check_encoder(encoder, frames=4)
    with pytest.raises(RegistryError, match=r"V-JEPA 2-AC's: its predictor tells the next frame from actions"):
        VJEPA2Predictor.from_encoder(encoder)
    with pytest.raises(RegistryError, match="which plain prediction has not"):
        VJEPA2Predictor.from_encoder(load_encoder(f"random:{folder}"))


def test_convert_says_what_it_took_and_loads_all_of_it(tmp_path):
    folder = official_vjepa.acting(tmp_path)
    found = convert(tmp_path / "official.pt", tmp_path / "again", heads=official_vjepa.HEADS, crop=64)
    assert (found.version, found.taken, found.left_out) == ("2", "encoder", ["target_encoder", "opt"])
    assert any("takes actions (V-JEPA 2-AC); that of camera poses is left out" in note for note in found.notes)
    official = official_vjepa.action_predictor()
    held = load_file(folder / "model.safetensors")
    of_predictor = {key: one for key, one in held.items() if key.startswith("predictor.")}
    wanted = {key: one for key, one in official.items() if not key.startswith("extrinsics")}
    assert sum(one.numel() for one in of_predictor.values()) == sum(one.numel() for one in wanted.values())
    total = sum(float(one.double().sum()) for one in wanted.values())
    assert sum(float(one.double().sum()) for one in of_predictor.values()) == pytest.approx(total)
    # The encoder of the target can be asked for, and is the same.
    other = convert(
        tmp_path / "official.pt", tmp_path / "t", encoder="target_encoder", heads=official_vjepa.HEADS, crop=64
    )
    assert other.taken == "target_encoder"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda w: w.pop("predictor.action_encoder.bias"), "1 weights missing"),
        (lambda w: w.update({"predictor.layer.3.norm1.bias": torch.zeros(192)}), "1 unexpected"),
        (lambda w: w.update({"predictor.state_encoder.weight": torch.zeros(192, 6)}), "1 of another shape"),
        (lambda w: [w.pop(key) for key in list(w) if key.startswith("predictor.")], "weights missing"),
    ],
)
def test_a_predictor_that_is_not_whole_is_refused(folder, tmp_path, change, why):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    encoder = loaded(tmp_path)  # which is whole
    with pytest.raises(RegistryError, match=f"its predictor does not fit its own config: .*{why}"):
        ActionPredictor.from_encoder(encoder)


def test_a_file_whose_predictor_is_not_whole_is_not_converted(tmp_path):
    predictor = official_vjepa.action_predictor()
    del predictor["predictor_blocks.1.attn.proj.bias"]
    with pytest.raises(RegistryError, match="its predictor does not fit its own config: 1 weights missing"):
        official_vjepa.acting(tmp_path, predictor=predictor)


def test_the_twin_is_untrained_and_the_same_each_time(folder, predictor):
    twins = [
        ActionPredictor.from_encoder(load_encoder(f"random:{folder}", device="cpu", precision="fp32"))
        for _ in range(2)
    ]
    frames = predictor.frames(PIXELS)
    first, second = (twin.next_frames(frames, ACTIONS, STATES) for twin in twins)
    assert (first == second).all()
    assert (first - predictor.next_frames(frames, ACTIONS, STATES)).abs().mean() > 0.1
    assert twins[0].parameters == predictor.parameters
    layers = twins[0].module.layer
    spread = [float(layers[number].mlp.fc2.weight.detach().std()) for number in (0, 2)]
    assert spread == pytest.approx([0.02 / 2**0.5, 0.02 / 6**0.5], rel=0.05)


def test_what_takes_no_actions_is_refused(predictor):
    with pytest.raises(RegistryError, match="vjepa2-tiny has no predictor that takes actions: of V-JEPA 2 it is"):
        ActionPredictor.from_encoder(load_encoder("vjepa2-tiny"))
    with pytest.raises(RegistryError, match="random:vjepa2-tiny has no predictor that takes actions"):
        ActionPredictor.from_encoder(load_encoder("random:vjepa2-tiny"))
    with pytest.raises(PredictionError, match="pixels has no predictor that takes actions: only V-JEPA 2-AC's"):
        ActionPredictor.from_encoder(load_encoder("pixels"))
    frames = predictor.frames(PIXELS)
    for actions, states, why in (
        (ACTIONS[:, :3], STATES, r"actions are \[2, 4, 7\] for these frames, got \[2, 3, 7\]"),
        (ACTIONS, STATES[..., :6], r"states are \[2, 4, 7\] for these frames, got \[2, 4, 6\]"),
    ):
        with pytest.raises(PredictionError, match=why):
            predictor.next_frames(frames, actions, states)


def test_the_published_name_says_what_to_fetch(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RegistryError, match=r"fetch https://\S+/vjepa2-ac-vitg\.pt, run `worldprobe convert"):
        load_encoder("vjepa2_ac_vit_giant")
