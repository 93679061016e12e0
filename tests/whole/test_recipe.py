"""The recipe of the shipped weights: it learns, goes on bit-equal, notices a collapse, and is V-JEPA 2's."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from recipes.pretrain_tiny import card, evaluate, masks, targets
from recipes.pretrain_tiny.export import export
from recipes.pretrain_tiny.objective import effective_rank, encode, patches, predict
from recipes.pretrain_tiny.pool import Pool
from recipes.pretrain_tiny.scenes import Renderer
from recipes.pretrain_tiny.settings import SETTINGS
from recipes.pretrain_tiny.train import CHECKPOINT, CollapseError, Trainer
from tests.builders.checks import some
from transformers import VJEPA2Model

from worldprobe.predictors.surprise import Slid

TOY = SETTINGS["toy"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A run to the end, which left copies of its folder as it was at steps 25 and 45: one in each stage."""
    out = tmp_path_factory.mktemp("toy")
    trainer = Trainer(TOY, out / "whole", device="cpu", every=10)
    for step in (25, 45):
        trainer.run(until=step)
        shutil.copytree(trainer.out, out / f"stopped-{step}")
    trainer.run()
    return trainer


def test_forty_steps_teach_the_encoder_and_twenty_the_predictor(trained: Trainer) -> None:
    first = [line for line in trained.log if line["step"] <= TOY.first]
    second = [line for line in trained.log if line["step"] > TOY.first]
    for lines, keys in ((first, ("motion", "picture", "spread")), (second, ("ahead",))):
        for key in keys:
            assert fmean(line[key] for line in lines[1:]) < 0.9 * lines[0][key], key


def test_the_encoder_stands_still_in_stage_2(trained: Trainer) -> None:
    frozen = torch.load(trained.out.parent / "stopped-45" / CHECKPOINT, weights_only=True)["target"]
    for name, value in some(trained.target.state_dict().items()):
        assert torch.equal(value, frozen[name]), name
        assert torch.equal(value, trained.model.encoder.state_dict()[name]), name


@pytest.mark.parametrize("step", [25, 45])
def test_a_run_that_was_stopped_goes_on_bit_equal(trained: Trainer, tmp_path: Path, step: int) -> None:
    stopped = shutil.copytree(trained.out.parent / f"stopped-{step}", tmp_path / "stopped")
    resumed = Trainer(TOY, stopped, device="cpu", every=10)
    assert resumed.step == step
    if step < 45:
        resumed.run(until=45)
    resumed.run()
    for name, whole in some(trained.model.state_dict().items()):
        assert torch.equal(whole, resumed.model.state_dict()[name]), name
    for name, whole in some(trained.target.state_dict().items()):
        assert torch.equal(whole, resumed.target.state_dict()[name]), name
    without_time = [[{**line, "seconds": 0} for line in one.log] for one in (trained, resumed)]
    assert without_time[0] == without_time[1]
    written = [json.loads(line) for line in (stopped / "log.jsonl").read_text().splitlines()]
    assert written == resumed.log


def test_a_checkpoint_of_other_settings_is_refused(trained: Trainer) -> None:
    with pytest.raises(ValueError, match="other settings"):
        Trainer(replace(TOY, decay=1.0), trained.out, device="cpu")


def test_a_collapse_stops_the_training(tmp_path: Path) -> None:
    # Latents alone, of an average that follows at once: everything may become one constant.
    settings = replace(
        TOY,
        motion=0.0,
        picture=0.0,
        latent=1.0,
        regulariser=(0.0, 0.0),
        momentum=(0.0, 0.0),
        rate=(5e-3, 5e-3),
        collapse=0.2,
    )
    trainer = Trainer(settings, tmp_path, device="cpu", every=5)
    with pytest.raises(CollapseError, match="effective rank"):
        trainer.run()
    assert (tmp_path / CHECKPOINT).exists()
    assert trainer.step < settings.steps


def test_the_forward_passes_are_transformers_own(trained: Trainer) -> None:
    model, side = trained.model.eval(), TOY.side
    pixels = torch.randn(3, TOY.frames, 3, TOY.crop, TOY.crop)
    with torch.no_grad():
        everything = torch.arange(TOY.tubelets * side * side).expand(3, -1)
        cut = patches(pixels, side=side)
        project = model.encoder.embeddings.patch_embeddings.proj
        embedded = torch.nn.functional.linear(cut, project.weight.flatten(1), project.bias)
        torch.testing.assert_close(embedded, model.encoder.embeddings(pixels))
        whole = model.encoder(pixels).last_hidden_state
        torch.testing.assert_close(encode(model.encoder, cut, everything, side=side), whole)
        # Context and targets in any order, as masks give them.
        order = torch.stack([torch.randperm(everything.shape[1]) for _ in range(3)])
        known, wanted = order[:, :20], order[:, 20:50]
        context = whole.gather(1, known[..., None].expand(-1, -1, whole.shape[-1]))
        expected = model.predictor(whole, [known], [wanted]).last_hidden_state
        torch.testing.assert_close(predict(model.predictor, context, known, wanted, side=side), expected)


def test_what_is_masked_is_never_seen(trained: Trainer) -> None:
    model, side = trained.model.eval(), TOY.side
    pixels = torch.randn(2, TOY.frames, 3, TOY.crop, TOY.crop)
    other = pixels.clone()
    other[:, 4:] = 0.0
    ids = torch.arange(2 * side * side).expand(2, -1)
    with torch.no_grad():
        seen = [encode(model.encoder, patches(p, side=side), ids, side=side) for p in (pixels, other)]
        prefix = model.encoder(pixels[:, :4]).last_hidden_state
    assert torch.equal(*seen)
    torch.testing.assert_close(seen[0], prefix)


@pytest.mark.parametrize("seed", range(20))
def test_masks_share_no_token_and_cover_what_they_say(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    each = {"clips": 5, "tubelets": 8, "side": 8}
    made = {
        "blocks": masks.multiblock(generator, **each),
        "causal": masks.causal(generator, **each, window=5),
        "frames": masks.causal(generator, **each, window=8, context=4),
        "through": masks.through(generator, **each, window=4),
        "step": masks.of_step(generator, **each, most=64),
    }
    for name, (context, target) in made.items():
        for seen, hidden in some(zip(context.tolist(), target.tolist(), strict=True)):
            assert seen
            assert hidden or name in ("through", "step")
            assert not set(seen) & set(hidden)
            assert seen == sorted(set(seen))
            assert hidden == sorted(set(hidden))
            assert min(seen + hidden) >= 0
            assert max(seen + hidden) < 512
            assert name != "step" or len(hidden) <= 64
            cells = {tuple(i % 64 for i in seen if i // 64 == t) for t in range(8)} - {()}
            if name != "step":  # the same cells at every time
                assert len(cells) == 1
            if name in ("causal", "frames"):
                assert max(seen) // 64 < min(hidden) // 64
            if name == "frames":
                assert (len(seen), len(hidden)) == (256, 256)
            if name in ("causal", "through"):
                rows, columns = ({i // 8 for i in min(cells)}, {i % 8 for i in min(cells)})
                side = 5 if name == "causal" else 4
                assert (len(rows), len(columns)) == (side, side)
                assert max(rows) - min(rows) == max(columns) - min(columns) == side - 1


def test_half_of_what_is_asked_for_is_what_moves_most() -> None:
    moved = torch.rand(6, 40, generator=torch.Generator().manual_seed(1))
    asked = masks.most_moved(torch.Generator().manual_seed(0), moved, 12)
    for one, values in some(list(zip(asked.tolist(), moved, strict=True))):
        assert len(set(one)) == 12
        assert one == sorted(one)
        assert set(values.topk(6).indices.tolist()) <= set(one)
        assert set(values.topk(12).indices.tolist()) != set(one)
    assert masks.most_moved(torch.Generator().manual_seed(0), moved, 99).tolist() == [list(range(40))] * 6


def _clip(grey: torch.Tensor) -> torch.Tensor:
    """Pixels [1, t, 3, h, w] of grey values [t, h, w]."""
    return grey[None, :, None].expand(-1, -1, 3, -1, -1)


@pytest.mark.parametrize(("vx", "vy"), [(1.0, 0.0), (-2.0, 0.0), (0.0, 1.5), (0.5, -1.0)])
def test_motion_targets_hold_the_speed_of_a_slope_that_moves(vx: float, vy: float) -> None:
    time, y, x = torch.meshgrid(*(torch.arange(n).float() for n in (8, 32, 32)), indexing="ij")
    slope = 0.3 * (x - vx * time) + 0.1 * (y - vy * time)
    found = targets.motion(_clip(slope), side=4).unflatten(1, (4, 4, 4))[0, :, 1:3, 1:3]  # no margin of the frame
    change = -(0.3 * vx + 0.1 * vy)  # the brightness constancy equation: It + vx Ix + vy Iy = 0
    expected = torch.tensor([change * 0.3, change * 0.1, change * 0.3, change * 0.1, 0.09, 0.01])
    torch.testing.assert_close(found[:-1], expected.expand_as(found[:-1]), atol=1e-4, rtol=1e-4)
    assert (found[-1, ..., 2:4] == 0).all()  # nothing follows


def test_motion_targets_of_a_still_are_its_edges_alone() -> None:
    torch.manual_seed(0)
    found = targets.motion(_clip(torch.randn(1, 32, 32).expand(8, -1, -1)), side=4)
    assert (found[..., :4] == 0).all()
    assert (found[..., 4:] > 0).all()


@pytest.mark.parametrize("contrast", [1.0, 5.0, -1.0])
def test_outlines_tell_an_edges_direction_whatever_its_contrast(contrast: float) -> None:
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    for slope, bin_ in ((x, 0), (x + y, 2), (y, 4), (y - x, 6)):
        found = targets.outlines(_clip(contrast * slope.expand(2, -1, -1)), side=4).unflatten(1, (4, 4))[
            0, 1:3, 1:3
        ]
        expected = torch.zeros(2, 2, 8)
        expected[..., bin_] = 1.0
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    assert (targets.outlines(_clip(torch.ones(2, 32, 32)), side=4) == 0).all()


def test_a_picture_target_is_the_cells_blocks_of_both_frames() -> None:
    torch.manual_seed(0)
    pixels = torch.randn(2, 4, 3, 32, 32)
    found = targets.picture(pixels, side=4).unflatten(1, (2, 4, 4)).unflatten(-1, (2, 3, 4, 4))
    # Tubelet 1, row 2, column 3; its second frame, green, block (1, 0) of 2 x 2 px.
    torch.testing.assert_close(found[1, 1, 2, 3, 1, 1, 1, 0], pixels[1, 3, 1, 18:20, 24:26].mean())
    assert targets.standard(100 * found.flatten(4).flatten(1, 3)).abs().max() <= 4


def test_clips_depend_on_seed_and_number_alone() -> None:
    renderer = Renderer(32, 8, 3)
    first = renderer.batch(5, 6)
    renderer.batch(6, 6)
    assert torch.equal(first, Renderer(32, 8, 3).batch(5, 6))
    assert not torch.equal(first, Renderer(32, 8, 4).batch(5, 6))
    assert first.shape == (6, 8, 3, 32, 32)
    assert first.dtype == torch.uint8
    assert first.float().std((1, 2, 3, 4)).min() > 1


def test_a_pool_gives_the_same_clips_for_a_step_wherever_it_lies_and_whatever_came_before(tmp_path: Path) -> None:
    whole = Pool(TOY, tmp_path / "one", "cpu")
    clips = [whole.clips(step) for step in range(4)]
    assert not torch.equal(clips[2], clips[3])
    assert torch.equal(Pool(TOY, tmp_path / "other", "cpu").clips(3), clips[3])
    rendered = whole.path.stat().st_mtime_ns
    assert torch.equal(Pool(TOY, tmp_path / "one", "cpu").clips(2), clips[2])
    assert whole.path.stat().st_mtime_ns == rendered


def test_the_effective_rank_of_known_spreads() -> None:
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(4000, 32, generator=generator)
    assert effective_rank(wide) > 31
    assert effective_rank(wide[:, :4] @ torch.randn(4, 32, generator=generator)) < 4.01
    assert effective_rank(torch.ones(100, 8)) < 1.01


def test_an_export_loads_with_plain_transformers_and_holds_the_average(trained: Trainer, tmp_path: Path) -> None:
    export(TOY, trained.out, tmp_path)
    model, info = VJEPA2Model.from_pretrained(tmp_path, output_loading_info=True, dtype=torch.float32)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    for name, value in model.encoder.state_dict().items():
        torch.testing.assert_close(value, trained.target.state_dict()[name], rtol=1e-3, atol=1e-6)


def test_the_card_says_surprise_by_the_calibrated_statistic(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails to come errs less than usual: calibrated that is found, by a mean of errors it is not."""
    rng = np.random.default_rng(0)

    def slid(_: object, impossible: bool, **__: int) -> Slid:
        known, told = (rng.normal(size=(6, t, 16, 4)).astype(np.float32) for t in (2, 4))
        size = 0.01 if impossible else 0.2
        return Slid(known, told, (told + size * rng.normal(size=told.shape)).astype(np.float32))

    pair = SimpleNamespace(possible=False, impossible=True)
    monkeypatch.setattr(evaluate, "render_pair", lambda *_: pair)
    monkeypatch.setattr(evaluate, "slide", slid)
    monkeypatch.setattr(evaluate.VJEPA2Predictor, "from_encoder", lambda _: None)
    rows = evaluate._surprise(SimpleNamespace(preprocess=lambda video: video), 20)  # type: ignore[arg-type]
    by = {(row["kind"], row["measure"], row["metric"]): row["value"] for row in rows}
    assert by["vanish", "calibrated", "auroc"] > 0.99
    assert by["vanish", "calibrated", "flagged"] > 0.9
    assert by["vanish", "mean", "auroc"] < 0.01
    told = card._surprise(rows)
    assert "| violation | AUROC | relative accuracy | flagged | AUROC, mean | AUROC, maximum |" in told
    for kind in evaluate.KINDS:
        assert f"| {kind} | {by[kind, 'calibrated', 'auroc']:.2f} [" in told
