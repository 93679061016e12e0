"""Impossible films of robots differ from possible ones by the violation alone."""

from types import SimpleNamespace

import numpy as np
import pytest
from tests.builders.robots import require_robots

from worldprobe.config import make_experiment
from worldprobe.errors import VideoError
from worldprobe.pipeline.predict.stage import predict
from worldprobe.pipeline.predict.surprise import Windows, _judged, _videos
from worldprobe.report.write import write_report
from worldprobe.results import SurpriseResult, read_results
from worldprobe.video.rendered.robots import draw, violations
from worldprobe.video.rendered.robots.plan import RATE, SIDE
from worldprobe.video.rendered.robots.violations import ROBOT_KINDS, render_robot_pair
from worldprobe.video.rendered.scenes import render_scenes
from worldprobe.video.rendered.violations import EARLIEST, FRAMES, KINDS, LATEST

OPPOSITES = {
    "robot-through-hand": "robot-untouched", "robot-vanish": "robot-appear", "robot-through-table": "robot-float",
}  # fmt: skip


@pytest.fixture(scope="module")
def pairs():
    require_robots()
    return {kind: [render_robot_pair(kind, 3, index) for index in range(2)] for kind in ROBOT_KINDS}


@pytest.mark.parametrize("kind", ROBOT_KINDS)
def test_a_pair_is_the_same_until_the_violation_and_differs_after_it(pairs, kind):
    for pair in pairs[kind]:
        assert pair.possible.shape == pair.impossible.shape == (FRAMES, SIDE, SIDE, 3)
        np.testing.assert_array_equal(pair.possible[: pair.at], pair.impossible[: pair.at])
        assert EARLIEST - 1 <= pair.at <= LATEST + 2
        differ = (pair.possible != pair.impossible).any(axis=3).mean(axis=(1, 2))
        assert differ[pair.at :].max() > 0.001
        assert differ.max() < 0.2  # the violation, not the world: no camera, arm or light is another
    assert (pairs[kind][0].possible != pairs[kind][1].possible).any()


def moves(video, first):
    """How much a film changes from a frame to the next after a frame, in the mean."""
    return float(np.abs(np.diff(video[first:].astype(float), axis=0)).mean())


def test_kinds_come_in_opposites(pairs):
    """What moves though nothing pushes it, and what stays though it is pushed: neither more motion nor less."""
    assert set(OPPOSITES) | set(OPPOSITES.values()) | {"robot-teleport"} == set(ROBOT_KINDS)
    for pair in pairs["robot-through-hand"]:
        assert moves(pair.impossible, pair.at + 1) < moves(pair.possible, pair.at + 1)
    for pair in pairs["robot-untouched"]:
        assert moves(pair.impossible, pair.at) > moves(pair.possible, pair.at)


def test_pairs_depend_on_kind_seed_and_number_alone(pairs):
    again = render_robot_pair("robot-float", 3, 1)
    np.testing.assert_array_equal(again.impossible, pairs["robot-float"][1].impossible)
    np.testing.assert_array_equal(again.possible, pairs["robot-float"][1].possible)


def watch(monkeypatch):
    """What pairs are drawn from, as they are rendered: what was played, and both films' states with the view."""
    kept, real = [], violations._drawn
    monkeypatch.setattr(violations, "_drawn", lambda *given: kept.append((given[1], given[2:])) or real(*given))
    return kept


def test_what_falls_falls_as_physics_has_it_until_the_table(monkeypatch):
    """Through the table an object goes on as it fell: the height it has is that of a free fall."""
    require_robots()
    kept = watch(monkeypatch)
    pair = render_robot_pair("robot-through-table", 5, 0)
    played, (possible, impossible, _) = kept[-1]
    height = impossible[:, played.at.start + 2]
    assert (possible[: pair.at - 1] == impossible[: pair.at - 1]).all()
    fall = np.diff(height, 2)[pair.at - 1 :] * RATE**2
    np.testing.assert_allclose(fall[1:-1], -9.81, rtol=0.02)
    assert possible[-1, played.at.start + 2] > 0 > height[-1]
    others = np.delete(np.arange(possible.shape[1]), np.r_[played.at])
    np.testing.assert_array_equal(possible[:, others], impossible[:, others])


def test_an_object_is_hidden_when_it_vanishes(monkeypatch):
    require_robots()
    kept = watch(monkeypatch)
    render_robot_pair("robot-vanish", 3, 0)
    played, (possible, impossible, view) = kept[-1]
    first = int(np.flatnonzero((possible != impossible).any(axis=1))[0])
    painter = draw.Painter(draw.mujoco_module(), played.world)
    *before, hidden = violations._shares(painter, played, view, (0, 6, first))
    painter.close()
    assert max(before) > 0.5
    assert hidden < 0.1


def test_what_no_clip_shows_is_an_error(monkeypatch):
    require_robots()
    monkeypatch.setattr(violations, "_TRIES", 1)
    monkeypatch.setitem(violations._KINDS, "robot-float", (("wave",), 16, violations._float))
    with pytest.raises(VideoError, match="none of 1 clips shows what robot-float needs"):
        render_robot_pair("robot-float", 0, 0)


def test_kinds_are_judged_among_those_of_their_family():
    windows = Windows(np.zeros((3, 2, 4)), np.zeros((3, 2, 4, 5)), np.zeros((3, 2, 4, 8)))
    found = {kind: {"predictor": windows} for kind in (*KINDS, *ROBOT_KINDS)}
    both = SimpleNamespace(found=found)
    videos = _videos(both, "predictor", "mean")
    assert list(videos) == [*KINDS, "all", "none", *ROBOT_KINDS, "robot-all", "robot-none"]
    assert _judged(videos) == [list(KINDS), ["all"], ["none"], list(ROBOT_KINDS), ["robot-all"], ["robot-none"]]
    assert len(videos["robot-all"]) == 3 * len(ROBOT_KINDS)
    assert len(videos["robot-none"]) == len(ROBOT_KINDS)  # two of three possible videos make a pair
    robots = SimpleNamespace(found={kind: found[kind] for kind in ROBOT_KINDS})
    assert _judged(_videos(robots, "predictor", "max")) == [list(ROBOT_KINDS), ["robot-all"], ["robot-none"]]


def test_a_run_scores_both_families_and_shows_them(pairs, tmp_path, monkeypatch):
    # One pair to be scored, and another for the ridge; that they depend on kind, seed and number is tested above.
    monkeypatch.setattr("worldprobe.pipeline.predict.surprise.render_robot_pair", lambda kind, _, n: pairs[kind][n])
    import torch
    from transformers import VJEPA2Config, VJEPA2Model

    torch.manual_seed(3)
    small = {"crop_size": 32, "patch_size": 16, "frames_per_clip": 8, "hidden_size": 48, "num_hidden_layers": 1,
             "num_attention_heads": 2, "pred_hidden_size": 24, "pred_num_hidden_layers": 1,
             "pred_num_attention_heads": 2, "pred_num_mask_tokens": 2}  # fmt: skip
    VJEPA2Model(VJEPA2Config(**small)).save_pretrained(tmp_path / "small")
    scenes = render_scenes(2, 8, tmp_path / "scenes")
    values = {"videos": ["x"], "encoder": str(tmp_path / "small"), "device": "cpu", "precision": "fp32"}
    asked = {"pairs": 1, "robot_pairs": 1, "context": 2, "horizon": 2, "twin": False}
    predict(make_experiment({**values, "predict": asked}), scenes, tmp_path)
    found = [r for r in read_results(tmp_path / "results.jsonl") if isinstance(r, SurpriseResult)]
    assert {r.violation for r in found} == {*KINDS, "all", *ROBOT_KINDS, "robot-all"}
    assert {r.n for r in found if r.violation == "robot-all"} == {len(ROBOT_KINDS)}
    assert len(write_report(tmp_path).future.violations) == len(KINDS) + len(ROBOT_KINDS) + 2
    assert (tmp_path / "figures" / "violations.png").stat().st_size > 10_000
    assert "robot-through-hand" in (tmp_path / "report.md").read_text()
