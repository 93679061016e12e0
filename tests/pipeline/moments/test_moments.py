"""The clips that a report shows: only what is quoted, in words, escaped, and held whole by the page."""

import json
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageFilter
from tests.builders.run_lines import EVIL, run_with_moments

from worldprobe.errors import WorldprobeError
from worldprobe.findings.summary import summarize
from worldprobe.geometry import View
from worldprobe.pipeline.moments.keep import _labelled, _readings
from worldprobe.pipeline.moments.pictures import token_maps
from worldprobe.records import ClipSpec, Labels, VideoRef
from worldprobe.report.write import write_report


@pytest.fixture
def run(tmp_path):
    return run_with_moments(tmp_path)


def test_only_the_quoted_reading_is_shown_and_names_are_escaped(run):
    summary = write_report(run)
    assert [r.features for r in summary.moments.clips[0].readings] == ["z"]
    page = (run / "report.html").read_text()
    assert "</script><b>" not in page
    inside = page.partition('id="clips">')[2].partition("</script>")[0]
    (clip,) = json.loads(inside)
    assert clip["name"] == EVIL + ", 0.0 s"
    assert clip["pictures"].startswith("data:image/webp;base64,")
    (shown,) = clip["readings"]
    assert (shown["told"], shown["label"]) == (["0.50, 0.25", "–"], ["0.40, 0.25", "–"])
    assert clip["marks"] == [[0.5, 0.25], None]


def test_damaged_moments_are_named(run):
    (run / "moments" / "moments.json").write_text("{")
    with pytest.raises(WorldprobeError, match=r"moments\.json is damaged"):
        summarize(run)


@pytest.mark.parametrize("damage", ["torn", "narrow"])
def test_a_damaged_picture_is_named(run, damage):
    path = run / "moments" / "clip0.webp"
    path.write_bytes(b"RIFF") if damage == "torn" else Image.new("RGB", (40, 32)).save(path)
    with pytest.raises(WorldprobeError, match=r"clip0\.webp is damaged"):
        write_report(run)


def test_one_basis_colours_all_clips_and_tokens_that_differ():
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(2, 4, 4, 8)).astype(np.float32)
    first, nothing, second = token_maps([tokens, None, tokens])
    assert nothing is None
    assert first.shape == (2, 4, 4, 3)
    assert np.array_equal(first, second)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 20


def test_the_page_stays_small_with_as_many_frames_as_are_ever_kept(run):
    """Six clips of 32 frames of 224 px, of film grain that compresses worse than the demo's scenes."""
    kept = run / "moments" / "moments.json"
    facts = json.loads(kept.read_text())
    rng = np.random.default_rng(0)
    grain = Image.fromarray(rng.integers(0, 256, (224, 224 * 32, 3), dtype=np.uint8))
    grain.filter(ImageFilter.GaussianBlur(1)).save(run / "moments" / "clip0.webp", quality=72)
    long = {"seconds": [0.1 * i for i in range(32)], "tubelet": 16 * [0, 1], "width": 224, "height": 224}
    facts["clips"] = 6 * [facts["clips"][0] | long]
    kept.write_text(json.dumps(facts))
    write_report(run)
    assert 2e6 < (run / "report.html").stat().st_size < 5e6


def test_an_encoder_of_one_dimension_has_a_map_too():
    tokens = np.arange(32, dtype=np.float32).reshape(2, 4, 4, 1)
    (one,) = token_maps([tokens])
    assert one.shape == (2, 4, 4, 3)
    assert len(np.unique(one[..., 0])) > 20
    assert not one[..., 1:].any()


def answers(**columns):
    """Rows of stored answers about one clip, by one probe of two classes."""
    said = {
        "video": "v", "start": 8, "input": "native", "task": "class", "features": "z", "tap": "e/block0.out",
        "probe": "logistic", "classes": "disc\nstar",
    }  # fmt: skip
    return pl.DataFrame({**columns, **{name: len(columns["which"]) * [value] for name, value in said.items()}})


def series_of(tubelets=3):
    view = View(scale=(0.5, 0.5), offset=(0.0, 0.0), size=(64, 32))
    video = VideoRef(id="v", path="film.mp4", width=128, height=64, frames=40, rate=10.0)
    spec = ClipSpec(video, 8, 2 * tubelets, 1)
    return SimpleNamespace(video=video, view=view, input="native", grid=SimpleNamespace(time=tubelets)), spec


def test_read_outs_are_the_stored_answers_of_the_clip_the_first_object_first():
    series, spec = series_of()
    stored = answers(
        which=[0, 1, 1], tubelet=[0, 0, 2], prediction=[[1.0], [0.0], [0.0]], target=[[1.0], [1.0], [1.0]]
    )
    elsewhere = stored.with_columns(start=pl.lit(24, dtype=pl.Int64))
    still = stored.with_columns(input=pl.lit("still"))
    (one,) = _readings(pl.concat([elsewhere, stored, still]), series, spec)
    assert (one.task, one.tap, one.classes) == ("class", "e/block0.out", ("disc", "star"))
    assert one.told == ((1.0,), None, (0.0,))
    assert one.label == ((1.0,), None, (1.0,))
    assert _readings(pl.DataFrame(), series, spec) == []


def test_labels_are_shown_on_the_whole_frame_with_what_the_model_sees_of_it(tmp_path):
    series, spec = series_of()
    series.view = View(scale=(1.0, 1.0), offset=(32.0, 0.0), size=(64, 64))
    labels = Labels.from_columns(
        video=["v", "v", "w"], frame=[9, 9, 8], pts_seconds=[0.9, 0.9, 0.8], object=[1, 2, 1],
        x=[64.0, 10.0, 1.0], y=[32.0, 10.0, 1.0], w=20.0, h=10.0, confidence=1.0, source="made",
        **{"class": ["disc", "star", "disc"]},
    )  # fmt: skip
    frames = np.zeros((6, 64, 128, 3), dtype=np.uint8)
    one = _labelled(labels, series, spec, frames, [0.1 * k for k in range(8, 14)], tmp_path / "a.webp")
    assert (one.seconds, one.width, one.height) == (pytest.approx(0.9), 128, 64)
    assert [(box.name, box.x, box.y, box.w) for box in one.boxes] == [
        ("disc", 0.5, 0.5, pytest.approx(20 / 128)),
        ("star", pytest.approx(10 / 128), pytest.approx(10 / 64), pytest.approx(20 / 128)),
    ]
    assert one.seen == (0.25, 0.0, 0.5, 1.0)
    assert Image.open(tmp_path / "a.webp").size == (128, 64)
    none = Labels(labels.table.clear())
    assert _labelled(none, series, spec, frames, [0.0] * 6, tmp_path / "b.webp") is None


def test_markdown_shows_moments_and_labels_as_figures(run):
    kept = run / "moments" / "moments.json"
    facts = json.loads(kept.read_text())
    Image.new("RGB", (40, 20)).save(run / "moments" / "clip0-labels.webp")
    facts["clips"][0]["labelled"] = {
        "seconds": 0.1, "picture": "clip0-labels.webp", "width": 40, "height": 20, "seen": [0.25, 0, 0.5, 1],
        "boxes": [{"frame": 0, "x": 0.5, "y": 0.5, "w": 0.4, "h": 0.6, "name": EVIL, "object": 1}],
    }  # fmt: skip
    kept.write_text(json.dumps(facts))
    (run / "alignment.json").write_text('{"kept": 90, "dropped": {"outside the crop": 10}}')
    write_report(run)
    text, page = (run / "report.md").read_text(), (run / "report.html").read_text()
    for name in ("moments", "labels"):
        assert f"(figures/{name}.png)" in text
        assert (run / "figures" / f"{name}.png").stat().st_size > 5_000
    assert "| dropped: outside the crop | 10 |" in text
    assert 'x="12.0" y="4.0" width="16.0" height="12.0"' in page  # the box in px
    assert 'class="seen" x="10.0" y="0.0" width="20.0" height="20.0"' in page
    for picture in (run / "moments").glob("*.webp"):
        picture.unlink()
    write_report(run)
    assert not (run / "figures" / "moments.png").exists()
    assert "figures/moments" not in (run / "report.md").read_text()
