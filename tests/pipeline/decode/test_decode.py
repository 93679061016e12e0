"""Decoding from videos to a report: what is held out, what is said, what cannot be done."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.builders.checks import some
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner

from worldprobe import decoders
from worldprobe.cli import app
from worldprobe.config import Decode, make_experiment, to_toml
from worldprobe.decoders import checkpoints
from worldprobe.decoders.cnn import CnnDecoder
from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.preprocess import crop_frames
from worldprobe.errors import ConfigError, DecoderError, ProbeError, StoreError, WorldprobeError
from worldprobe.pipeline.checks import check
from worldprobe.pipeline.decode import rows as decode_rows
from worldprobe.pipeline.decode import training as decode_training
from worldprobe.pipeline.decode.frames import keep_frames, regions_of, sized, through
from worldprobe.pipeline.decode.stage import decode_into, truth_of
from worldprobe.pipeline.decode.training import DecodingPlan, open_workshop, train_all
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.progress import silent
from worldprobe.pipeline.sources import ids_of
from worldprobe.pipeline.stored import unpooled
from worldprobe.report.write import write_report
from worldprobe.results import DecodingResult, ProbeResult, read_results, write_results
from worldprobe.store import Store
from worldprobe.video.read import open_video
from worldprobe.video.write import write_video

STEPS = 8


@pytest.fixture(scope="module")
def scenes(rendered, tmp_path_factory):
    return rendered(12, 0, tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def store(scenes, tmp_path_factory):
    """Tokens of 12 scenes at two blocks, and those that the controls read."""
    place = Store(str(tmp_path_factory.mktemp("store") / "embeddings.zarr"))
    for name, blocks in (("vjepa2-tiny", [1, 3]), ("random:vjepa2-tiny", [1, 3]), ("pixels", [0])):
        encode(scenes, encoder=load_encoder(name), store=place, blocks=blocks)
    return place


def plan(**changes):
    table = {"steps": STEPS, "size": 32, "options": {"cnn": {"channels": 32}}, **changes.pop("decode", {})}
    return DecodingPlan(encoder="vjepa2-tiny", decode=Decode(**table), precision="fp32", **changes)


@pytest.fixture(scope="module")
def run(store, scenes, tmp_path_factory):
    """A run with every control and the ladder: its folder."""
    out = tmp_path_factory.mktemp("run")
    asked = plan(decode={"ladder": True})
    decode_into(out, store, ids_of(scenes), asked, Ledger(), labels=truth_of(scenes), film=out / "film.mp4")
    write_report(out)
    return out


def shop(store, scenes, tmp_path, **changes):
    return open_workshop(store, ids_of(scenes), plan(**changes), tmp_path, Ledger(), progress=silent)


def test_frames_are_what_the_model_saw(scenes):
    encoder = load_encoder("vjepa2-tiny")
    with open_video(scenes[0]) as video:
        frames = np.stack([rgb for _, rgb in video.frames([0, 5])])
        view = encoder.view(video.ref.width, video.ref.height)
    np.testing.assert_array_equal(through(frames, view, size=(64, 64)), crop_frames(frames, crop=64))
    assert through(frames, view, size=(32, 32)).shape == (2, 3, 32, 32)
    half = sized(view, (32, 32))
    np.testing.assert_allclose(half.to_model(np.array([80.0, 70.0])), view.to_model(np.array([80.0, 70.0])) / 2)


def test_no_group_stands_on_two_sides_and_pairs_match(store, scenes, tmp_path):
    rows = shop(store, scenes, tmp_path).rows
    parts = [set(rows.group[list(part)]) for part in (rows.training, rows.validation, rows.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 12
    tokens, frames = rows.pairs.read(rows.test[0])
    assert (tokens.shape, frames.shape) == ((8, 8, 8, 128), (8, 2, 3, 32, 32))
    number, clip = rows.pairs.clips[rows.test[0]]
    series = rows.pairs.series[number]
    with open_video(series.video.path) as video:
        third = video.frame(series.specs[clip].indices[2])
    np.testing.assert_array_equal(frames[1, 0], through(third[None], series.view, size=(32, 32))[0])


def test_shuffled_embeddings_are_another_groups_of_the_same_part(store, scenes, tmp_path):
    rows = shop(store, scenes, tmp_path).rows
    partner = decode_rows.mismatched(rows, seed=0)
    assert sorted(partner) == list(range(12))
    for part in (rows.training, rows.validation, rows.test):
        assert {partner[row] for row in part} == set(part)
    assert all(rows.group[row] != rows.group[other] for row, other in some(enumerate(partner)))


def test_masks_lie_on_the_objects(store, scenes, tmp_path):
    """Scenes' subjects are brighter than their background."""
    rows = shop(store, scenes, tmp_path).rows
    regions = regions_of(rows.pairs, truth_of(scenes), rows=rows.test)
    inside, outside = [], []
    for row in some(rows.test):
        masks, frames = regions.of(row), rows.pairs.read(row)[1].mean(axis=2)
        assert masks.shape == frames.shape
        inside.append(frames[masks].mean())
        outside.append(frames[~masks].mean())
    assert np.mean(inside) > 1.3 * np.mean(outside)


def test_a_bounded_file_takes_fewer_tubelets_a_clip_and_says_no_where_none_fits(store, scenes, tmp_path):
    series, _ = unpooled(store, ids_of(scenes), encoder="vjepa2-tiny", blocks="last")
    clips = [(number, 0) for number in range(12)]
    each = 2 * 3 * 16 * 16
    (tmp_path / ".f.4711.partial").write_bytes(b"of a process that was killed")
    (tmp_path / ".g.4711.partial").write_bytes(b"of something else")
    kept = keep_frames(series, clips, tmp_path / "f", size=(16, 16), progress=silent, most_bytes=12 * 4 * each)
    assert (kept.every, kept.file.shape) == (2, (12, 4, 2, 3, 16, 16))
    assert (tmp_path / "f").stat().st_size == 12 * 4 * each
    assert [one.name for one in tmp_path.glob(".*.partial")] == [".g.4711.partial"]
    with pytest.raises(DecoderError, match="smaller --size"):
        keep_frames(series, clips, tmp_path / "f", size=(16, 16), progress=silent, most_bytes=11 * each)


def test_every_decoder_stands_beside_every_control(run):
    lines = [one for one in read_results(run / "results.jsonl") if one.kind == "decoding"]
    sound = [one for one in lines if one.protocol == "sound" and one.metric == "psnr" and one.region == "all"]
    assert {one.baseline for one in sound} == {
        "none", "mean-image", "shuffled-embedding", "random-init", "pixels", "bicubic-8", "bicubic-16",
    }  # fmt: skip
    by = {one.baseline: one for one in sound}
    assert by["bicubic-8"].score < by["bicubic-16"].score
    assert by["none"].score > by["shuffled-embedding"].score
    assert all(one.low <= one.score <= one.high for one in some(sound))
    assert {one.n for one in sound} == {3 * 16}
    baselines = {one.baseline for one in sound} - {"none"}
    for one in sound:
        assert set(one.against) == (baselines if one.baseline == "none" else set())
    regions = {one.region for one in lines if one.baseline == "none" and one.metric == "psnr"}
    assert regions == {"all", "inside", "outside"}
    lpips = next(one for one in lines if one.metric == "lpips")
    assert lpips.score is None
    assert "torchvision" in lpips.notes[0]


def test_the_ladder_changes_one_thing_at_a_time(run):
    lines = [one for one in read_results(run / "results.jsonl") if one.kind == "decoding"]
    psnr = [one for one in lines if (one.metric, one.region) == ("psnr", "all")]
    rungs = {one.protocol: one for one in psnr if one.protocol != "sound"}
    assert list(rungs) == [f"ladder-{number}" for number in (1, 2, 3, 4, 5, 6)]
    assert [rungs[f"ladder-{k}"].n for k in (1, 2, 3, 4, 5)] == [6, 6 * 16, 3 * 16, 3 * 16, 3 * 16]
    assert rungs["ladder-5"].score > rungs["ladder-4"].score + 3
    assert rungs["ladder-6"].tap in [
        f"vjepa2-tiny/{name}.out" for name in ("block1", "block3", "block1+3", "sum1+3")
    ]


def test_a_run_leaves_weights_pictures_figures_and_a_film(run):
    decoder = decoders.load(run / "decoders" / "cnn")
    assert decoder.facts["tap"] == "vjepa2-tiny/block3.out"
    assert (run / "decoders" / "cnn" / "losses.jsonl").exists()
    assert not list(run.rglob("checkpoint*"))
    assert not list(run.rglob("frames.u8"))
    for name in ("decoder_loss", "decoder_reconstructions"):
        assert (run / "figures" / f"{name}.png").stat().st_size > 10_000
    with open_video(run / "film.mp4") as film:
        assert film.ref.frames == 3 * 16
        assert (film.ref.width, film.ref.height) == (256, 512)
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    for words in ("What can be drawn from what it holds?", "What the blur is made of", "data:image/webp;base64"):
        assert words in page
    assert "bicubic from 8 × 8" in text
    assert "train cnn" in page


def test_a_second_run_trains_nothing_again(run, store, scenes):
    before = (run / "decoders" / "cnn" / "model.safetensors").stat().st_mtime_ns
    ledger = Ledger()
    decode_into(run, store, ids_of(scenes), plan(decode={"ladder": True}), ledger, labels=truth_of(scenes))
    assert [cost.stage for cost in ledger.costs] == ["frames"]
    assert (run / "decoders" / "cnn" / "model.safetensors").stat().st_mtime_ns == before
    stages = {one.stage for one in read_results(run / "results.jsonl") if one.kind == "cost"}
    assert "train cnn" in stages


def test_weights_are_tested_only_on_what_they_have_not_seen(run, store, scenes, tmp_path):
    folder = run / "decoders" / "cnn"
    decode_into(tmp_path, store, ids_of(scenes), plan(weights=folder), Ledger())
    lines = [one for one in read_results(tmp_path / "results.jsonl") if one.kind == "decoding"]
    whole = [one for one in read_results(run / "results.jsonl") if one.kind == "decoding"]

    def psnr(found):
        return next(one for one in found if (one.baseline, one.metric, one.region) == ("none", "psnr", "all"))

    assert psnr(lines).score == pytest.approx(psnr(whole).score)
    seen = json.loads((folder / "trained_on.json").read_text())
    every = {video: [0] for video in ids_of(scenes)}
    (folder / "trained_on.json").write_text(json.dumps(every))
    try:
        with pytest.raises(DecoderError, match="trained on every clip"):
            decode_into(tmp_path, store, ids_of(scenes), plan(weights=folder), Ledger())
    finally:
        (folder / "trained_on.json").write_text(json.dumps(seen))
    with pytest.raises(DecoderError, match="use --size 32"):
        decode_into(tmp_path, store, ids_of(scenes), plan(weights=folder, decode={"size": 48}), Ledger())
    with pytest.raises(
        DecoderError, match=r"trained on vjepa2-tiny/block3.out, and these are .* vjepa2-tiny/block1.out"
    ):
        decode_into(tmp_path, store, ids_of(scenes), plan(weights=folder, decode={"blocks": "1"}), Ledger())
    with pytest.raises(DecoderError, match="8 x 8 x 128, got tokens of 8 x 8 x 256"):
        decode_into(tmp_path, store, ids_of(scenes), plan(weights=folder, decode={"blocks": "1,3"}), Ledger())


def test_pooled_embeddings_are_refused_with_the_command_that_makes_tokens(scenes, tmp_path):
    pooled = Store(str(tmp_path / "pooled.zarr"))
    encode(scenes[:1], encoder=load_encoder("pixels"), store=pooled, blocks=[0], pool="space")
    for encoder, what in (("pixels", "only pooled embeddings"), ("vjepa2-tiny", "no embeddings")):
        with pytest.raises(StoreError, match=rf"{what}.*worldprobe encode .*--encoder {encoder} .*--pool none"):
            unpooled(pooled, ids_of(scenes[:1]), encoder=encoder, blocks="last")


def test_too_few_groups_are_said_before_anything_is_read(store, scenes, tmp_path):
    with pytest.raises(ProbeError, match="found 3 groups"):
        shop(store, scenes[:3], tmp_path)
    assert not list(tmp_path.rglob("frames.u8"))


def test_blocks_that_are_not_there_are_named(store, scenes):
    with pytest.raises(ConfigError, match=r"blocks \[2\] .*holds \[1, 3\]"):
        unpooled(store, ids_of(scenes), encoder="vjepa2-tiny", blocks="2,3")


def test_the_table_of_an_experiment_goes_there_and_back(tmp_path):
    table = {
        "decoders": ["cnn", "flow"],
        "options": {"flow": {"latent": "some/vae", "channels": 32}},
        "ladder": True,
    }
    experiment = make_experiment({"videos": ["a.mp4"], "decode": table})
    path = tmp_path / "experiment.toml"
    path.write_text(to_toml(experiment))
    from worldprobe.config import read_experiment

    assert read_experiment(path) == experiment
    with pytest.raises(ConfigError, match=r"unknown 'decode.sise'; did you mean 'decode.size'"):
        make_experiment({"videos": ["a.mp4"], "decode": {"sise": 64}})
    with pytest.raises(ConfigError, match="split that is not random"):
        make_experiment({"videos": ["a.mp4"], "decode": {}, "split": "random"})
    with pytest.raises(ConfigError, match="did you mean 'shuffled'"):
        make_experiment({"videos": ["a.mp4"], "decode": {"controls": ["shufled"]}})


def test_the_command_encodes_trains_and_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["decode", "scenes:6", "--out", "run", "--size", "16", "--steps", "4"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    for word in ("cnn", "bicubic", "PSNR", "report.html"):
        assert word in done.stdout
    assert "[decode]" in Path("run/experiment.toml").read_text()
    arguments = ["decode", "scenes:6", "--decoder", "cnm", "--out", "other", "--store", "run/embeddings.zarr"]
    seen = CliRunner().invoke(app, arguments)
    assert isinstance(seen.exception, WorldprobeError)
    assert "did you mean 'cnn'" in str(seen.exception)


def test_a_plug_in_of_another_package_is_trained_by_the_same_loop(store, scenes, tmp_path):
    asked = plan(decode={"decoders": ["tests.builders.flat_decoder:Flat"], "controls": []})
    decode_into(tmp_path, store, ids_of(scenes), asked, Ledger())
    names = {one.decoder for one in read_results(tmp_path / "results.jsonl") if one.kind == "decoding"}
    assert names == {"tests.builders.flat_decoder:Flat"}


def test_videos_that_were_moved_after_they_were_encoded_are_found_where_they_are_named(store, scenes, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = [Path(shutil.copy(path, elsewhere)) for path in scenes]
    copied = Store(str(tmp_path / "store"))
    encode(moved, encoder=load_encoder("pixels"), store=copied, blocks=[0])
    asked = replace(plan(decode={"steps": 2, "controls": []}), encoder="pixels")
    for path in moved:
        path.unlink()
    decode_into(tmp_path / "run", copied, ids_of(scenes), asked, Ledger())
    assert any(line.kind == "decoding" for line in read_results(tmp_path / "run" / "results.jsonl"))


def test_decoders_trained_side_by_side_are_what_they_are_one_after_the_other(store, scenes, tmp_path):
    found = {}
    for threads in (1, 2):
        asked = shop(store, scenes, tmp_path / str(threads), decode={"controls": ["shuffled"]})
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with threadpool_limits(threads, user_api="blas"):
                found[threads] = train_all(asked)
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
        booked = [cost.stage for cost in asked.ledger.costs]
        assert sorted(booked) == ["frames", "train cnn", "train cnn-shuffled"]
    assert [one.name for one in found[2]] == ["cnn", "cnn-shuffled"]
    for alone, beside in zip(found[1], found[2], strict=True):
        weights = beside.decoder.module.state_dict()
        for name, one in alone.decoder.module.state_dict().items():
            torch.testing.assert_close(one, weights[name], rtol=0, atol=0)


def test_a_decoder_that_fails_ends_the_one_beside_it_at_its_checkpoint(store, scenes, tmp_path, monkeypatch):
    monkeypatch.setitem(CnnDecoder.recipe, "every", 4)
    asked = shop(
        store,
        scenes,
        tmp_path,
        decode={"controls": ["shuffled"], "steps": 5000, "batch": 1, "options": {"cnn": {"channels": 8}}},
    )
    folder = tmp_path / "decoders" / "cnn"

    def fail(stage, done, total, note=""):
        if stage == "train cnn-shuffled" and (folder / "checkpoint.safetensors").exists():
            raise ValueError("of the control")

    asked.progress = fail
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2, user_api="blas"), pytest.raises(ValueError, match="of the control"):
            train_all(asked)
    finally:
        torch.set_num_threads(before)
    assert [path.name for path in folder.iterdir()] == ["checkpoint.safetensors"]
    _, facts = checkpoints.read(folder / "checkpoint.safetensors")
    assert 0 < facts["step"] < 5000


def test_videos_without_clips_are_none_of_those_that_are_decoded(store, scenes, tmp_path, monkeypatch):
    ids = list(ids_of(scenes))
    monkeypatch.setattr(
        decode_training, "whole_clips", lambda place, one, blocks: [] if one.video.id in ids[::3] else [0]
    )
    found = shop(store, scenes, tmp_path, decode={"videos": 6})
    assert [ids.index(one.video.id) for one in found.series] == [1, 2, 5, 7, 10, 11]
    assert found.usable == 8
    with pytest.raises(ProbeError, match=r"videos = 4 in \[decode\] leaves too little .* or leave it out"):
        shop(store, scenes, tmp_path / "few", decode={"videos": 4})


def test_too_few_videos_to_decode_are_refused_before_anything_is_encoded(scenes, tmp_path):
    def asked(split="grouped", **table):
        values = {"videos": ["a.mp4"], "labeller": "truth", "split": split, "decode": table}
        check(make_experiment(values), scenes, tmp_path / "run")

    said = (
        r"videos = 4 in \[decode\] leaves 4 groups \(shots or episodes\), .* needs 5 or more .*: set videos to 5 or"
    )
    with pytest.raises(ConfigError, match=said):
        asked(videos=4)
    with pytest.raises(ConfigError, match=r"videos = 2 in \[decode\] leaves 2 videos, .* needs 3 or more"):
        asked("video", videos=2)
    asked(videos=5)
    asked("video", videos=3)
    asked("blocked", videos=1)
    asked()


def test_one_video_of_several_shots_may_be_enough_to_decode(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (6, 3), dtype=np.uint8)
    for name in ("a", "b"):
        frames = [np.tile(colours[shot], (64, 64, 1)) for shot in range(6) for _ in range(16)]
        write_video(tmp_path / f"{name}.mp4", frames, rate=10)
    videos = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    check(make_experiment({"videos": ["a.mp4"], "decode": {"videos": 1}}), videos, tmp_path / "run")


def test_decoders_of_some_videos_leave_what_is_known_of_all(store, scenes, tmp_path):
    other = ProbeResult(
        task="xy", encoder="vjepa2-tiny", tap="t", features="z", input="native", probe="ridge", control="none",
        split="grouped", metric="r2", score=0.5, low=0.4, high=0.6, n_train=1, n_test=1, n_groups=12, seed=0,
    )  # fmt: skip
    asked = plan(decode={"controls": ["mean-image"], "videos": 12})
    decode_into(tmp_path, store, ids_of(scenes), asked, Ledger())
    write_results(tmp_path / "results.jsonl", [other, *read_results(tmp_path / "results.jsonl")])
    some_of = plan(decode={"controls": ["mean-image"], "videos": 6})
    decode_into(tmp_path, store, ids_of(scenes), some_of, Ledger())
    found = read_results(tmp_path / "results.jsonl")
    assert other in found
    assert {one.n_train for one in found if isinstance(one, DecodingResult)} == {
        3 * 8
    }  # of six one is for validation, two are for the test
    assert json.loads((tmp_path / "provenance.json").read_text())["videos"]["count"] == 12
    assert json.loads((tmp_path / "alignment.json").read_text())["notes"] == [
        "Decoded: 6 of 12 videos, evenly spread"
    ]
    decode_into(tmp_path, store, ids_of(scenes), asked, Ledger())
    assert json.loads((tmp_path / "alignment.json").read_text())["notes"] == []
