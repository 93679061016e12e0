"""The command line as a user meets it: what it prints, how it ends, and what it leaves behind."""

import json
import os
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.builders.checks import some
from tests.builders.forked import command, finished

from worldprobe.labels.table import read_labels
from worldprobe.results import read_results
from worldprobe.video.write import write_video

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def worldprobe(place):
    """Run the command in a folder of its own; returns the finished process."""

    def call(*arguments, **environment):
        environment = {"WORLDPROBE_CACHE": str(place / "cache"), "COLUMNS": "120", **environment}
        return finished(command, *arguments, folder=place, **environment)

    return call


@pytest.fixture(scope="module")
def experiment(place):
    path = place / "small.toml"
    path.write_text(
        'videos = ["scenes:12"]\nlabeller = "truth"\ntasks = ["xy", "motion"]\nfeatures = ["z", "grid"]\n'
        "evidence = []\n"
    )
    return path


@pytest.fixture(scope="module")
def run(worldprobe, experiment, place):
    """A whole small run: its folder, and what it printed."""
    done = worldprobe("run", experiment, "--out", "runs/small")
    assert done.returncode == 0, done.stderr
    return place / "runs" / "small", done


def test_a_run_leaves_everything_in_its_folder_and_shows_scores_beside_controls(run):
    folder, done = run
    names = {"experiment.toml", "provenance.json", "labels.parquet", "embeddings.zarr", "results.jsonl"}
    names |= {"alignment.json", "answers.parquet", "report.html", "report.json", "report.md", "figures", "moments"}
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "figures" / "probe_summary.png").stat().st_size > 10_000
    for word in ("xy", "motion", "pixels", "leak", "report.html"):
        assert word in done.stdout
    assert done.stderr == ""


def test_every_score_has_every_control_and_the_leak(run):
    folder, _ = run
    probes = [r for r in read_results(folder / "results.jsonl") if r.kind == "probe"]
    real = {(r.task, r.features, r.metric) for r in probes if r.control == "none" and r.split == "grouped"}
    assert len(real) == 2 * 1 + 2 * 3
    for control in ("gaussian", "shuffled", "random-init", "pixels", "nuisance", "majority"):
        assert {(r.task, r.features, r.metric) for r in probes if r.control == control} == real
    assert {(r.task, r.features, r.metric) for r in probes if r.control == "flow"} == {
        one for one in real if one[0] == "motion"
    }
    assert {(r.task, r.features, r.metric) for r in probes if r.split == "random"} == real
    assert all(some(r.low <= r.score <= r.high for r in probes if r.score is not None and r.control != "nuisance"))
    # A class that one scene alone has is left out, and that scene with it.
    assert all(11 <= r.n_groups <= 12 and 75 <= r.n_test <= 96 for r in some(probes))
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["encoder"]["status"] == "trained"
    assert provenance["versions"]["torch"].startswith("2.")


def test_a_second_run_encodes_nothing_and_finds_the_same(run, worldprobe, experiment):
    folder, _ = run
    before = [r for r in read_results(folder / "results.jsonl") if r.kind == "probe"]
    assert worldprobe("run", experiment, "--out", "runs/small").returncode == 0
    after = read_results(folder / "results.jsonl")
    assert [r for r in after if r.kind == "probe"] == before
    assert {r.stage: r.items for r in after if r.kind == "cost" and r.stage.startswith("encode")} == {
        "encode vjepa2-tiny": 0,
        "encode random:vjepa2-tiny": 0,
        "encode pixels": 0,
        "encode flow": 0,
    }


def test_the_stages_one_by_one_give_what_the_run_gives(run, worldprobe, place):
    folder, _ = run
    assert worldprobe("encode", "scenes:12", "--store", "s", "--controls").returncode == 0
    labelled = worldprobe("label", "scenes:12", "--labeller", "truth", "--out", "labels.parquet", "--json")
    assert json.loads(labelled.stdout)["frames"] == 12 * 16
    probe = ("probe", "--store", "s", "--labels", "labels.parquet", "--tasks", "xy,motion", "--evidence", "none")
    done = worldprobe(*probe, "--out", "p")
    assert done.returncode == 0, done.stderr
    ours, theirs = (
        [r for r in read_results(path / "results.jsonl") if r.kind == "probe"] for path in (place / "p", folder)
    )
    assert ours == theirs
    compared = worldprobe("compare", "p", "runs/small", "--out", "both")
    assert compared.returncode == 0, compared.stderr
    assert "The same encoder stands in more than one run" in compared.stderr
    assert "0 of 4 differences are shown" in compared.stdout
    written = {path.name for path in (place / "both").iterdir()}
    assert written == {"compare.html", "compare.md", "compare.json", "figures"}
    assert json.loads(worldprobe("compare", "p", "runs/small", "--out", "both", "--json").stdout)["readings"]


def test_an_error_is_one_line_and_exit_1(worldprobe, place):
    (place / "not-a-video.mp4").write_text("hello")
    (place / "bad.toml").write_text('videos = ["scenes:4"]\nencodr = "pixels"\n')
    cases = {
        ("encode", "nothing.mp4", "--store", "t"): "nothing.mp4",
        ("encode", "not-a-video.mp4", "--store", "t", "--encoder", "no-such"): "no encoder 'no-such'",
        ("probe", "--store", "t", "--labels", "none.parquet", "--out", "o"): "worldprobe label",
        ("run", "bad.toml"): "did you mean 'encoder'",
        ("report", "nowhere"): "nowhere",
        ("compare", "nowhere"): "at least two runs",
        ("compare", "nowhere", "elsewhere"): "no answers.parquet in nowhere",
        ("label", "scenes:2", "--labeller", "trth", "--out", "l.parquet"): "did you mean 'truth'",
        ("predict", "scenes:2", "--out", "f", "--encoder", "pixels"): "pixels has no predictor",
        ("predict", "scenes:2", "--out", "f", "--horizon", "0"): "predict.horizon",
        # What only the model can say.
        ("encode", "scenes:2", "--store", "t", "--frames", "7"): "--frames 6",
        ("encode", "scenes:2", "--store", "t", "--blocks", "8"): "blocks 0 to 3",
        ("predict", "scenes:2", "--out", "f", "--context", "7"): "room for 8 tubelets in all",
        ("predict", "scenes:2", "--out", "f", "--decoder", "nowhere"): "no trained decoder in nowhere",
    }
    for arguments, expected in cases.items():
        done = worldprobe(*arguments)
        assert done.returncode == 1, arguments
        assert expected in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert done.stdout == ""


def test_predicting_prints_the_horizons_and_leaves_its_report(worldprobe, place):
    done = worldprobe("predict", "scenes:8", "--no-twin", "--horizon", "3", "--out", "future")
    assert done.returncode == 0, done.stderr
    for word in ("copy-last", "ridge", "horizons 1 to 3", "plain forward", "report.html"):
        assert word in done.stdout
    folder = place / "future"
    names = {"experiment.toml", "provenance.json", "results.jsonl", "figures", "predictions", "surprise"}
    names |= {"report.html", "report.json", "report.md"}
    assert {path.name for path in folder.iterdir()} == names
    assert {path.name for path in (folder / "figures").iterdir()} == {"horizon.png", "error_map.png"}
    assert "[predict]" in (folder / "experiment.toml").read_text()
    assert worldprobe("report", "future").returncode == 0


def test_an_experiment_with_the_table_predicts_into_the_same_report(worldprobe, place):
    (place / "both.toml").write_text(
        'videos = ["scenes:8"]\nlabeller = "truth"\ntasks = ["xy"]\nfeatures = ["z"]\ncontrols = ["majority"]\n'
        "evidence = []\n[predict]\ntwin = false\ncontext = 2\nhorizon = 2\n"
    )
    done = worldprobe("run", "both.toml", "--out", "both", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["rows"]
    assert len(summary["future"]["steps"]) == 4
    kinds = {r.kind for r in read_results(place / "both" / "results.jsonl")}
    assert kinds >= {"probe", "prediction", "leak", "cost"}


def started(*arguments):
    """The command by an interpreter of its own, as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "worldprobe", *arguments], capture_output=True, text=True, timeout=900
    )


def test_wrong_usage_ends_with_2_and_a_mistake_with_1():
    assert started("encode").returncode == 2
    assert started("encode", "scenes:2", "--store", "t", "--no-such-option").returncode == 2
    done = started("report", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("worldprobe: no results at nowhere")
    assert len(done.stderr.splitlines()) == 1


def test_missing_embeddings_name_the_command_that_makes_them(run, worldprobe, place):
    worldprobe("encode", "scenes:6", "--store", "bare")
    labels = run[0] / "labels.parquet"
    done = worldprobe("probe", "--store", "bare", "--labels", labels, "--out", "o")
    assert done.returncode == 1
    assert "worldprobe encode" in done.stderr
    assert "--controls" in done.stderr
    done = worldprobe("probe", "--store", "bare", "--labels", labels, "--out", "o", "--encoder", "pixels")
    assert "worldprobe encode VIDEO --encoder pixels --store bare" in done.stderr


def test_a_broken_video_among_good_ones_is_named_and_ends_with_3(worldprobe, place):
    folder = place / "mixed"
    folder.mkdir()
    for index in range(3):
        frames = np.random.default_rng(index).integers(0, 256, (20, 48, 64, 3), dtype=np.uint8)
        write_video(folder / f"good{index}.mp4", list(frames), rate=24)
    (folder / "broken.mp4").write_bytes(b"\0" * 100)
    done = worldprobe("encode", "mixed", "--store", "m", "--encoder", "pixels")
    assert done.returncode == 3
    assert "broken.mp4" in done.stderr
    assert "3 clips" in done.stdout


def test_plugins_are_listed_and_used(worldprobe, place):
    target = place / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
               "--target", str(target), str(REPOSITORY / "tests" / "plugin_package")]  # fmt: skip
    subprocess.run(command, check=True, timeout=900)
    path = {"PYTHONPATH": str(target)}
    listed = {one["name"]: one for one in json.loads(worldprobe("list", "encoders", "--json", **path).stdout)}
    assert listed["brightness"]["distribution"] == "wp-example"
    assert listed["vjepa2-tiny"]["distribution"] == "worldprobe"
    assert "cannot be loaded" in listed["broken"]["problem"]
    everything = worldprobe("list", **path).stdout
    assert {line for line in everything.splitlines() if line.endswith(":")} == {
        f"{kind}:" for kind in ("encoders", "executors", "labellers", "probes", "decoders")
    }
    assert "BROKEN: broken (wp_example.missing:Nothing) cannot be loaded" in everything
    as_json = json.loads(worldprobe("list", "--json", **path).stdout)
    assert set(as_json) >= {"encoders", "probes"}
    assert "mean" in {one["name"] for one in as_json["probes"]}
    assert worldprobe("encode", "scenes:8", "--store", "b", "--encoder", "brightness", **path).returncode == 0
    assert (
        worldprobe("encode", "scenes:8", "--store", "c", "--encoder", "wp_example:Brightness", **path).returncode
        == 0
    )
    assert (
        worldprobe("label", "scenes:8", "--labeller", "middle", "--out", "middle.parquet", **path).returncode == 0
    )
    assert set(read_labels(place / "middle.parquet").table["source"]) == {"middle"}
    done = worldprobe("label", "scenes:8", "--labeller", "truth", "--out", "eight.parquet")
    assert done.returncode == 0
    options = ("--tasks", "xy", "--controls", "majority,shuffled", "--encoder", "brightness", "--out", "plug")
    done = worldprobe("probe", "--store", "b", "--labels", "eight.parquet", *options, **path)
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(place / "plug" / "labels.parquet").height > 0


def test_its_version_is_that_of_the_package():
    from worldprobe import __version__

    assert started("--version").stdout == f"worldprobe {__version__}\n"


def test_help_teaches_and_importing_loads_nothing_heavy():
    assert "Example" in started("encode", "--help").stdout
    assert "[robots]" in started("predict", "--help").stdout  # help is markup, which takes brackets for its own
    code = "import sys, worldprobe, worldprobe.records, worldprobe.cli; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "polars", "matplotlib", "scipy", "av", "zarr", "pydantic"} & set(loaded)


def test_a_shell_is_taught_to_complete_commands_and_options():
    command = Path(sys.executable).with_name("worldprobe")
    told = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # the shell is named, not looked for
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run(
            [command, "--show-completion", shell], capture_output=True, text=True, env={**os.environ, **told}
        )
        assert "_WORLDPROBE_COMPLETE" in done.stdout, done.stderr
    for words, at, expected in (("worldprobe enc", 1, "encode"), ("worldprobe encode --enc", 2, "--encoder")):
        asked = {"_WORLDPROBE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        done = subprocess.run([command], capture_output=True, text=True, env={**os.environ, **asked})
        assert expected in done.stdout.split()


def test_doctor_says_what_it_finds(worldprobe):
    facts = json.loads(worldprobe("doctor", "--json").stdout)
    assert facts["h264"] == {"decode": True, "encode": True}
    assert facts["versions"]["worldprobe"]
    assert facts["free_memory_gb"] > 0
    declared = set(metadata("worldprobe").get_all("Provides-Extra"))
    assert set(facts["extras"]) == declared - {"dev"}  # an extra that is added must say what it brings
    said = worldprobe("doctor").stdout
    for name in some(facts["extras"]):
        assert f"[{name}]" in said
