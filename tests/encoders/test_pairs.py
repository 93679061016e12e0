"""Encoders of single frames beside those of two: their tokens side by side, and nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest
from tests.builders.vision_checkpoints import SIDE, written

from worldprobe.encoders.load import control_encoders, load_encoder
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.testing import check_encoder


@pytest.fixture
def folder(tmp_path):
    written("vit", tmp_path)
    return tmp_path


def test_two_frames_tokens_stand_side_by_side(folder):
    plain, both = load_encoder(str(folder)), load_encoder(f"pairs:{folder}")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 3, SIDE, SIDE), dtype=np.uint8)
    clips = [SimpleNamespace(pixels=one) for one in pixels]
    one, two = plain.encode(clips, blocks=[1])[1], both.encode(clips, blocks=[1])[1]
    assert two.shape == (2, 3, *one.shape[2:4], 2 * one.shape[4])
    assert (two[:, :, :, :, : one.shape[4]] == one[:, 0::2]).all()
    assert (two[:, :, :, :, one.shape[4] :] == one[:, 1::2]).all()
    assert (both.grid(6).time, both.grid(6).tubelet) == (3, 2)
    assert (both.flop(6), both.parameters, both.status) == (plain.flop(6), plain.parameters, "trained")
    assert both.revision != plain.revision
    check_encoder(both, frames=4)


def test_its_twin_is_the_twin_in_pairs_and_its_floors_see_as_much(folder):
    both = load_encoder(f"pairs:{folder}")
    assert both.twin == f"pairs:random:{folder}"
    assert load_encoder(both.twin).status == "untrained"
    found = control_encoders(f"pairs:squashed:{folder}", both.twin)
    assert (found["pixels"], found["random-init"]) == ("squashed:pixels", both.twin)


@pytest.mark.parametrize(("name", "why"), [
    ("pairs:", "which encoder's"), ("pairs:pairs:pixels", "which"),
    ("pairs:vjepa2-tiny", "covers 2 frames already"),
])  # fmt: skip
def test_what_cannot_be_paired_is_one_line(name, why):
    with pytest.raises(RegistryError, match=why):
        load_encoder(name)


def test_an_odd_number_of_frames_is_refused(folder):
    with pytest.raises(ConfigError, match="joins 2 frames"):
        load_encoder(f"pairs:{folder}").grid(3)
