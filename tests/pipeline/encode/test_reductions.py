"""Several blocks read as one, in the store: encoded or worked out of what is stored, the same to the bit."""

from __future__ import annotations

import re

import numpy as np
import pytest
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.config import make_experiment, read_experiment
from worldprobe.encoders.load import load_encoder
from worldprobe.encoders.reductions import reduced
from worldprobe.errors import ConfigError, PredictionError, StoreError
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.encode.stage import check_blocks
from worldprobe.pipeline.estimate.run import estimate
from worldprobe.pipeline.export import export_embeddings
from worldprobe.pipeline.predict.decoder import will_draw
from worldprobe.pipeline.stored import chosen_blocks, decoded_blocks, unpooled
from worldprobe.records import Reduction
from worldprobe.results import DecodingResult, ProbeResult, UnlabelledResult, read_results
from worldprobe.store import Store

TAP = "vjepa2-tiny/sum2+3.out"
SUM, JOIN = Reduction("sum", (2, 3)), Reduction("join", (2, 3))


@pytest.fixture(scope="module")
def tiny():
    return load_encoder("vjepa2-tiny", precision="fp32")


@pytest.fixture(scope="module")
def scenes(rendered, tmp_path_factory):
    return rendered(10, 0, tmp_path_factory.mktemp("scenes"))


def stored(store, block):
    """Every clip of every video that is stored at a block, in order."""
    return [
        embeddings.values
        for video in store.videos()
        for series, _ in store.find(video, encoder="vjepa2-tiny")
        for _, embeddings in store.read(series, block)
    ]


class Forbidden:
    """An encoder that says what another one is and must not be run."""

    def __init__(self, encoder, allowed=0):
        self._encoder, self.left = encoder, allowed

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def encode(self, clips, *, blocks):
        self.left -= len(clips)
        assert self.left >= 0, "was run on what is stored"
        return self._encoder.encode(clips, blocks=blocks)


def test_what_the_store_holds_is_reduced_and_not_encoded_again(tiny, scenes, tmp_path):
    direct, later = Store(str(tmp_path / "direct")), Store(str(tmp_path / "later"))
    assert encode(scenes[:2], encoder=tiny, store=direct, blocks=[SUM, JOIN]).made == 2
    assert direct.find(direct.videos()[0], encoder="vjepa2-tiny")[0][1] == [SUM, JOIN]
    encode(scenes[:2], encoder=tiny, store=later, blocks=[2, 3])
    again = encode(scenes[:2], encoder=Forbidden(tiny), store=later, blocks=[SUM, JOIN])
    assert (again.made, again.found) == (0, 2)
    for block in (SUM, JOIN):
        one, other = stored(direct, block), stored(later, block)
        assert len(one) == 2
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    width = tiny.width
    assert (stored(later, SUM)[0].shape[-1], stored(later, JOIN)[0].shape[-1]) == (width, 2 * width)
    # A clip whose block is damaged is encoded: nothing is worked out of what cannot be read.
    (series, _), *_ = later.find(later.videos()[0], encoder="vjepa2-tiny")
    for name in ("sum2+3.out", "block2.out"):
        chunk = tmp_path / "later" / series.path / name / "c.0.0.0.0.0"
        chunk.unlink() if name.startswith("sum") else chunk.write_bytes(chunk.read_bytes()[:-9] + bytes(9))
    once = Forbidden(tiny, allowed=1)
    assert encode(scenes[:2], encoder=once, store=later, blocks=[SUM, JOIN]).made == 1
    assert once.left == 0
    assert all(np.array_equal(a, b) for a, b in zip(stored(direct, SUM), stored(later, SUM), strict=True))


def test_pooled_tokens_are_normed_before_they_are_averaged(tiny, scenes, tmp_path):
    whole, pooled = Store(str(tmp_path / "whole")), Store(str(tmp_path / "pooled"))
    encode(scenes[:1], encoder=tiny, store=whole, blocks=[SUM])
    encode(scenes[:1], encoder=tiny, store=pooled, blocks=[2, 3], pool="space")
    with pytest.raises(AssertionError, match="was run"):
        encode(scenes[:1], encoder=Forbidden(tiny), store=pooled, blocks=[SUM], pool="space")
    encode(scenes[:1], encoder=tiny, store=pooled, blocks=[SUM], pool="space")
    expected = stored(whole, SUM)[0].astype(np.float32).mean(axis=(1, 2)).astype(np.float16)
    np.testing.assert_array_equal(stored(pooled, SUM)[0], expected)
    averaged = {block: stored(pooled, block)[0] for block in (2, 3)}
    assert not np.allclose(reduced(SUM, averaged), expected, atol=0.1)


def test_a_run_reads_a_sum_beside_its_twins(scenes, tmp_path):
    """From the command to the report: taps, controls and conclusions; decoders read it, and it is exported."""
    films, out, place = [str(path) for path in scenes[:6]], tmp_path / "run", str(tmp_path / "s.zarr")
    (tmp_path / "e.toml").write_text(
        f"videos = {films}\nlabeller = 'truth'\ntasks = ['xy']\nfeatures = ['z']\nevidence = ['unlabelled']\n"
        "controls = ['random-init', 'majority']\nblocks = 'last,sum:last2'\nprecision = 'fp32'\npca = 8\n"
        "[decode]\nblocks = 'sum:last2'\nsteps = 5\nsize = 32\ncontrols = ['random-init']\n"
        "options = { cnn = { channels = 32 } }\n"
    )
    done = CliRunner().invoke(app, ["run", str(tmp_path / "e.toml"), "--out", str(out), "--store", place])
    assert done.exit_code == 0, done.output
    results = read_results(out / "results.jsonl")
    probed = {(line.control, line.tap) for line in results if isinstance(line, ProbeResult)}
    assert {("none", "vjepa2-tiny/block3.out"), ("none", TAP), ("random-init", TAP)} <= probed
    assert {line.protocol for line in results if isinstance(line, ProbeResult)} == {"sound+pca8"}
    described = [line for line in results if isinstance(line, UnlabelledResult)]
    assert {(line.control, line.tap) for line in described} == {("none", TAP), ("random-init", TAP)}
    decoded = {(line.baseline, line.tap) for line in results if isinstance(line, DecodingResult)}
    assert {("none", TAP), ("random-init", f"random:{TAP}")} <= decoded
    for said in ((out / "report.md").read_text(), (out / "report.html").read_text()):
        assert "sum2+3" in said
        assert "Probes saw the first 8 principal components of the standardised features" in said
    vectors = export_embeddings(out, tmp_path / "all.parquet", form="parquet", store=Store(place)).vectors
    assert vectors == {"block3.z": 128, "sum2+3.z": 128}
    # What is not there is named, with the command that makes it.
    store = Store(place)
    assert unpooled(store, store.videos(), encoder="vjepa2-tiny", blocks="sum:2+3")[1] == (SUM,)
    with pytest.raises(ConfigError, match=re.escape("blocks [join:2+3] of vjepa2-tiny are not in")):
        unpooled(store, store.videos(), encoder="vjepa2-tiny", blocks="join:2+3")
    options = ["--store", place, "--labels", str(out / "labels.parquet"), "--out", str(tmp_path / "again")]
    less = ["--tasks", "xy", "--features", "z", "--controls", "majority", "--evidence", "none"]
    done = CliRunner().invoke(app, ["probe", *options, *less, "--blocks", "sum:last2", "--pca", "2"])
    assert done.exit_code == 0, done.output
    asked_for = read_experiment(tmp_path / "again" / "experiment.toml")
    assert (asked_for.blocks, asked_for.pca) == ("sum:last2", 2)
    found = [one for one in read_results(tmp_path / "again" / "results.jsonl") if isinstance(one, ProbeResult)]
    assert {(one.tap, one.protocol) for one in found if one.control == "none"} == {(TAP, "sound+pca2")}
    done = CliRunner().invoke(app, ["probe", *options, "--blocks", "join:last2"])
    assert isinstance(done.exception, StoreError)
    assert re.search(r"no native embeddings of vjepa2-tiny at join2\+3 .* --blocks join:2\+3`", str(done.exception))


@pytest.mark.parametrize(
    ("choice", "stored", "expected"),
    [
        ("last", [2, 3, SUM], [3]),
        ("last", [SUM], [SUM]),
        ("last", [SUM, JOIN], [JOIN]),
        ("sum:last2", [SUM], [SUM]),
        ("0,3", [0, 3, SUM], [0, 3]),
        ("all", [0, 3], [0, 1, 2, 3]),
    ],
)
def test_a_choice_is_of_what_the_store_holds(choice, stored, expected):
    assert chosen_blocks(choice, stored) == expected


def test_decoders_read_a_sum_alone():
    assert decoded_blocks("all", [2, 3, SUM]) == [2, 3]
    assert decoded_blocks("all", [SUM]) == [SUM]
    for choice, stored in (("all", [SUM, JOIN]), ("last,sum:last2", [3, SUM])):
        with pytest.raises(
            ConfigError, match=r"reads one sum or join and nothing beside it, got .*--blocks sum:2\+3"
        ):
            decoded_blocks(choice, stored)


def asked(tiny, **values):
    decode = {"steps": 1, **values.pop("decode", {})}
    return make_experiment({"videos": ["a.mp4"], "encoder": tiny.name, **values, "decode": decode})


def test_what_decoders_cannot_read_is_said_before_anything_is_encoded(tiny, tmp_path):
    check_blocks(asked(tiny, blocks="last,sum:last2", decode={"blocks": "sum:last2"}), tiny)
    with pytest.raises(
        ConfigError, match=re.escape("the blocks [sum:2+3] of vjepa2-tiny, and the experiment")
    ) as one:
        check_blocks(asked(tiny, decode={"blocks": "sum:last2"}), tiny)
    assert "set blocks = '3,sum:2+3'" in str(one.value)
    with pytest.raises(ConfigError, match="nothing beside it"):
        check_blocks(asked(tiny, blocks="sum:last2,join:last2", decode={"blocks": "all"}), tiny)


def test_the_predictor_tells_the_last_block_and_no_sum(tiny, tmp_path):
    """Its predictions are of the last block's tokens: a decoder of a sum cannot draw them."""
    both = asked(tiny, blocks="sum:last2", predict={"decoder": "cnn"}, decode={"blocks": "last"})
    with pytest.raises(PredictionError, match=r"of block 3 of vjepa2-tiny, and \[decode\] trains it on sum:2\+3"):
        will_draw(both, tmp_path, tiny)
    assert not will_draw(asked(tiny, blocks="last,sum:last2", predict={"decoder": "cnn"}), tmp_path, tiny)


def test_a_dry_run_counts_bytes_of_sums_and_joins_and_what_needs_no_encoder(tiny, scenes, tmp_path):
    store = Store(str(tmp_path / "s"))
    encode(scenes[:1], encoder=tiny, store=store, blocks=[2, 3])

    def told(blocks, **more):
        of = asked(tiny, blocks=blocks, controls=["majority"], precision="fp32", **more)
        (one,) = estimate(of, scenes[:3], store, seconds=0.0)
        return one

    added, joined = told("sum:last2"), told("last,join:last2")
    assert (added.clips, added.stored, joined.stored) == (3, 1, 1)
    assert (added.width, joined.width) == (tiny.width, tiny.width)
    tokens = tiny.grid(16).tokens * tiny.width * 2
    assert (added.store_bytes, joined.store_bytes) == (2 * tokens, 2 * 3 * tokens)
    assert told("sum:last3").stored == 0
    assert "sum2+3.out" not in {path.name for path in (tmp_path / "s").rglob("*")}
