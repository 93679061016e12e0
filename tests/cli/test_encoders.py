"""Several encoders in one experiment: each is run, those that cannot are named, and all others are compared."""

import json

import pytest
from tests.builders.checks import some
from tests.builders.forked import command, finished

SETTINGS = (
    'videos = ["scenes:8"]\nlabeller = "truth"\ntasks = ["xy"]\nfeatures = ["z"]\nevidence = []\n'
    'controls = ["majority"]\n\n'
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    tables = '[encoders.small]\ntiny = "vjepa2-tiny"\nlost = "no/such-encoder"\npixels = "pixels"\n\n'
    (folder / "several.toml").write_text(f'{SETTINGS}{tables}[encoders.lone]\npixels = "pixels"\n')
    return folder


@pytest.fixture(scope="module")
def worldprobe(place):
    def call(*arguments):
        return finished(command, *arguments, folder=place, WORLDPROBE_CACHE=str(place / "cache"), COLUMNS="120")

    return call


@pytest.fixture(scope="module")
def done(worldprobe):
    return worldprobe("run", "several.toml")


def test_each_encoder_has_a_run_and_those_that_cannot_be_had_are_named(done, place):
    assert done.returncode == 3, done.stderr
    assert "lost is left out: no encoder 'no/such-encoder'" in done.stderr
    folder = place / "runs" / "several"
    names = {"tiny", "pixels", "embeddings.zarr", "compare.html", "compare.md", "compare.json"}
    assert {path.name for path in folder.iterdir()} - {"lost"} == names
    for name in ("tiny", "pixels"):
        assert (folder / name / "report.html").exists()
        assert f"{name}: " in done.stderr


def test_the_comparison_has_costs_as_they_were_recorded(done, place):
    found = json.loads((place / "runs" / "several" / "compare.json").read_text())
    tiny, pixels = found["runs"]
    assert (tiny["name"], tiny["cost"]["clips"], pixels["cost"]["parameters"]) == ("tiny", 8, 0)
    assert tiny["cost"]["flop"] == pytest.approx(1.393e9, rel=0.01)  # of a clip of 16 frames
    assert tiny["cost"]["bytes"] == 8 * 8 * 8 * 128 * 2
    assert tiny["sight"]["mean"] == pytest.approx([0.485, 0.456, 0.406])
    for one in some(found["readings"]):
        assert [cell["verdict"] != "" for cell in one["cells"]] == [True, True]
    for said in ("1.39", "128 × 128 px", "Comparison: runs/several/compare.html"):
        assert said in done.stdout


def test_what_is_done_is_not_done_again_and_keeps_its_speed(done, place, worldprobe):
    before = json.loads((place / "runs" / "several" / "compare.json").read_text())["runs"]
    again = worldprobe("run", "several.toml", "--json")
    assert [run["cost"] for run in json.loads(again.stdout)["runs"]] == [run["cost"] for run in before]


def test_a_dry_run_tells_of_each(worldprobe):
    told = worldprobe("run", "several.toml", "--encoders", "lone", "--dry-run", "--out", "dry")
    assert told.returncode == 0, told.stderr
    assert "pixels: pixels: 8 of 8 clips to encode" in told.stdout


def test_one_encoder_is_no_comparison(worldprobe):
    told = worldprobe("run", "several.toml", "--encoders", "lone", "--out", "lone")
    assert (told.returncode, "needs at least two encoders" in told.stderr) == (1, True), told.stderr
    told = worldprobe("run", "several.toml", "--encoders", "hub")
    assert "no table [encoders.hub]; there are small, lone" in told.stderr
