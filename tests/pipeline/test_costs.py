"""What an encoder takes and sees: recorded by runs, and set beside scores where runs are compared."""

import json

import numpy as np
import pytest
from tests.builders.known_store import put
from tests.pipeline.test_compare import answers, rows, run

from worldprobe import provenance
from worldprobe.errors import CompareError
from worldprobe.findings.comparison import Sight
from worldprobe.geometry import View
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.compare import compare
from worldprobe.pipeline.costs import _shape, _share, read_costs
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.stage import probe_into
from worldprobe.records import VideoRef
from worldprobe.report.charts.comparison import cost_panels
from worldprobe.report.forms.comparison import comparison_html, comparison_markdown, write_comparison
from worldprobe.results import CostResult
from worldprobe.store import Store

SIGHT = {
    "width": 256, "height": 256, "shares": [[0.5, 0.9]], "shape": "kept", "frames": 16, "stride": 1,
    "grid": [8, 16, 16], "tubelet": 2, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2], "colours": "rgb",
}  # fmt: skip
COST = {
    "parameters": 5_000_000, "flop": 4e9, "bytes": 1_000_000, "clips_per_second": 3.5, "clips": 100,
    "device": "cpu", "machine": "a processor",
}  # fmt: skip


def recorded(folder, *, cost=None, sight=None):
    (folder / "provenance.json").write_text(json.dumps({"stages": ["probe"], "cost": cost, "sight": sight}))
    return folder


@pytest.fixture
def probed(rendered, tmp_path):
    """A function that probes known features in a folder, at some costs."""
    scenes = rendered(6, 11, tmp_path / "scenes")
    store = Store(str(tmp_path / "known.zarr"))
    put(store, scenes, lambda video, t: np.random.default_rng(t).normal(size=16))
    labels = label(scenes, labeller=load_labeller("truth"))
    plan = Plan("known", ("xy",), ("z",), ("majority",), "grouped")

    def probe(*costs):
        probe_into(tmp_path / "run", store, labels, plan, Ledger(costs=list(costs), network={"parameters": 7}))
        return read_costs(tmp_path / "run")

    return probe


def timed(items, each=2.0, stage="encode known"):
    return CostResult(
        stage=stage, seconds=items / each, items=items, items_per_second=each, peak_rss_bytes=1, device="cpu"
    )


def test_a_run_records_what_its_encoder_takes_and_sees(probed):
    cost, sight = probed(timed(6))
    assert (cost.parameters, cost.flop, cost.bytes) == (7, None, 8 * 16 * 2)
    assert (cost.clips_per_second, cost.clips, cost.device) == (2.0, 6, "cpu")
    assert cost.machine == provenance.machine()["processor"]
    assert (sight.width, sight.height, sight.frames, sight.grid, sight.tubelet) == (128, 128, 16, (8, 8, 8), 2)
    assert sight.shares == ((0.79, 0.877),)  # 128 of 162 px, and of 146
    assert (sight.shape, sight.numbers) == ("kept", "not told")


def test_a_speed_is_kept_where_nothing_or_less_was_encoded_since(probed):
    assert probed(timed(0))[0].clips_per_second is None
    assert probed(timed(6))[0].clips_per_second == 2.0
    assert probed()[0].clips == 6
    assert probed(timed(0))[0].clips == 6
    assert probed(timed(2, each=9.0), timed(6, each=5.0, stage="encode pixels"))[0].clips_per_second == 2.0
    assert probed(timed(6, each=3.0, stage="encode known, native"))[0].clips_per_second == 3.0


@pytest.mark.parametrize(("view", "share", "shape"), [
    (View((0.5, 0.5), (0.0, 0.0), (100, 50)), (1.0, 1.0), "kept"),
    (View((0.5, 0.5), (25.0, 0.0), (50, 50)), (0.5, 1.0), "kept"),
    (View((0.25, 0.5), (0.0, 0.0), (50, 50)), (1.0, 1.0), "squashed"),
    (View((0.25, 0.25), (0.0, 0.0), (50, 50)), (1.0, 1.0), "filled"),
])  # fmt: skip
def test_what_is_seen_of_a_frame_follows_from_the_view(view, share, shape):
    video = VideoRef(id="0" * 64, path="film", frames=1, rate=1.0, width=200, height=100)
    assert (_share(video, view), _shape(video, view)) == (share, shape)


def test_films_of_several_sizes_are_said_as_a_range():
    one = Sight(**{**SIGHT, "shares": ((0.5, 1.0), (0.75, 1.0))})
    assert one.part == "50 to 75 % of its width, 100 % of its height"
    assert Sight(**{**SIGHT, "shares": ((1.0, 1.0),), "shape": "squashed"}).part == "all of it, squashed"


@pytest.fixture
def compared(tmp_path):
    rng = np.random.default_rng(1)
    a, b, c = (
        run(tmp_path / name, rows(answers(0.5, rng), revision=name * 20, status=status))
        for name, status in (("a", "trained"), ("b", "untrained"), ("c", "floor"))
    )
    recorded(a, cost=COST, sight=SIGHT)
    recorded(
        b, cost={**COST, "flop": 8e10, "machine": "another"},
        sight={**SIGHT, "width": 224, "height": 224, "shape": "squashed"},
    )  # fmt: skip
    recorded(c, cost={"parameters": 0, "bytes": 500}, sight=SIGHT)
    verdict = {
        "kind": "verdict", "task": "class", "encoder": "e", "tap": "e/block0.out", "features": "z",
        "input": "native", "probe": "p", "split": "grouped", "metric": "balanced_accuracy", "n_groups": 40,
        "seed": 0, "verdict": "above every control",
    }  # fmt: skip
    (a / "results.jsonl").write_text(json.dumps(verdict) + "\n")
    return compare([a, b, c])


def test_costs_and_what_is_seen_stand_beside_scores(compared, tmp_path):
    write_comparison(tmp_path / "out", compared)
    page, text = comparison_html(compared), comparison_markdown(compared, figures=["score_by_cost"])
    for form in (page, text):
        for said in (
            "5.00 M",
            "80.0",
            "3.50",
            "1,000 kB",
            "224 × 224 px",
            "none",
            "not recorded",
            "above every control",
        ):
            assert said in form, said
        assert "They do not get the same number of px: a, c: 256 × 256 px; b: 224 × 224 px." in form
        assert "above every control" in form
        assert "50 % of its width, 90 % of its height, squashed" in form
        assert "Clips a second are of different machines (cpu a processor; cpu another)" in form
        assert "no network" in form or form is text
    assert "figures/score_by_cost.png" in text
    assert (tmp_path / "out" / "figures" / "score_by_cost.png").read_bytes().startswith(b"\x89PNG")


def test_the_chart_has_each_network_at_its_cost(compared):
    (panel,) = cost_panels(compared)
    assert [(line.name, line.points[0].x) for line in panel.lines] == [("a", 4.0), ("b", 80.0)]
    scores = [cell.score.value for cell in compared.readings[0].cells]
    assert [line.points[0].score.value for line in panel.lines] == scores[:2]
    assert panel.note.startswith("Not in the picture: c ")


def test_more_runs_than_looks_are_told_apart_by_their_numbers(tmp_path):
    folders = []
    for at in range(9):
        folders.append(
            run(tmp_path / f"r{at}", rows(answers(0.5, np.random.default_rng(at)), revision=str(at) * 20))
        )
        recorded(folders[-1], cost={**COST, "flop": 1e9 * (at + 1)}, sight=SIGHT)
    (panel,) = cost_panels(compare(folders))
    assert panel.lines[8].name == "9: r8"
    assert {line.points[0].mark for line in panel.lines} == {str(at + 1) for at in range(9)}


def test_runs_of_older_versions_are_compared_without_their_costs(tmp_path):
    rng = np.random.default_rng(1)
    a, b = run(tmp_path / "a", rows(answers(0.5, rng))), run(tmp_path / "b", rows(answers(0.5, rng)))
    found = compare([a, b])
    assert [one.cost for one in found.runs] == [None, None]
    assert not cost_panels(found)
    assert "What each takes" not in comparison_html(found)
    recorded(b, cost={**COST, "of a later version": 1}, sight=None)
    assert compare([a, b]).runs[1].cost.flop == 4e9
    assert "not recorded" in comparison_html(compare([a, b]))


def test_a_damaged_record_is_one_line(tmp_path):
    with pytest.raises(CompareError, match=r"provenance.json is damaged: cost.flop"):
        read_costs(recorded(tmp_path, cost={"flop": "many"}))


def test_encoders_of_single_frames_are_pointed_at_pairs(tmp_path):
    a, b = run(tmp_path / "a", rows(answers(1, np.random.default_rng(0)))), tmp_path / "b"
    run(b, rows(answers(1, np.random.default_rng(0)), tubelet_frames=1))
    with pytest.raises(CompareError, match="read two at a time as pairs:E"):
        compare([a, b])


def seen_apart(tmp_path, changed, *, same=True):
    """Two runs of the same labels (or not) by encoders that see other parts of a frame; targets differ at some."""
    folders = []
    for name, shares in (("a", [[0.5, 0.9]]), ("b", [[1.0, 1.0]])):
        target = np.arange(400.0) + (changed if name == "b" else 0)
        predicted = np.where(np.arange(400) % 2, target, 0)
        folders.append(
            run(tmp_path / name, rows(predicted, target=target, classes="", task="xy", revision=name * 20))
        )
        record = {"sight": {**SIGHT, "shares": shares}, "labels": {"sha256": "same" if same else name}}
        (folders[-1] / "provenance.json").write_text(json.dumps(record))
    return folders


def test_moments_at_the_edge_of_what_one_of_them_sees_are_left_out(tmp_path):
    """The frames of a tubelet whose subject has left the crop do not count for one encoder: other targets."""
    changed = np.zeros(400)
    changed[[3, 17, 205]] = 0.5
    found = compare(seen_apart(tmp_path, changed))
    assert found.readings[0].n == 397
    assert "at 3 of 400 moments b and a see other labels" in found.warnings[0]
    first, second = found.readings[0].cells
    assert second.difference.value == pytest.approx(0)
    assert first.score.value == pytest.approx(second.score.value)


def test_many_such_moments_or_other_labels_are_refused(tmp_path):
    changed = np.where(np.arange(400) < 60, 0.5, 0)
    with pytest.raises(CompareError, match=r"differ at 60 of 400 moments: their encoders do not see the same part"):
        compare(seen_apart(tmp_path / "many", changed))
    with pytest.raises(CompareError, match=r"differ at 3 of 400 moments: their labels are not the same"):
        compare(seen_apart(tmp_path / "other", np.where(np.arange(400) < 3, 0.5, 0), same=False))
