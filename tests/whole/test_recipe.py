"""The recipe of the shipped weights: it learns, goes on bit-equal, notices a collapse, and is V-JEPA 2's."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from recipes.pretrain_tiny import masks
from recipes.pretrain_tiny.export import export
from recipes.pretrain_tiny.objective import effective_rank, encode, predict
from recipes.pretrain_tiny.pool import Pool
from recipes.pretrain_tiny.prediction import CONTEXT, errors
from recipes.pretrain_tiny.scenes import Renderer
from recipes.pretrain_tiny.settings import SETTINGS
from recipes.pretrain_tiny.train import CHECKPOINT, CollapseError, Trainer
from tests.builders.checks import some
from transformers import VJEPA2Model

TOY = SETTINGS["toy"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A run to the end, which left a copy of its folder as it was at step 45."""
    out = tmp_path_factory.mktemp("toy")
    trainer = Trainer(TOY, out / "whole", device="cpu", every=10)
    trainer.run(until=45)
    shutil.copytree(trainer.out, out / "stopped")
    trainer.run()
    return trainer


def test_sixty_steps_lower_the_loss(trained: Trainer) -> None:
    for key in ("blocks", "causal", "spread"):
        assert trained.log[-1][key] < 0.8 * trained.log[0][key], key


def test_a_run_that_was_stopped_goes_on_bit_equal(trained: Trainer, tmp_path: Path) -> None:
    stopped = shutil.copytree(trained.out.parent / "stopped", tmp_path / "stopped")
    resumed = Trainer(TOY, stopped, device="cpu", every=10)
    assert resumed.step == 45
    resumed.run()
    for name, whole in some(trained.model.state_dict().items()):
        assert torch.equal(whole, resumed.model.state_dict()[name]), name
    for name, whole in some(trained.target.state_dict().items()):
        assert torch.equal(whole, resumed.target.state_dict()[name]), name
    without_time = [
        [{**line, "seconds": 0} for line in one.log if line["step"] % 10 == 0] for one in (trained, resumed)
    ]
    assert without_time[0] == without_time[1]
    written = [json.loads(line) for line in (stopped / "log.jsonl").read_text().splitlines()]
    assert written == resumed.log


def test_a_checkpoint_of_other_settings_is_refused(trained: Trainer) -> None:
    with pytest.raises(ValueError, match="other settings"):
        Trainer(replace(TOY, rate=1.0), trained.out, device="cpu")


def test_a_collapse_stops_the_training(tmp_path: Path) -> None:
    # Without the regulariser, with targets that follow at once: everything may become one constant.
    settings = replace(TOY, regulariser=(0.0, 0.0), momentum=(0.0, 0.0), rate=5e-3, collapse=0.2)
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
        embedded = model.encoder.embeddings(pixels)
        whole = model.encoder(pixels).last_hidden_state
        torch.testing.assert_close(encode(model.encoder, embedded, everything, side=side), whole)
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
        seen = [encode(model.encoder, model.encoder.embeddings(p), ids, side=side) for p in (pixels, other)]
        prefix = model.encoder(pixels[:, :4]).last_hidden_state
    assert torch.equal(*seen)
    torch.testing.assert_close(seen[0], prefix)


@pytest.mark.parametrize("seed", range(20))
def test_masks_share_no_token_and_cover_what_they_say(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    each = {"clips": 5, "tubelets": 8, "side": 8}
    for make in (masks.multiblock, masks.causal):
        context, target = make(generator, **each)
        for seen, hidden in some(zip(context.tolist(), target.tolist(), strict=True)):
            assert seen
            assert hidden
            assert not set(seen) & set(hidden)
            assert seen == sorted(set(seen))
            assert hidden == sorted(set(hidden))
            assert min(seen + hidden) >= 0
            assert max(seen + hidden) < 512
            if make is masks.causal:
                assert max(seen) < min(hidden)
                assert len(seen) % 64 == len(hidden) % 64 == 0
            else:  # the same cells at every time
                assert len({tuple(i - 64 * t for i in seen if i // 64 == t) for t in range(8)}) == 1


def test_clips_depend_on_seed_and_number_alone() -> None:
    renderer = Renderer(32, 8, 3)
    first = renderer.batch(5, 6)
    renderer.batch(6, 6)
    assert torch.equal(first, Renderer(32, 8, 3).batch(5, 6))
    assert not torch.equal(first, Renderer(32, 8, 4).batch(5, 6))
    assert first.shape == (6, 8, 3, 32, 32)
    assert first.dtype == torch.uint8
    assert first.float().std((1, 2, 3, 4)).min() > 1


def test_a_pool_asked_from_the_middle_gives_what_it_would_have_given() -> None:
    whole, late = Pool(TOY, "cpu"), Pool(TOY, "cpu")
    clips = [whole.clips(step) for step in range(30)]
    assert torch.equal(late.clips(28), clips[28])
    assert torch.equal(late.clips(29), clips[29])


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


def test_copy_last_is_exact_where_nothing_moves_and_nothing_has_changed_there() -> None:
    torch.manual_seed(0)
    model = VJEPA2Model(replace(TOY, frames=16).config()).eval()
    still = torch.randint(0, 256, (2, 1, 3, TOY.crop, TOY.crop), dtype=torch.uint8).expand(-1, 16, -1, -1, -1)
    error, changed = errors(model, still)
    assert error.shape == (2, 4, TOY.side**2, 2)
    assert not changed.any()
    moving = still.clone()
    moving[:, 2 * CONTEXT + 2 :, :, :8, 8:16] = 255 - moving[:, 2 * CONTEXT + 2 :, :, :8, 8:16]
    _, changed = errors(model, moving)
    assert changed[:, 0].sum() == 0
    assert changed[:, 1:].sum() == 2 * 3
    assert changed[:, 1:, 1].all()
