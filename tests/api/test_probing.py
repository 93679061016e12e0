"""Arrays of any embeddings: the numbers and verdicts of a run on the same rows, kinds of labels, and bad input."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.builders.checks import some
from tests.builders.known_store import put

import worldprobe as wp
from worldprobe.config import make_experiment
from worldprobe.errors import WorldprobeError
from worldprobe.io.files import cache
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.export import export_embeddings
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.inputs import gather
from worldprobe.pipeline.probe.moments import align
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe
from worldprobe.pipeline.probe.targets import target
from worldprobe.pipeline.run import run as run_experiment
from worldprobe.pipeline.stored import find_series, labelled_videos
from worldprobe.results import CostResult, read_results
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes

PLACED = ("tap", "encoder", "features")
KEY = ("kind", "task", "metric", "control", "split", "measure", "against")


def speakers(groups=12, each=8, d=6, seed=0):
    """Features float32 [n, d] from which loudness and mood can be read, age cannot; and their speakers."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(groups * each, d)).astype(np.float32)
    loudness = features[:, 0] + 0.3 * rng.normal(size=len(features))
    mood = np.array(["calm", "loud", "shrill"])[np.digitize(features[:, 1], [-0.5, 0.5])]
    speaker = np.repeat([f"speaker{one:02}" for one in range(groups)], each)
    return features, {"loudness": loudness, "mood": mood, "age": rng.normal(size=groups).repeat(each)}, speaker


def alike(lines):
    """Lines of results as what they say, whatever the features are called."""
    found = {}
    for line in lines:
        one = {name: value for name, value in line.model_dump().items() if name not in PLACED}
        found[
            tuple(
                str(one.get(name)) for name in ("kind", "task", "metric", "control", "split", "measure", "against")
            )
        ] = one
    return found


def require_same(lines, others):
    mine, theirs = alike(lines), alike(others)
    assert mine.keys() == theirs.keys()
    for key, one in some(mine.items()):
        assert one == {name: pytest.approx(value, rel=1e-6, abs=1e-9) if isinstance(value, float) else value
                       for name, value in theirs[key].items()}, key  # fmt: skip


def test_every_line_is_that_of_a_run_on_the_same_rows_with_controls_that_were_encoded(tmp_path):
    scenes = render_scenes(14, 3, tmp_path / "scenes")
    truth = label(scenes, labeller=load_labeller("truth"))
    store, rng = Store(str(tmp_path / "s")), np.random.default_rng(0)
    box = {(r["video"], r["frame"]): r["x"] for r in truth.table.iter_rows(named=True) if r["object"] == 0}
    place = {name: np.outer([box[name, 2 * t] for t in range(8)], [0.01, -0.02]) for name, _ in box}
    put(store, scenes, lambda video, t: np.concatenate([place[video][t], rng.normal(size=10)]))
    put(store, scenes, lambda video, t: np.concatenate([place[video][t] + 0.3 * rng.normal(size=2), [1.0]]),
        encoder="pixels")  # fmt: skip
    plan = Plan("known", ("xy", "class"), ("z",), ("majority", "shuffled", "gaussian", "pixels"), "grouped",
                evidence=("code", "learning"))  # fmt: skip
    run = probe(store, truth, plan)
    series = find_series(store, labelled_videos(truth), encoder="known", input="native", block=None)
    moments = align(series, truth)
    pixels = find_series(store, labelled_videos(truth), encoder="pixels", input="native", block=0)
    found = wp.probe(
        gather(store, series, moments, block=0, kind="z"),
        {"xy": target(moments, "xy", moments.group).values, "class": moments.name},
        moments.group,
        controls={"pixels": gather(store, pixels, moments, block=0, kind="z", floor=True)},
        evidence=("code", "learning"),
    )
    require_same(found.lines, [*run.results, *run.evidence])
    assert {line.kind for line in found.lines} == {"probe", "code", "learning", "evidence", "power", "verdict"}


def test_exported_embeddings_of_a_run_score_what_the_run_scored(tmp_path):
    asked = {
        "videos": ["scenes:10"], "labeller": "truth", "tasks": ["xy"], "features": ["z"], "evidence": [],
        "frames": 12,
        "controls": ["majority", "shuffled", "gaussian"],
    }  # fmt: skip
    run_experiment(make_experiment(asked), render_scenes(10, 0, cache() / "scenes-of-export"), tmp_path / "run")
    export_embeddings(tmp_path / "run", tmp_path / "rows.parquet", form="parquet", each="tubelet")
    answers = pl.read_parquet(tmp_path / "run" / "answers.parquet")
    held = pl.read_parquet(tmp_path / "rows.parquet")  # a clip a scene
    rows = answers.join(held, on=["video", "tubelet"], maintain_order="left")
    assert len(rows) == len(answers) > 40
    found = wp.probe(
        rows["block3.z"].to_numpy(), np.array(rows["target"].to_list()), rows["unit"], seed=answers["seed"][0]
    )
    lines = [line for line in read_results(tmp_path / "run" / "results.jsonl") if not isinstance(line, CostResult)]
    require_same([line.model_copy(update={"task": "xy"}) for line in found.lines], lines)


def test_a_report_prints_the_table_of_a_run_and_says_what_would_have_shown():
    features, labels, speaker = speakers()
    raw = features[:, :1] + np.float32(1)
    found = wp.probe(features, labels, speaker, controls={"pixels": raw}, name="wav2vec", evidence=["code"])
    text = repr(found)
    assert "wav2vec: grouped split, 95 % intervals" in text
    assert list(found.verdicts) == ["loudness", "mood", "age"]
    assert found.verdicts["mood"].kind == "above-run"
    assert found.verdicts["loudness"].kind == "not-shown"
    assert "pixels" in found.verdicts["loudness"].text
    assert found.verdicts["age"].kind == "too-few"
    for task in some(labels):
        assert f"{task}: {'an R²' if task != 'mood' else 'a balanced accuracy'}" in text.replace("even ", "")
        assert found.detectable[task].least_z > 1.9
    assert "12 groups" in text
    assert "rough" in text  # of 12 groups
    page = found._repr_html_()
    assert page.count("<table") == 2  # scores, and what they are worth
    assert "<b>loudness</b>" in page
    assert len(found.plot().axes) == 3
    table = found.to_polars()
    own = table.filter((pl.col("control") == "none") & (pl.col("split") == "grouped"))
    assert own["metric"].to_list() == ["r2", "balanced_accuracy", "accuracy", "macro_f1", "r2"]
    assert own["verdict"].null_count() == 0
    assert table.filter(pl.col("control") != "none")["verdict"].null_count() == len(table) - len(own) - 5
    assert set(table["control"]) == {"none", "majority", "shuffled", "gaussian", "pixels"}
    assert wp.probe(features, {"<b>": labels["loudness"]}, speaker)._repr_html_().count("&lt;b&gt;") >= 2


def test_what_must_be_known_first_is_a_line_each_and_speaks_of_this_run_alone():
    """Whatever a task is called, and of however few groups it is."""
    features, tasks, speaker = speakers(groups=8)
    report = wp.probe(features, {"a\nb \x1b[2J": tasks["loudness"]}, speaker)
    assert report.notes
    assert not [note for note in report.notes if "\n" in note or "\x1b" in note]
    assert "Only 8 groups (a b \\x1b[2J from features)" in report.notes[0]
    assert not any("older" in note for note in report.notes)
    lines = repr(report).splitlines()
    assert [line for line in lines if line.startswith("a b")]
    assert not [line for line in lines if line.startswith("b ")]


def test_a_positive_control_is_none_to_be_above():
    features, labels, speaker = speakers(groups=30)
    noise = np.random.default_rng(1).normal(size=features.shape)
    found = wp.probe(noise, labels["loudness"], speaker, controls={"flow": features, "random-init": noise[:, :3]})
    verdict = found.verdicts["label"]
    assert "flow" in verdict.text
    assert "learnable here, not read from the encoder" in verdict.text
    random = [line for line in found.lines if getattr(line, "control", "") == "random-init"]
    assert {line.encoder for line in some(random)} == {"random:features"}


def test_scikit_learns_shape_of_the_same_scores():
    features, labels, speaker = speakers()
    found = wp.cross_validate(features, labels["loudness"], speaker)
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
        ("fit_time", "score_time", "test_score"), (5,)
    )
    whole = next(line.score for line in wp.probe(features, labels["loudness"], speaker).lines)
    assert found["test_score"].mean() == pytest.approx(whole, abs=0.05)
    assert wp.cross_validate(features, labels["mood"], speaker)["test_score"].mean() > 0.6
    with pytest.raises(ValueError, match="one task is scored at a time"):
        wp.cross_validate(features, labels, speaker)


# Kinds of labels, and what holds them.


@pytest.mark.parametrize(
    ("values", "metric"),
    [
        (lambda n: np.arange(n) % 3, "balanced_accuracy"),
        (lambda n: np.arange(n) % 40, "r2"),
        (lambda n: (np.arange(n) % 3).astype(float), "r2"),
        (lambda n: np.arange(n) % 2 == 0, "balanced_accuracy"),
        (lambda n: [("yes", "no")[i % 2] for i in range(n)], "balanced_accuracy"),
        (lambda n: pl.Series([("yes", "no")[i % 2] for i in range(n)], dtype=pl.Categorical), "balanced_accuracy"),
        (lambda n: np.arange(2 * n).reshape(n, 2) % 7, "r2"),
        (lambda n: np.array([one % 7 / 2 for one in range(n)], dtype=object), "r2"),
        (lambda n: np.array([one % 3 for one in range(n)], dtype=object), "balanced_accuracy"),
        (lambda n: pl.Series([f"{one % 7}.5" for one in range(n)]).cast(pl.Decimal(4, 1)), "r2"),
        (lambda n: pl.Series([date(2026, 1, 1 + one % 7) for one in range(n)]), "r2"),
        (lambda n: np.array([timedelta(seconds=one % 7) for one in range(n)], dtype=object), "r2"),
    ],
    ids=[
        "few whole numbers",
        "many whole numbers",
        "numbers",
        "booleans",
        "text",
        "categories",
        "two columns",
        "objects",
        "whole objects",
        "decimals",
        "days",
        "durations",
    ],
)
def test_what_labels_are_says_how_they_are_probed(values, metric):
    features, _, speaker = speakers(groups=6)
    found = wp.probe(features, values(len(features)), speaker)
    assert found.rows[0].main.metric == metric


def test_dates_are_read_as_the_time_that_passes_between_them():
    features, labels, speaker = speakers(groups=8)
    seconds = (1e4 * (labels["loudness"] - labels["loudness"].min())).round()
    days = [datetime(2026, 1, 1) + timedelta(seconds=one) for one in seconds.tolist()]
    for same in (days, np.array(days, dtype="datetime64[ms]"), pl.Series(days)):
        found, expected = (wp.probe(features, one, speaker).rows[0].main.score.value for one in (same, seconds))
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.array([np.datetime64("2026-01-01"), np.datetime64("NaT")] * 48, dtype=object), "missing"),
        ([datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)] * 48, "with a time zone and dates without"),
        (np.array([date(2026, 1, 1), timedelta(1)] * 48, dtype=object), "dates without a time zone and durations"),
    ],
)
def test_times_that_do_not_compare_are_refused_in_one_sentence(values, says):
    features, _, speaker = speakers()
    with pytest.raises(WorldprobeError, match=says):
        wp.probe(features, values, speaker)


def test_times_of_any_unit_and_span_are_read():
    features, _, speaker = speakers(groups=6)
    years = np.array(["1700", "2200", "2000"] * 16)
    found = [wp.probe(features, years.astype(f"datetime64[{unit}]"), speaker) for unit in ("Y", "M", "s")]
    found.append(wp.probe(features, years.astype(float) - 1700, speaker))
    scores = [one.rows[0].main.score.value for one in found]
    assert scores == pytest.approx([scores[0]] * 4, abs=1e-3)


def test_kinds_say_otherwise():
    features, _, speaker = speakers(groups=6)
    counts = {"count": np.arange(len(features)) % 3, "step": np.arange(len(features)) % 4.0}
    found = wp.probe(features, counts, speaker, kinds={"count": "regression"})
    assert [row.main.metric for row in found.rows] == ["r2", "r2"]
    found = wp.probe(features, counts, speaker, kinds="classification")
    assert [row.main.metric for row in found.rows] == ["balanced_accuracy"] * 2


@pytest.fixture(scope="module")
def of_arrays():
    """What is found in arrays of numpy, for those that come as something else."""
    return [one.model_dump() for one in wp.probe(*speakers()).lines]


def test_frames_of_polars_are_read_as_arrays_are(of_arrays):
    features, labels, speaker = speakers()
    frame = pl.DataFrame(features, schema=[f"f{one}" for one in range(features.shape[1])])
    found = wp.probe(frame, pl.DataFrame(labels), pl.Series(speaker))
    assert [one.model_dump() for one in found.lines] == of_arrays


def test_frames_of_pandas_are_read_as_arrays_are_and_matched_by_position(of_arrays):
    pandas = pytest.importorskip("pandas")
    features, labels, speaker = speakers()
    table = pandas.DataFrame(labels).astype({"mood": "category"})
    found = wp.probe(pandas.DataFrame(features), table, pandas.Series(speaker))
    assert [one.model_dump() for one in found.lines] == of_arrays
    with pytest.raises(ValueError, match="index of labels differs"):
        wp.probe(pandas.DataFrame(features), table.sample(frac=1, random_state=0), speaker)
    with pytest.raises(ValueError, match=r"index of labels\['mood'\] differs"):
        wp.probe(pandas.DataFrame(features), {"mood": table["mood"].sample(frac=1, random_state=0)}, speaker)
    with pytest.raises(ValueError, match="index of groups differs from that of labels"):
        wp.probe(features, table, pandas.Series(speaker).sample(frac=1, random_state=0))
    with pytest.raises(ValueError, match="several columns 'mood'"):
        wp.probe(features, pandas.concat([table, table], axis=1)[["mood"]], speaker)
    with pytest.raises(ValueError, match="missing"):
        wp.probe(features, pandas.array([None, *range(len(features) - 1)], dtype="Int64"), speaker)


def test_tensors_are_read_as_arrays_are():
    import torch

    features, labels, speaker = speakers()
    found = wp.probe(torch.tensor(features, requires_grad=True), torch.tensor(labels["loudness"]), speaker)
    assert found.lines[0].score == wp.probe(features, labels["loudness"], speaker).lines[0].score
    assert wp.probe(torch.tensor(features).bfloat16(), labels["loudness"], speaker).lines[0].score > 0.5


def test_a_large_mean_hides_nothing():
    features, labels, speaker = speakers()
    near = wp.probe(features.astype(np.float64), labels["loudness"], speaker).lines[0].score
    far = wp.probe(features.astype(np.float64) + 1e9, labels["loudness"], speaker).lines[0].score
    assert far == pytest.approx(near, abs=1e-4)


# Bad input: one sentence that says what to do.

F, L, G = speakers(groups=6, each=4)
N = len(F)


@pytest.mark.parametrize(
    ("features", "labels", "groups", "more", "says"),
    [
        (F[:, 0], L["loudness"], G, {}, r"features have the shape \(24,\)"),
        ([["a", "b"]] * N, L["loudness"], G, {}, "features are no array of numbers"),
        (np.where(np.arange(N)[:, None] == 3, np.nan, F), L["loudness"], G, {}, "1 of 24 rows, first in row 3"),
        (F.astype(np.float64) * 1e100, L["loudness"], G, {}, "beyond those of float32"),
        (F, L["loudness"][:-1], G, {}, r"labels 'label' have the shape \(23,\), and the features have 24 rows"),
        (F, L["loudness"], G[:-1], {}, r"groups have the shape \(23,\)"),
        (F, [None, *L["loudness"][1:]], G, {}, "missing .* in 1 of 24 rows, first in row 0"),
        (F, [*L["mood"][1:], ""], G, {}, "missing"),
        (F, [np.inf, *L["loudness"][1:]], G, {}, "infinity"),
        (F, L["loudness"], [None, *G[1:]], {}, "groups are missing"),
        (F, L["loudness"], np.array(["a", *range(N - 1)], dtype=object), {}, "cannot be compared"),
        (F, L["loudness"], G, {"evidence": ["codes"]}, "no evidence 'codes'"),
        (F, np.ones(N), G, {}, "constant"),
        (F, ["calm"] * N, G, {}, "only one class of 'label', calm"),
        (F, [f"row {one}" for one in range(N)], G, {}, "24 different values in 24 rows, and none of them"),
        (F, L["loudness"], np.arange(N) % 4, {}, "known in 4 groups, and 5 or more"),
        (F, L["loudness"], np.zeros(N), {}, "known in 1 group, and 5"),
        (F, np.where(np.arange(N) < 18, L["mood"], [f"rare {one}" for one in range(N)]), G, {"kinds": "regression"},
         "holds no numbers"),
        (F, {}, G, {}, "no columns"),
        (F, L, G, {"kinds": {"weight": "regression"}}, "kinds name weight"),
        (F, L["loudness"], G, {"kinds": "ranking"}, "the kind of 'label'"),
        (F, L["loudness"], G, {"seed": -1}, "a seed is a whole number of 0 or more, got -1"),
        (F, L["loudness"], G, {"seed": 1.5}, "a seed is a whole number .* got 1.5"),
        (F, L["loudness"], G, {"controls": {"mfcc": F}}, "no control 'mfcc' .*pixels: the raw input"),
        (F, L["loudness"], G, {"controls": {"pixels": F[1:]}}, "the control pixels has 23 rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_probed_is_one_sentence(features, labels, groups, more, says):
    with pytest.raises(ValueError, match=says) as raised:
        wp.probe(features, labels, groups, **more)
    assert isinstance(raised.value, WorldprobeError)


def test_what_a_mask_hides_is_not_read():
    features, labels, speaker = speakers(groups=6)
    loud, hidden = labels["loudness"], np.arange(len(features)) == 3
    masked = [
        (np.ma.masked_array(features, np.outer(hidden, np.ones(6))), loud, speaker, "features"),
        (features, np.ma.masked_array(loud, hidden), speaker, "labels 'label'"),
        (features, loud, np.ma.masked_array(speaker, hidden), "groups"),
    ]
    for rows, values, groups, named in masked:
        with pytest.raises(WorldprobeError, match=f"^{named} are masked in 1 of 48 rows, first in row 3: leave"):
            wp.probe(rows, values, groups)
    plain = wp.probe(features, loud, speaker)
    require_same(wp.probe(np.ma.masked_array(features), np.ma.masked_array(loud), speaker).lines, plain.lines)


def test_complex_numbers_are_refused_before_half_of_them_is_lost():
    features, labels, speaker = speakers(groups=6)
    with pytest.raises(WorldprobeError, match=r"^features are complex"):
        wp.probe(features * 1j, labels["loudness"], speaker)
    with pytest.raises(WorldprobeError, match=r"^labels 'label' are complex"):
        wp.probe(features, labels["loudness"] * 1j, speaker)


@pytest.mark.parametrize("scale", [2.0**-160, 2.0**-700, 2.0**700])
def test_units_change_no_score(scale):
    """A power of two, so that nothing is rounded."""
    features, labels, speaker = speakers(groups=6)
    rows, loud = features.astype(np.float64), labels["loudness"]
    plain = wp.probe(rows, loud, speaker).lines
    require_same(wp.probe(rows, loud * scale, speaker).lines, plain)
    if scale < 1:
        found = wp.probe(rows * scale, loud, speaker).lines
        (one,), (other,) = ([line for line in lines if main(line)] for lines in (found, plain))
        assert one.score == pytest.approx(other.score, abs=1e-6)
        assert other.score > 0.5


def test_a_class_of_two_groups_that_is_read_perfectly_is_not_denied():
    _, _, speaker = speakers(groups=20)
    rng, rare = np.random.default_rng(0), np.isin(speaker, ["speaker00", "speaker01"])
    report = wp.probe(rng.normal(size=(len(rare), 4)) + 8 * rare[:, None], rare, speaker)
    assert report.verdicts["label"].kind == "too-few"
    assert (report.detectable["label"].easy, report.detectable["label"].hard) == (None, None)


def main(line):
    """Whether a line is of the features themselves, on the sound split."""
    return (line.kind, getattr(line, "control", ""), getattr(line, "split", "")) == ("probe", "none", "grouped")


def test_tensors_keep_the_digits_that_they_have():
    torch = pytest.importorskip("torch")
    features, labels, speaker = speakers(groups=6)
    rows, loud = torch.tensor(features, dtype=torch.float64) + 1e8, torch.tensor(labels["loudness"]).bfloat16()
    require_same(wp.probe(rows, loud, speaker).lines, wp.probe(rows.numpy(), loud.float().numpy(), speaker).lines)


def test_a_column_of_classes_is_classes():
    features, labels, speaker = speakers(groups=6)
    mood = np.unique(labels["mood"], return_inverse=True)[1]
    found = wp.probe(features, mood[:, None], speaker[:, None]).lines
    require_same(found, wp.probe(features, mood, speaker).lines)


def test_columns_of_one_name_are_refused_before_one_of_them_is_lost():
    features, labels, speaker = speakers(groups=6)
    with pytest.raises(ValueError, match="several columns '1'"):
        wp.probe(features, {1: labels["loudness"], "1": labels["age"]}, speaker)


def test_classes_of_one_group_are_left_out_with_a_note():
    features, labels, speaker = speakers()
    mood = np.where(np.arange(len(features)) < 3, "once", labels["mood"])
    (note,) = (one for one in wp.probe(features, mood, speaker).notes if "once" in one)
    assert note == "label: 3 rows left out, in fewer than 2 groups: once."


def test_importing_worldprobe_alone_loads_nothing_large():
    code = (
        "import sys, worldprobe as wp; assert 'probe' in dir(wp) and not hasattr(wp, 'nothing'); "
        "print(sorted(set(sys.modules) & {'numpy', 'torch', 'sklearn', 'polars', 'worldprobe.api'})); "
        "wp.probe; print('transformers' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "False False"]
