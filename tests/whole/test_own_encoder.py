"""An encoder of one's own, whose tokens cover other frames than the controls' do, through the commands."""

import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.encoders.floors import Pixels
from worldprobe.encoders.load import load_encoder
from worldprobe.errors import StoreError
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.inputs import gather
from worldprobe.pipeline.probe.moments import align
from worldprobe.pipeline.sources import ref_of
from worldprobe.pipeline.stored import find_series, matching_series
from worldprobe.results import read_results
from worldprobe.store import Store
from worldprobe.video.read import open_video
from worldprobe.video.rendered.scenes import render_scenes

MODULE = '''
import numpy as np
from worldprobe.records import TokenGrid, View


class {name}:
    """{called}: the mean brightness of each quarter, every {tubelet} frames."""

    name, revision, blocks, tubelet, status = "{called}", "1", 1, {tubelet}, "trained"

    def __init__(self, argument=None, *, device="auto", precision="auto"):
        pass

    def view(self, width, height):
        return View(scale=(32 / width, 32 / height), offset=(0.0, 0.0), size=(32, 32))

    def preprocess(self, frames):
        rows, columns = (np.arange(32) * side // 32 for side in frames.shape[1:3])
        return frames[:, rows][:, :, columns].transpose(0, 3, 1, 2)

    def grid(self, frames):
        return TokenGrid(frames // {tubelet}, 2, 2, {tubelet}, 16)

    def encode(self, clips, *, blocks):
        pixels = np.stack([clip.pixels for clip in clips]).astype(np.float32)
        n, t = len(clips), pixels.shape[1] // {tubelet}
        cells = pixels.reshape(n, t, {tubelet}, 3, 2, 16, 2, 16).mean(axis=(2, 3, 5, 7))
        return {{block: cells[..., None].astype(np.float16) for block in blocks}}
'''


@pytest.fixture(params=[1, 4])
def own(request, tmp_path, monkeypatch):
    """An encoder whose tokens cover so many frames: what the user writes, and what it calls itself."""
    module = f"own_{request.param}"
    text = MODULE.format(name="Quarters", called=f"quarters {request.param}", tubelet=request.param)
    (tmp_path / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, module, raising=False)
    return f"{module}:Quarters", f"quarters {request.param}", request.param


def command(*arguments):
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def test_it_is_probed_and_decoded_beside_its_controls_by_the_name_that_the_user_wrote(own, tmp_path):
    written, called, _ = own
    command("encode", "scenes:10", "--encoder", written, "--controls", "--store", tmp_path / "s")
    command("label", "scenes:10", "--labeller", "truth", "--out", tmp_path / "l.parquet")
    command(
        "probe", "--store", tmp_path / "s", "--labels", tmp_path / "l.parquet", "--encoder", written,
        "--tasks", "xy", "--features", "z,delta", "--controls", "pixels,majority", "--evidence", "none",
        "--out", tmp_path / "p",
    )  # fmt: skip
    found = [line for line in read_results(tmp_path / "p" / "results.jsonl") if line.kind == "probe"]
    assert {line.encoder for line in found if line.control == "none"} == {called}
    assert {line.features for line in found if line.control == "pixels"} == {"z", "delta"}
    command(
        "decode", "scenes:10", "--encoder", written, "--store", tmp_path / "s", "--steps", 2, "--size", 32,
        "--out", tmp_path / "d",
    )  # fmt: skip
    drawn = [line for line in read_results(tmp_path / "d" / "results.jsonl") if line.kind == "decoding"]
    assert "pixels" in {line.baseline for line in drawn}


def test_the_pixels_beside_a_moment_are_those_of_its_own_frames(own, tmp_path):
    written, called, tubelet = own
    paths, store = render_scenes(3, 5, tmp_path / "scenes"), Store(str(tmp_path / "s"))
    for name in (written, "pixels"):
        encode(paths, encoder=load_encoder(name), store=store, blocks=[0], frames=16)
    ids = [ref_of(path).id for path in paths]
    series = find_series(store, ids, encoder=called, input="native", block=None)
    moments = align(series, label(paths, labeller=load_labeller("truth")))
    others = matching_series(store, series, encoder="pixels", control="pixels")
    rows = gather(store, others, moments, block=0, kind="z", floor=True)
    floor = Pixels()
    for path, number in zip(paths, range(3), strict=True):
        with open_video(path) as video:
            seen = floor.preprocess(np.stack([rgb for _, rgb in video.frames()])).astype(np.float32) / 255
        cells = seen.reshape(len(seen), 3, 8, 16, 8, 16).mean(axis=(3, 5))  # frame, colour, row, column
        for row in np.flatnonzero(moments.video == number):
            first = series[number].specs[moments.clip[row]].start + moments.tubelet[row] * tubelet
            expected = cells[first : first + tubelet].transpose(2, 3, 0, 1).ravel()
            np.testing.assert_allclose(rows[row], expected, atol=1e-3)


def test_what_cannot_be_taken_apart_is_one_clear_error(own, tmp_path):
    written, called, _ = own
    paths, store = render_scenes(2, 5, tmp_path / "scenes"), Store(str(tmp_path / "s"))
    for name in (written, "vjepa2-tiny"):
        encode(paths, encoder=load_encoder(name), store=store, blocks=[load_encoder(name).blocks - 1], frames=16)
    series = find_series(store, [ref_of(path).id for path in paths], encoder=called, input="native", block=None)
    moments = align(series, label(paths, labeller=load_labeller("truth")))
    others = matching_series(store, series, encoder="vjepa2-tiny", control="random-init")
    with pytest.raises(StoreError, match=r"a token of vjepa2-tiny covers 2 frames, .* leave the control out"):
        gather(store, others, moments, block=3, kind="z")
