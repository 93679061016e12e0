"""The clips that a report shows: only what is quoted, in words, escaped, and held whole by the page."""

import json

import numpy as np
import pytest
from PIL import Image, ImageFilter

from worldprobe.errors import WorldprobeError
from worldprobe.pipeline.shown import _maps
from worldprobe.report.moment_facts import Box, Moments, Reading, ShownClip
from worldprobe.report.summary import summarize
from worldprobe.report.write import write_report
from worldprobe.results import ProbeResult, write_results

EVIL = "</script><b>\"'\n猫.mp4"


def reading(task="xy", features="z", **changes):
    told, label = ((0.5, 0.25), None), ((0.4, 0.25), None)
    fields = {"task": task, "features": features, "tap": "e/block0.out", "probe": "ridge", "input": "native"}
    return Reading(**{**fields, "classes": (), "told": told, "label": label, **changes})


@pytest.fixture
def run(tmp_path):
    """A run with one quoted property, read in two ways, and one clip of two tubelets."""
    common = {
        "task": "xy", "encoder": "e", "input": "native", "probe": "ridge", "tap": "e/block0.out", "metric": "r2",
        "split": "grouped", "n_train": 80, "n_test": 100, "n_groups": 50, "seed": 0,
    }  # fmt: skip
    lines = [
        ProbeResult(**common, features=kind, control=control, score=score, low=score - 0.02, high=score + 0.02)
        for kind, real in (("z", 0.8), ("grid", 0.3))
        for control, score in (("none", real), ("majority", 0.0), ("pixels", 0.1))
    ]
    write_results(tmp_path / "results.jsonl", lines)
    folder = tmp_path / "moments"
    folder.mkdir()
    Image.new("RGB", (64, 32)).save(folder / "clip0.webp")
    clip = ShownClip(
        video=EVIL, start=0, seconds=(0.0, 0.1), tubelet=(0, 1), width=32, height=32, pictures="clip0.webp",
        tokens="", corner=(0.0, 0.0), across=(1.0, 1.0), surprise=(None, 0.5),
        boxes=(Box(frame=0, x=0.5, y=0.5, w=0.2, h=0.2, name=EVIL, object=1),),
        readings=(reading(), reading(features="grid")),
    )  # fmt: skip
    facts = Moments(tap="e/block0.out", tubelets=2, context=1, chosen="All.", clips=(clip,), notes=())
    (folder / "moments.json").write_text(facts.model_dump_json())
    return tmp_path


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


def test_one_basis_colours_all_clips_and_tokens_that_differ():
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(2, 4, 4, 8)).astype(np.float32)
    first, nothing, second = _maps([tokens, None, tokens])
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
    facts["clips"] = 6 * [facts["clips"][0] | {"seconds": [0.1 * i for i in range(32)], "tubelet": 16 * [0, 1]}]
    kept.write_text(json.dumps(facts))
    write_report(run)
    assert 2e6 < (run / "report.html").stat().st_size < 5e6


def test_an_encoder_of_one_dimension_has_a_map_too():
    tokens = np.arange(32, dtype=np.float32).reshape(2, 4, 4, 1)
    (one,) = _maps([tokens])
    assert one.shape == (2, 4, 4, 3)
    assert len(np.unique(one[..., 0])) > 20
    assert not one[..., 1:].any()
