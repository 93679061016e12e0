"""The gallery: pages of runs, what is learnt of each, and the findings, all worked out from stored figures."""

import base64
import io
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from recipes.gallery import __main__ as recipe
from recipes.gallery import pages
from recipes.gallery.index import INDEX, read_gallery, write_findings, write_index
from recipes.gallery.learnt import learnt, of_comparison, of_original, of_shift, of_watch
from recipes.gallery.pages import FOLDER_BYTES, PAGE_BYTES, PICTURE, ROOT, GalleryError, check_sizes, export
from recipes.gallery.runs import RUNS, Page, Run
from recipes.gallery.training import train
from recipes.pretrain_tiny.settings import SETTINGS
from tests.builders.checks import some
from tests.builders.run_lines import run_with_moments

from worldprobe.config import read_encoders

GALLERY, FINDINGS = ROOT / "docs" / "gallery", ROOT / "docs" / "findings.md"
MADE_UP = Run(
    name="made-up", title="Made up", asks="What a made-up run asks.", command=("demo", "--out", "{out}"),
    pages=(Page("report.html", "", "report"),), picture="figures/probe_summary.png", alt="Scores", minutes=1,
)  # fmt: skip


@pytest.fixture
def runs(tmp_path):
    """A folder of runs that holds the made-up one."""
    (tmp_path / "runs" / MADE_UP.name).mkdir(parents=True)
    run_with_moments(tmp_path / "runs" / MADE_UP.name)
    return tmp_path / "runs"


def test_a_run_becomes_a_page_a_picture_and_a_part_of_the_index(runs, tmp_path):
    folder = export(MADE_UP, runs, tmp_path / "gallery")
    assert {path.name for path in folder.iterdir()} == {"report.html", PICTURE, "facts.json"}
    with Image.open(folder / PICTURE) as picture:
        assert picture.width <= 640
    assert b'id="moments"' in (folder / "report.html").read_bytes()
    gallery = read_gallery(tmp_path / "gallery", [MADE_UP])
    text = write_index(gallery, [MADE_UP])
    (said,) = gallery["made-up"]["pages"]["report.html"]["story"]
    assert f"- {said}" in text
    assert "where things are (xy, z)" in said
    assert MADE_UP.asks in text
    assert "(made-up/report.html)" in text
    assert "worldprobe demo --out runs/gallery/made-up" in text
    assert "without frames" not in text
    assert (runs / "made-up" / "moments").is_dir()  # the run itself is as it was
    assert not (runs / "made-up" / "report.html").exists()


def test_a_page_follows_the_results_when_they_change(runs, tmp_path):
    export(MADE_UP, runs, tmp_path / "gallery")
    before = write_index(read_gallery(tmp_path / "gallery", [MADE_UP]), [MADE_UP])
    path = runs / "made-up" / "results.jsonl"
    path.write_text(path.read_text().replace('"features":"z"', '"features":"delta"'))
    export(MADE_UP, runs, tmp_path / "gallery")
    after = write_index(read_gallery(tmp_path / "gallery", [MADE_UP]), [MADE_UP])
    assert "(xy, z)" in before
    assert "(xy, delta)" in after


def test_a_run_of_films_has_no_frames_in_its_page(runs, tmp_path):
    run = replace(MADE_UP, films=True)
    folder = export(run, runs, tmp_path / "gallery")
    assert b'id="moments"' not in (folder / "report.html").read_bytes()
    assert "without frames" in write_index(read_gallery(tmp_path / "gallery", [run]), [run])


def test_a_page_that_is_too_large_loses_its_frames_and_then_is_refused(runs, tmp_path, monkeypatch):
    gallery = tmp_path / "gallery"
    whole = (export(MADE_UP, runs, gallery) / "report.html").stat().st_size
    bare = (export(replace(MADE_UP, films=True), runs, gallery) / "report.html").stat().st_size
    assert bare < whole
    monkeypatch.setattr(pages, "PAGE_BYTES", bare)
    written = export(MADE_UP, runs, gallery) / "report.html"
    assert written.stat().st_size == bare
    assert not read_gallery(gallery, [MADE_UP])["made-up"]["frames"]
    monkeypatch.setattr(pages, "PAGE_BYTES", bare - 1)
    with pytest.raises(GalleryError, match=r"made-up/report.html has .* bytes without any frames"):
        export(MADE_UP, runs, gallery)
    assert written.stat().st_size == bare  # what was there stays


def test_large_pictures_of_a_page_are_written_smaller_and_look_the_same():
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 255, (6, 8, 3)).astype(np.uint8)
    whole = Image.fromarray(ground).resize((320, 240), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    whole.save(buffer, format="png")
    page = f'<img src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"><p>left</p>'
    written = pages._light(page)
    assert len(written) < len(page) / 2
    assert written.endswith('"><p>left</p>')
    found = Image.open(io.BytesIO(base64.b64decode(written.split("base64,")[1].split('"')[0]))).convert("RGB")
    assert np.abs(np.asarray(found, float) - np.asarray(whole, float)).mean() < 4


def test_a_gallery_that_is_too_large_names_its_largest_files(tmp_path):
    (tmp_path / "small").write_bytes(b"x")
    assert check_sizes(tmp_path) == 1
    with (tmp_path / "large").open("wb") as file:
        file.truncate(FOLDER_BYTES)
    with pytest.raises(GalleryError, match="large 8,000,000"):
        check_sizes(tmp_path)


def test_pages_name_the_folder_of_data_and_no_other_of_this_machine(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLDPROBE_DATA", str(tmp_path / "films"))
    file = runs / "made-up" / "experiment.toml"
    file.write_text(f'videos = ["{tmp_path}/films/a & b.mp4"]\n')
    page = export(MADE_UP, runs, tmp_path / "gallery") / "report.html"
    assert "${WORLDPROBE_DATA}/a &amp; b.mp4" in page.read_text()
    assert str(tmp_path) not in page.read_text()
    file.write_text(f'videos = ["{ROOT}/b.mp4"]\n')
    with pytest.raises(GalleryError, match=r"made-up/report.html would name a folder of this machine: .*b\.mp4"):
        export(MADE_UP, runs, tmp_path / "gallery")


def test_a_run_is_made_once_until_its_command_or_its_file_changes(runs, tmp_path, monkeypatch):
    started = []

    def start(command, **_):
        started.append(command[-1])
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(recipe.subprocess, "run", start)
    assert not recipe.is_done(MADE_UP, runs)
    recipe.carry_out(MADE_UP, runs)
    assert started == [str(runs / "made-up")]
    assert recipe.is_done(MADE_UP, runs)
    assert not recipe.is_done(replace(MADE_UP, command=("demo", "scenes:3", "--out", "{out}")), runs)
    assert not recipe.is_done(replace(MADE_UP, command=("run", "examples/scenes.toml", "--out", "{out}")), runs)

    def fail(command, **_):
        return type("Done", (), {"returncode": 3})

    monkeypatch.setattr(recipe.subprocess, "run", fail)
    with pytest.raises(GalleryError, match="made-up ended with 3"):
        recipe.carry_out(MADE_UP, runs)


def test_a_run_whose_data_is_not_here_is_left_out_and_its_pages_stay(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLDPROBE_DATA", str(tmp_path))
    shutil.copytree(GALLERY, tmp_path / "docs" / "gallery")
    recipe.make(["pets"], tmp_path / "runs", tmp_path / "docs")
    assert "pets: left out" in capsys.readouterr().err
    assert (tmp_path / "docs" / "gallery" / "pets" / "report.html").exists()
    assert (tmp_path / "docs" / "findings.md").read_bytes() == FINDINGS.read_bytes()
    with pytest.raises(GalleryError, match="no run is called petz"):
        recipe.make(["petz"], tmp_path / "runs", tmp_path / "docs")


def score(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def test_a_comparison_says_who_holds_more_and_who_less_than_the_first():
    cells = [
        {"score": score(0.5), "difference": score(0.0), "standing": "base"},
        {"score": score(0.9), "difference": score(0.4), "standing": "higher"},
        {"score": score(0.2), "difference": score(-0.3), "standing": "lower"},
        {"score": score(0.5), "difference": score(0.0), "standing": "not shown to differ"},
    ]
    reading = {"task": "xy", "features": "grid", "metric": "r2", "groups": 40, "cells": cells}
    facts = {"form": "comparison", "runs": ["a", "b", "c", "d"], "by_chance": "2 of 3.", "readings": [reading]}
    assert of_comparison(facts) == [
        "Higher than a, shown by paired differences: XY position from grid: b +0.40.",
        "Lower than a, shown by paired differences: XY position from grid: c \N{MINUS SIGN}0.30.",
        "2 of 3.",
    ]


def test_the_original_protocol_says_what_is_left_and_which_step_cost_most():
    def step(name, value, change):
        return {"name": name, "score": score(value), "change": change}

    steps = [step("as published", 0.8, None), step("controls", 0.7, -0.1), step("held-out blocks", 0.1, -0.6)]
    falls = [{"task": "xy", "metric": "r2", "verdict": "too few to tell", "steps": steps}]
    assert of_original({"labelled": 2093, "falls": falls}) == [
        "As published, on 2,093 labelled frames: XY position R² 0.80.",
        "With every artefact taken away: XY position R² 0.10; of each: too few to tell.",
        "The step that costs most: of XY position held-out blocks (\N{MINUS SIGN}0.60).",
    ]


def test_verdicts_that_differ_stand_with_their_scores():
    falls = [{"task": task, "metric": "r2", "verdict": verdict, "steps": [{"score": score(0.5), "change": None}]}
             for task, verdict in (("xy", "above every control"), ("size", ""))]  # fmt: skip
    assert of_original({"labelled": 9, "falls": falls})[1:] == [
        "With every artefact taken away: XY position R² 0.50 (above every control) and Object size R² 0.50 "
        "(not judged)."
    ]


def test_a_watch_speaks_of_properties_before_ranks_and_a_shift_of_what_survives():
    found = ["rankme rose.", "effective rank rose.", "lidar: the same.", "Velocity: above the untrained twin."]
    watch = {"form": "watch", "conclusions": found, "checkpoints": []}
    assert of_watch(watch) == [found[3], "Effective rank rose.", "Rankme rose."]
    rows = [{"factor": "camera", "task": task, "survives": how} for task, how in
            (("Depth", "lost"), ("Contact", "survives"), ("Pose", "nothing to keep"))]  # fmt: skip
    said = "On another camera than was trained on: survives: Contact; lost: Depth; nothing to keep: 1 property."
    assert of_shift({"shift": rows}) == said
    assert of_shift({"shift": []}) == ""
    report = {"form": "report", "encoder": "e", "story": ["Known: all.", "Read: none."], "shift": rows}
    assert learnt({"report.html": report, "watch.html": watch}) == ["e: known: all.", said, found[3]]


def test_a_short_training_leaves_a_checkpoint_at_each_step_and_goes_on(tmp_path):
    toy = replace(SETTINGS["toy"], pool=32, clips=4, hidden_size=24, predictor_hidden=12)
    folder = train(tmp_path, settings=toy, steps=(1, 2))
    weights = (folder / "step-2" / "model.safetensors").read_bytes()
    shutil.rmtree(folder / "step-2")
    assert train(tmp_path, settings=toy, steps=(1, 2)) == folder
    assert (folder / "step-2" / "model.safetensors").read_bytes() == weights
    assert (folder / "step-1" / "model.safetensors").read_bytes() != weights
    assert sorted(path.name for path in folder.iterdir()) == ["step-1", "step-2"]


def test_every_run_of_the_list_is_whole_and_its_experiment_is_read():
    assert len({run.name for run in RUNS}) == len(RUNS)
    for run in some(RUNS):
        assert run.minutes <= 10
        assert not run.file or read_encoders(ROOT / run.file)


def test_the_index_and_the_findings_are_those_of_the_stored_figures():
    gallery = read_gallery(GALLERY)
    assert {run.name for run in RUNS} == set(gallery)
    assert (GALLERY / INDEX).read_text() == write_index(gallery), "make gallery"
    assert FINDINGS.read_text() == write_findings(gallery), "make gallery"
    for facts in some(gallery.values()):
        assert 1 <= len(learnt(facts["pages"])) <= 3


def test_findings_have_no_section_of_what_was_not_run():
    gallery = read_gallery(GALLERY)
    for name, section in (("pets", "### A real film"), ("deltas", "Does motion live"), ("watch", "A training:")):
        assert section in write_findings(gallery)
        assert section not in write_findings({key: facts for key, facts in gallery.items() if key != name})
    bare = write_findings({"scenes": gallery["scenes"]})
    assert "## 5." in bare
    assert "gallery/original" not in bare
    with pytest.raises(GalleryError, match="quotes scenes"):
        write_findings({})


def test_figures_of_the_findings_are_the_stored_ones():
    """Not only the same text: a stored figure that changes changes the page."""
    gallery = read_gallery(GALLERY)
    changed = json.loads(json.dumps(gallery))
    row = next(iter(changed["scenes"]["pages"].values()))["rows"][0]
    row["score"] = {"value": 0.123, "low": 0.111, "high": 0.135}
    assert "0.12 [0.11, 0.14]" in write_findings(changed)
    assert "0.12 [0.11, 0.14]" not in write_findings(gallery)


def test_pages_of_the_gallery_are_small_and_name_no_folder_of_a_machine():
    check_sizes(GALLERY)
    gallery = read_gallery(GALLERY)
    for run in some([run for run in RUNS if run.name in gallery]):
        for page in run.pages:
            text = (GALLERY / run.name / page.file).read_text()
            assert len(text.encode()) <= PAGE_BYTES
            assert not re.findall(r"(?<![\w}.])/(?:work|mnt|data|srv|opt|home|tmp|root|Users|var)/", text), page
            assert not run.films or 'id="moments"' not in text
        assert (GALLERY / run.name / PICTURE).stat().st_size < 100_000
