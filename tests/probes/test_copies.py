"""Copies under another name are found, and what only looks alike is not."""

import time

import numpy as np
import pytest

from worldprobe.probes.detection.copies import near_copies

EACH = 8


def scenes(groups, *, seed=0, grain=0.01, camera=True):
    """Small pictures of a blob that moves, before one background; groups of 8, each with its light."""
    rng = np.random.default_rng(seed)
    background = rng.random(64)
    place = np.arange(64)
    pictures = []
    for _ in range(groups):
        light = 1 + 0.1 * rng.standard_normal() + 0.01 * rng.standard_normal(EACH)
        start, speed = rng.uniform(0, 64), rng.normal()
        blob = np.exp(-(((place[None] - start - speed * np.arange(EACH)[:, None]) / 3) ** 2))
        seen = background if camera else rng.random(64)
        pictures.append(light[:, None] * seen + 0.3 * blob + grain * rng.standard_normal((EACH, 64)))
    return np.concatenate(pictures).astype(np.float32), np.repeat(np.arange(groups), EACH)


def test_films_that_were_copied_are_found_with_their_copies():
    pictures, group = scenes(40)
    noise = np.random.default_rng(1).normal(scale=0.003, size=(3 * EACH, 64)).astype(np.float32)
    again = np.isin(group, [3, 17, 30])
    found = near_copies(
        np.concatenate([pictures, pictures[again] + noise]), np.concatenate([group, group[again] + 1000])
    )
    pairs = {(3, 1003), (17, 1017), (30, 1030)}
    assert {tuple(pair) for pair in found.tolist()} == pairs | {(b, a) for a, b in pairs}


@pytest.mark.parametrize("camera", [True, False])
def test_neighbouring_films_by_one_camera_are_no_copies(camera):
    for seed in range(3):
        assert not len(near_copies(*scenes(60, seed=seed, camera=camera)))


def test_an_empty_view_under_changing_light_is_no_copy():
    """Nothing moves; each film has a brightness of its own."""
    rng = np.random.default_rng(0)
    background, light = rng.random(64), np.repeat(1 + 0.1 * rng.standard_normal(30), EACH)
    pictures = light[:, None] * background + 0.02 * rng.standard_normal((30 * EACH, 64))
    assert not len(near_copies(pictures.astype(np.float32), np.repeat(np.arange(30), EACH)))


def test_a_few_moments_that_meet_make_no_copy():
    pictures, group = scenes(20)
    pictures[:3] = pictures[-3:]
    assert not len(near_copies(pictures, group))


def test_one_group_or_one_picture_has_no_copy():
    pictures, group = scenes(1)
    assert not len(near_copies(pictures, group))
    assert not len(near_copies(np.ones((6, 4), np.float32), np.arange(6)))


def test_many_rows_are_thinned_and_copies_still_found():
    rng = np.random.default_rng(0)
    pictures = rng.random((4 * 500, 16), dtype=np.float32)
    pictures[1500:] = pictures[:500]
    started = time.process_time()
    found = near_copies(pictures, np.repeat(np.arange(4), 500))
    assert found.tolist() == [[0, 3], [3, 0]]
    assert time.process_time() - started < 5
