"""A run taken elsewhere: a model card, a table of embeddings and a Rerun recording say what the run says."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from huggingface_hub import EvalResult, ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results
from safetensors import safe_open
from tests.builders.checks import some
from tests.builders.commanded import commanded
from tests.builders.forked import finished, python

from worldprobe.config import make_experiment
from worldprobe.errors import ConfigError, ProbeError, StoreError, WorldprobeError
from worldprobe.findings.summary import summarize
from worldprobe.io.files import cache
from worldprobe.pipeline import export
from worldprobe.pipeline.export import export_embeddings
from worldprobe.pipeline.run import run as run_experiment
from worldprobe.probes.features import pooled
from worldprobe.report.forms.model_card import eval_results, model_card
from worldprobe.report.forms.rerun import write_rerun
from worldprobe.results import read_results, write_results
from worldprobe.store import Store

VIDEOS = 10


@pytest.fixture(scope="module")
def run(rendered, tmp_path_factory):
    """A small run with two blocks, whose store lies in its folder."""
    folder = tmp_path_factory.mktemp("export") / "small"
    asked = {
        "videos": [f"scenes:{VIDEOS}"], "labeller": "truth", "tasks": ["xy", "class"], "blocks": "0,3",
        "controls": ["majority", "shuffled"], "evidence": [], "frames": 12,
    }  # fmt: skip
    films = rendered(VIDEOS, 0, cache() / "scenes-of-export")
    run_experiment(make_experiment(asked), films, folder)
    return folder


@pytest.fixture(scope="module")
def summary(run):
    return summarize(run)


def copied(run, folder, *, but=()):
    """A run's small files, but some, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    for path in run.glob("*.*"):
        if path.is_file() and path.name not in but:
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


# The model card.


def test_a_model_card_gives_back_every_score_with_its_interval_controls_and_dataset(run, summary):
    card = ModelCard(model_card(summary))
    name, found = model_index_to_eval_results(card.data.to_dict()["model-index"])
    assert name == "vjepa2-tiny"
    assert found == eval_results(summary) == card.data.eval_results
    sound = [
        line for line in read_results(run / "results.jsonl") if line.kind == "probe" and line.split != "random"
    ]
    real = [line for line in sound if line.control == "none"]
    assert len(found) == len(real) > 0
    for line in some(real):
        (one,) = [
            result
            for result in found
            if (result.metric_args["property"], result.metric_args["features"]) == (line.task, line.features)
            and result.metric_args["tap"] == line.tap
            and METRICS[line.metric] == (result.metric_type, result.metric_config)
        ]
        assert one.metric_value == round(line.score, 4)
        assert one.metric_args["interval_95"] == [round(line.low, 4), round(line.high, 4)]
        assert one.metric_args["groups"] == line.n_groups
        assert set(one.metric_args["controls"]) == {"majority", "shuffled"}
        assert one.metric_args["verdict"] in one.metric_name
        assert one.dataset_name == f"scenes:{VIDEOS} ({VIDEOS} videos)"
    provenance = json.loads((run / "provenance.json").read_text())
    assert {one.dataset_revision for one in found} == {provenance["videos"]["sha256"]}
    assert {one.dataset_type for one in found} == {f"scenes-{VIDEOS}"}  # the hub takes no colon


METRICS = {
    "r2": ("r_squared", None),
    "accuracy": ("accuracy", None),
    "balanced_accuracy": ("balanced_accuracy", None),
    "macro_f1": ("f1", "macro"),
}


def test_a_card_that_is_there_keeps_its_text_and_the_results_of_others(summary):
    other = EvalResult(
        task_type="video-classification", dataset_type="ssv2", dataset_name="SSv2", metric_type="accuracy",
        metric_value=0.7,
    )  # fmt: skip
    index = eval_results_to_model_index("mine", [other])
    before = ModelCard(f"---\nlicense: mit\nmodel-index: {json.dumps(index)}\n---\n# Mine\n\nWords.\n")
    once = model_card(summary, str(before))
    card = ModelCard(once)
    assert (card.data.license, card.data.model_name) == ("mit", "mine")
    assert card.text.strip() == "# Mine\n\nWords."
    assert card.data.eval_results == [other, *eval_results(summary)]
    assert model_card(summary, once) == once  # the second time replaces the first


def test_a_card_that_is_no_card_is_one_clear_error(summary):
    with pytest.raises(WorldprobeError, match="metadata cannot be read"):
        model_card(summary, "---\nmodel-index: [oops\n---\n")


@pytest.mark.parametrize("lost", ["provenance.json", "experiment.toml"])
def test_no_number_without_its_dataset(run, tmp_path, lost):
    with pytest.raises(WorldprobeError, match="which videos"):
        model_card(summarize(copied(run, tmp_path, but=(lost,))))


def test_no_folder_of_this_machine_stands_in_a_card(run, tmp_path):
    place = copied(run, tmp_path)
    written = (place / "experiment.toml").read_text()
    (place / "experiment.toml").write_text(written.replace(f"scenes:{VIDEOS}", "/home/me/films/walk.mp4"))
    found = eval_results(summarize(place))
    assert {one.dataset_name for one in found} == {f"walk.mp4 ({VIDEOS} videos)"}
    assert "/home/me" not in model_card(summarize(place))


def test_scores_of_the_random_split_are_not_exported(run, tmp_path):
    place = copied(run, tmp_path)
    lines = read_results(place / "results.jsonl")
    leaky = [
        line.model_copy(update={"split": "random"})
        for line in lines
        if line.kind == "probe" and line.split != "random"
    ]
    write_results(place / "results.jsonl", leaky)
    with pytest.raises(WorldprobeError, match="random split, which leaks"):
        eval_results(summarize(place))


# Embeddings.


def clips_of(run, block):
    """Every clip's tokens by (video, first frame, tubelet), read from the store one by one."""
    store, found = Store(str(run / "embeddings.zarr")), {}
    for video in store.videos():
        ((series, _),) = store.find(video, encoder="vjepa2-tiny")
        for index, one in store.read(series, block):
            found[series.video.id, series.specs[index].start] = one.values
    return found


def test_a_parquet_file_holds_what_the_store_holds(run, tmp_path):
    done = export_embeddings(run, tmp_path / "e.parquet", form="parquet", features=["z", "grid"])
    table = pl.read_parquet(tmp_path / "e.parquet")
    assert done.rows == len(table) == VIDEOS
    assert done.vectors == {"block0.z": 128, "block0.grid": 2048, "block3.z": 128, "block3.grid": 2048}
    assert done.missing == 0
    for block in (0, 3):
        tokens = clips_of(run, block)
        for row in some(table.iter_rows(named=True)):
            own = tokens[row["video"], row["first_frame"]]
            for kind in ("z", "grid"):
                expected = pooled(own, kind).mean(axis=0)
                assert np.array_equal(np.array(row[f"block{block}.{kind}"], np.float32), expected)
    assert set(table["last_frame"] - table["first_frame"]) == {11}
    assert np.allclose(table["seconds"], table["first_frame"] / 24)
    assert set(table["file"]) == {f"scene-{i:06}.mp4" for i in range(VIDEOS)}
    assert table.select("video", "first_frame").is_unique().all()
    assert table["group"].n_unique() == VIDEOS  # a scene is a group


def test_safetensors_hold_the_same_a_row_a_tubelet(run, tmp_path):
    for form in ("parquet", "safetensors"):
        done = export_embeddings(run, tmp_path / f"e.{form}", form=form, each="tubelet")
        assert done.rows == 6 * VIDEOS
    table = pl.read_parquet(tmp_path / "e.parquet")
    with safe_open(tmp_path / "e.safetensors", framework="numpy") as file:
        videos = [one["id"] for one in json.loads(file.metadata()["videos"])]
        assert json.loads(file.metadata()["inputs"]) == ["native"]
        for name in ("shot", "first_frame", "last_frame", "seconds", "tubelet", "block0.z", "block3.z"):
            assert np.array_equal(file.get_tensor(name), table[name].to_numpy()), name
        assert [videos[code] for code in file.get_tensor("video")] == table["video"].to_list()
        groups = json.loads(file.metadata()["groups"])
        assert [groups[code] for code in file.get_tensor("group")] == table["group"].to_list()
    tokens = clips_of(run, 3)
    for row in some(table.iter_rows(named=True)):
        own = tokens[row["video"], row["first_frame"] - 2 * row["tubelet"]]
        assert np.array_equal(np.array(row["block3.z"], np.float32), pooled(own, "z")[row["tubelet"]])


def test_an_episode_is_one_group_whichever_camera_saw_it(run):
    store = Store(str(run / "embeddings.zarr"))
    ((series, _),) = store.find(store.videos()[0], encoder="vjepa2-tiny")
    assert export._group(series, 0) == f"{series.video.id[:24]}/0"
    seen = replace(series, video=replace(series.video, episodes=("", "episode 7")), shots=(0, 8))
    assert export._group(seen, 1) == "episode 7"
    assert export._group(seen, 0) == f"{series.video.id[:24]}/0"


def test_clips_that_the_store_lacks_are_counted_and_left_out(run, tmp_path, monkeypatch):
    held = Store.held
    lost = sorted({video for video, _ in clips_of(run, 3)})[3]

    def some(self, series, block):
        return [] if (series.video.id, block) == (lost, 3) else held(self, series, block)

    monkeypatch.setattr(Store, "held", some)
    done = export_embeddings(run, tmp_path / "e.parquet", form="parquet")
    assert (done.rows, done.missing) == (VIDEOS - 1, 1)
    assert lost not in set(pl.read_parquet(tmp_path / "e.parquet")["video"])


@pytest.mark.parametrize(
    ("changes", "error", "why"),
    [
        ({"form": "csv"}, ConfigError, "'csv' cannot be exported: choose from parquet, safetensors"),
        ({"features": ["delta"]}, ConfigError, "choose from z, grid"),
        ({"each": "frame"}, ConfigError, "choose from clip, tubelet"),
        ({"store": Store("nowhere")}, StoreError, "no embeddings in nowhere"),
    ],
)
def test_what_cannot_be_exported_is_one_clear_error(run, tmp_path, changes, error, why):
    with pytest.raises(error, match=why):
        export_embeddings(run, tmp_path / "e", **{"form": "parquet", **changes})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["parquet", "safetensors"])
def test_an_error_on_the_way_is_the_stores_own_and_leaves_no_file(run, tmp_path, monkeypatch, form):
    calls = []

    def damaged(*_):
        calls.append(1)
        if len(calls) > 15:
            raise StoreError("clip 3 is damaged")
        return clip(*_)

    clip = Store.clip
    monkeypatch.setattr(Store, "clip", damaged)
    with pytest.raises(StoreError, match="clip 3 is damaged"):
        export_embeddings(run, tmp_path / "e", form=form)
    assert not list(tmp_path.iterdir())


def test_grid_of_pooled_tokens_is_refused(run, tmp_path, monkeypatch):
    clip = Store.clip

    def flat(*arguments):
        one = clip(*arguments)
        return type(one)(one.spec, one.tap, one.grid, one.view, one.values.mean(axis=(1, 2)))

    monkeypatch.setattr(Store, "clip", flat)
    with pytest.raises(ProbeError, match="pooled over space"):
        export_embeddings(run, tmp_path / "e", form="parquet", features=["grid"])


STREAMED = """
import resource
from pathlib import Path
import numpy as np
from worldprobe.pipeline import export
from worldprobe.records import ClipSpec, Embeddings, Tap, TokenGrid, VideoRef, View
from worldprobe.series import Series

N, D = 50_000, 1024
video = VideoRef(id="0" * 64, path="film.mp4", width=64, height=64, frames=16 * N, rate=25.0)
specs = tuple(ClipSpec(video, 16 * i, 16, 1) for i in range(N))
grid, view = TokenGrid(8, 16, 16, 2, 16), View((1.0, 1.0), (0.0, 0.0), (64, 64))
series = Series(video, specs, "e", "r", "trained", None, "native", "space", grid, view)

class Endless:
    def clip(self, series, block, index):
        return Embeddings(specs[index], Tap("e", block), grid, view, np.full((8, D), index % 7, np.float16))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

wanted = export._Wanted(Endless(), ((series, tuple(range(N))),), (0,), ("z",), "clip")
small = export._Wanted(Endless(), ((series, tuple(range(5000))),), (0,), ("z",), "clip")
export._write_parquet(Path("small"), small, {"block0.z": D})
before = peak()
export._write_parquet(Path("large"), wanted, {"block0.z": D})
print(round(peak() - before), Path("large").stat().st_size // 2**20)
"""


def test_embeddings_are_streamed(tmp_path):
    """Ten times the clips (195 MB of vectors) take no more memory; polars' engine may keep a few batches more."""
    done = finished(python, "-c", STREAMED, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    grown, _ = map(int, done.stdout.split())
    assert grown < 120  # how many batches the engine keeps depends on whose turn it is; all are 195 MB and more


# Rerun.


def test_a_run_without_clips_has_no_recording(run, tmp_path):
    with pytest.raises(WorldprobeError, match="no clips to show"):
        write_rerun(copied(run, tmp_path), tmp_path / "clips.rrd")


def test_without_rerun_the_error_says_how_to_get_it(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(WorldprobeError, match=r"pip install 'worldprobe\[rerun\]'"):
        write_rerun(run, tmp_path / "clips.rrd")


def test_a_recording_holds_what_the_report_shows(run, summary, tmp_path):
    pytest.importorskip("rerun", reason="rerun-sdk is not installed: make extras")
    from rerun.chunk import RrdReader

    path = tmp_path / "clips.rrd"
    write_rerun(run, path)
    rows = {}
    for chunk in some(RrdReader(str(path)).stream().to_chunks()):
        if not chunk.is_static:
            assert chunk.timeline_names == ["seconds"]
        rows.setdefault(chunk.entity_path, []).append(chunk.to_record_batch())
    clips = summary.moments.clips
    assert any(clip.readings for clip in clips)
    assert {name.split("/")[1] for name in rows if name.startswith("/clip")} == {
        f"clip{i}" for i in range(len(clips))
    }
    for number, clip in some(enumerate(clips)):
        root = f"/clip{number}"
        assert counted(rows, f"{root}/frame") == counted(rows, f"{root}/frame/labels") == len(clip.seconds)
        assert counted(rows, f"{root}/tokens") == counted(rows, f"{root}/read-outs") == len(clip.surprise)
        for reading in some(clip.readings):
            for side in ("told", "label"):
                at = [
                    name
                    for name in rows
                    if name.startswith(f"{root}/readings/{reading.task}_{reading.features}") and name.endswith(side)
                ]
                found = [tuple(one) for name in at for one in scalars(rows, name)]
                assert found == [one for one in getattr(reading, side) if one is not None]
        known = [one for one in clip.surprise if one is not None]
        assert [one for (one,) in scalars(rows, f"{root}/surprise")] == known
        assert len(known) == 2  # six tubelets, the first four of which are the context


def counted(rows, name):
    return sum(batch.num_rows for batch in rows[name])


def scalars(rows, name):
    return [one for batch in rows.get(name, []) for one in batch.column("Scalars:scalars").to_pylist()]


# The command.


def test_the_command_makes_one_thing_at_a_time(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code, out, err = commanded(capsys, monkeypatch, "export", run, *arguments)
        return subprocess.CompletedProcess(arguments, code, out, err)

    done = call("--hf", "--rerun")
    assert (done.returncode, "one thing at a time" in done.stderr) == (1, True)
    done = call("--hf", "--out", "README.md")
    assert (done.returncode, done.stdout.split()[1:3]) == (0, ["evaluation", "results:"])
    card = Path(tmp_path / "README.md")
    assert ModelCard(card.read_text()).data.eval_results
    assert call("--hf").stdout == card.read_text()
    card.write_bytes(b"\xff\xfe---\n")
    done = call("--hf", "--out", "README.md")
    assert (done.returncode, len(done.stderr.splitlines()), "UTF-8" in done.stderr) == (1, 1, True)
    assert card.read_bytes() == b"\xff\xfe---\n"
    printed = call("--latex").stdout
    done = call("--latex", "--out", "tables.tex")
    assert (done.returncode, done.stdout.split()[1:]) == (0, ["tables:", "tables.tex"])
    assert (tmp_path / "tables.tex").read_text() == printed
    assert printed.startswith("% Needs ")
    assert printed.count("\\toprule") == int(done.stdout.split()[0]) > 2
    done = call("--csv", "--out", "csv", "--json")
    assert {path.stem for path in (tmp_path / "csv").iterdir()} == set(json.loads(done.stdout)["tables"])
    assert set(json.loads(call("--latex", "--json").stdout)) == set(json.loads(done.stdout)["tables"])
    done = call("--embeddings", "parquet", "--out", "e.parquet", "--json")
    assert json.loads(done.stdout)["rows"] == VIDEOS


def test_a_batch_is_a_batch(run, tmp_path, monkeypatch):
    """However many clips are read at a time, the file says the same."""
    files = []
    for size in (1, 64):
        monkeypatch.setattr(export, "BATCH", size)
        export_embeddings(run, tmp_path / f"{size}.safetensors", form="safetensors")
        files.append((tmp_path / f"{size}.safetensors").read_bytes())
    assert files[0] == files[1]
