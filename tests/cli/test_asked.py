"""What was asked is answered, or refused by name and before the work; a folder keeps what others found."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.builders.known_store import put
from typer.testing import CliRunner

from worldprobe import provenance
from worldprobe.cli import app
from worldprobe.config import make_experiment, to_toml
from worldprobe.errors import ConfigError, LabelError, RegistryError, StoreError, WorldprobeError
from worldprobe.findings.run_files import read_labels as labels_of_run
from worldprobe.labels.load import load_labeller
from worldprobe.labels.table import read_labels, read_tables, write_labels
from worldprobe.pipeline import run as running
from worldprobe.pipeline.decode.training_clips import of_clips, read_training_clips, write_training_clips
from worldprobe.pipeline.folder import (
    DECODE,
    PREDICT,
    PROBE,
    add_notes,
    changed_settings,
    merge,
    require_own,
    write_alignment,
)
from worldprobe.pipeline.label.checks import check_labeller
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe
from worldprobe.pipeline.probe.stream import fit_ridge
from worldprobe.provenance import hash_of
from worldprobe.records import ClipSpec, Labels, TokenGrid, VideoRef
from worldprobe.results import CostResult, OtherResult, ProbeResult, read_results, write_results
from worldprobe.series import Series
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes
from worldprobe.video.write import write_video


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return render_scenes(8, 3, tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def truth(scenes):
    return label(scenes, labeller=load_labeller("truth"))


def video(name, *, frames=100, episodes=(), rate=10.0):
    return VideoRef(name * 16, f"{name}.mp4", 64, 48, frames, rate, episodes=episodes)


def scored(task="xy", **changes):
    values = {
        "task": task, "encoder": "e", "tap": "t", "features": "z", "input": "native", "probe": "ridge",
        "control": "none", "split": "grouped", "metric": "r2", "score": 0.5, "low": 0.4, "high": 0.6, "n_train": 1,
        "n_test": 1, "n_groups": 30, "seed": 0,
    }  # fmt: skip
    return ProbeResult(**{**values, **changes})


def cost(stage):
    return CostResult(stage=stage, seconds=1, items=1, items_per_second=1, peak_rss_bytes=1, device="cpu")


STRANGE = '{"kind": "theirs",  "encoder": "e", "score":1e3, "caf\\u00e9": "é"}'


def test_a_stage_replaces_its_own_lines_and_keeps_all_others_to_the_byte(tmp_path):
    path, films = tmp_path / "results.jsonl", [video("a"), video("b")]
    told = {"kind": "leak", "encoder": "e", "call": "prefix", "context": 1, "horizon": 1, "context_change": 0.0,
            "prediction_change": 0.0, "clips": 1}  # fmt: skip
    lines = [STRANGE, json.dumps(told), scored("size").model_dump_json(), cost("train cnn").model_dump_json()]
    path.write_text(
        "\n".join([*lines, cost("probe").model_dump_json(), cost("predict e").model_dump_json()]) + "\n"
    )
    at = {"revision": "1" * 64, "videos": films}
    assert merge(tmp_path, PROBE, [scored("xy")], [cost("probe")], **at) == []
    assert merge(tmp_path, DECODE, [], [cost("frames")], **at) == []
    found = read_results(path)
    assert [getattr(one, "task", one.kind) for one in found if one.kind != "cost"] == ["xy", "theirs", "leak"]
    assert [one.stage for one in found if one.kind == "cost"] == ["train cnn", "predict e", "probe", "frames"]
    assert STRANGE in path.read_text().splitlines()
    merge(tmp_path, PREDICT, [], [], **at)
    assert {one.kind for one in read_results(path)} == {"probe", "theirs", "cost"}
    assert [one.stage for one in read_results(path) if one.kind == "cost"] == ["train cnn", "probe", "frames"]


@pytest.mark.parametrize(
    ("record", "stays"),
    [
        ({"encoder": {"revision": "1" * 12}}, True),
        ({"encoder": {"revision": "2" * 12}}, False),
        ({"encoder": {"revision": "1" * 12}, "videos": {"sha256": "of others"}}, False),
        ({"videos": {"sha256": "-", "count": 1, "named": {"a": f"sha256 {'a' * 16}, 1"}}}, True),
        ({"videos": {"sha256": "-", "count": 1, "named": {"a": f"sha256 {'c' * 16}, 1"}}}, False),
        ({"encoder": {"revision": "2" * 12}, "otherwise": {"predict": {"encoder": {"revision": "1" * 12}}}}, None),
    ],
)  # fmt: skip
def test_what_speaks_of_another_encoder_or_of_other_videos_goes_and_that_is_said(record, stays, tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text(STRANGE + "\n" + scored().model_dump_json() + "\n")
    (tmp_path / "provenance.json").write_text(json.dumps({"stages": ["probe"], **record}))
    said = merge(tmp_path, PREDICT, [], [], revision="1" * 64, videos=[video("a"), video("b")])
    assert {one.kind for one in read_results(path)} == ({"probe", "theirs"} if stays else set())
    assert bool(said) == (not stays)


def test_a_damaged_line_does_not_take_the_others_with_it(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text(STRANGE + '\n{"kind": "probe"}\n' + cost("predict e").model_dump_json() + "\n")
    (said,) = merge(tmp_path, PROBE, [scored()], [], revision="1", videos=[])
    assert "line 2 is not a result" in said
    assert [one.kind for one in read_results(path)] == ["probe", "theirs", "cost"]
    path.write_text('{"kind": 3}\n')
    with pytest.raises(WorldprobeError, match="line 1 is not a result"):
        read_results(path)


def held(folder, **values):
    """A folder with the results of an experiment on the films a and b."""
    given = {"videos": ["a.mp4", "b.mp4"], "encoder": "pixels", "labeller": "mot:a.txt", **values}
    folder.mkdir()
    (folder / "experiment.toml").write_text(to_toml(make_experiment(given)))
    write_results(folder / "results.jsonl", [scored(), OtherResult(kind="theirs", text=STRANGE)])
    ids = ["a" * 16, "b" * 16]
    named = {f"{one[0]}.mp4": f"sha256 {one}, 9 frames of 6 x 4" for one in ids}
    record = {"stages": ["probe"], "videos": {"count": 2, "sha256": hash_of(ids), "named": named}}
    (folder / "provenance.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize(
    ("asked", "ids", "part", "said"),
    [
        ({"videos": ["a.mp4", "b.mp4"]}, "", False, None),
        ({"videos": ["a.mp4", "b.mp4", "c.mp4"]}, "", False, None),
        ({"videos": ["here/*.mp4"]}, "ab", False, None),
        ({"videos": ["here/*.mp4"]}, "abc", False, None),
        ({"labeller": "mot"}, "", False, None),
        ({"videos": ["b.mp4"]}, "b", True, None),
        ({"videos": ["here/b.mp4"]}, "b", True, None),
        ({"videos": ["b.mp4"]}, "b", False, "videos a.mp4, b.mp4, and b.mp4 was asked for"),
        ({"videos": ["c.mp4"]}, "c", True, "videos a.mp4, b.mp4, and c.mp4 was asked for"),
        ({"encoder": "gaussian"}, "", False, "encoder 'pixels', and 'gaussian' was asked for"),
        ({"encoder": "gaussian"}, "", True, "Give another folder"),
        ({"labeller": "mot:b.txt"}, "", False, "labeller 'mot:a.txt', and 'mot:b.txt' was asked for"),
        ({"labeller": "moving", "encoder": "gaussian"}, "", False, "gaussian.*; of labeller"),
        ({"protocol": "original"}, "", False, "protocol 'sound', and 'original'"),
    ],
)
def test_a_folder_of_another_experiment_is_refused_with_the_difference(asked, ids, part, said, tmp_path):
    out = held(tmp_path / "run")

    def ask():
        require_own(out, {"videos": ["a.mp4", "b.mp4"], **asked}, ids=lambda: {one * 16 for one in ids}, part=part)

    if said is None:
        ask()
        return
    with pytest.raises(ConfigError, match=said):
        ask()
    (out / "results.jsonl").unlink()  # nothing would be lost
    ask()


def test_what_was_only_predicted_may_be_probed_with_any_labels(tmp_path):
    out = held(tmp_path / "run")
    write_results(out / "results.jsonl", [cost("predict e")])
    require_own(out, {"labeller": "truth"})
    (out / "experiment.toml").write_text("half = ")
    with pytest.raises(ConfigError, match="is damaged"):
        require_own(out, {"labeller": "truth"})


@pytest.mark.parametrize("command", ["run", "demo", "predict", "decode", "probe"])
def test_every_command_that_writes_results_leaves_those_of_others(
    command, film, scenes, truth, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    out = held(tmp_path / "run")
    before = (out / "results.jsonl").read_bytes()
    if command == "run":
        (tmp_path / "e.toml").write_text(f'videos = ["{film}"]\nencoder = "pixels"\n')
        arguments = ["e.toml"]
    elif command == "probe":
        put(Store("s.zarr"), scenes, lambda video, tubelet: np.ones(4))
        write_labels(truth, tmp_path / "l.parquet")
        arguments = ["--store", "s.zarr", "--labels", "l.parquet", "--encoder", "known", "--controls", "majority"]
    else:
        arguments = [str(film), "--encoder", "pixels"]
    done = CliRunner().invoke(app, [command, *arguments, "--out", "run"])
    assert isinstance(done.exception, ConfigError), done.output
    assert str(done.exception).startswith("run holds the results of another experiment: of ")
    assert (out / "results.jsonl").read_bytes() == before


def test_notes_on_a_stage_go_when_it_is_done_anew_and_stay_when_another_is(tmp_path):
    def notes():
        return labels_of_run(tmp_path).notes

    write_alignment(tmp_path, {"kept": 7, "dropped": {"late": 2}}, ["of labels", "of both"])
    add_notes(tmp_path, PREDICT, ["Predicted: 7 of 12 videos", "of both"])
    add_notes(tmp_path, DECODE, ["Decoded: 5 of 12 videos"])
    add_notes(tmp_path, PREDICT, ["Predicted: 8 of 12 videos"])
    assert notes() == ("of labels", "of both", "Predicted: 8 of 12 videos", "Decoded: 5 of 12 videos")
    write_alignment(tmp_path, {"kept": 9}, ["of other labels"])  # probed anew
    assert notes() == ("of other labels", "Predicted: 8 of 12 videos", "Decoded: 5 of 12 videos")
    assert labels_of_run(tmp_path).kept == 9
    add_notes(tmp_path, PREDICT, [])
    add_notes(tmp_path, DECODE, [])
    assert json.loads((tmp_path / "alignment.json").read_text()) == {"kept": 9, "notes": ["of other labels"]}
    (tmp_path / "alignment.json").write_text("half")
    write_alignment(tmp_path, {"kept": 1}, [])
    assert (labels_of_run(tmp_path).kept, notes()) == (1, ())


def test_notes_on_what_is_removed_go_with_it(tmp_path):
    of = {"encoder": {"revision": "first"}, "videos": provenance.of_videos([])}
    provenance.record(tmp_path / provenance.FILE, ["predict"], provenance.collect(**of))
    add_notes(tmp_path, PREDICT, ["Predicted: 7 of 12 videos"])
    merge(tmp_path, DECODE, [], [], revision="first", videos=[])
    assert labels_of_run(tmp_path).notes == ("Predicted: 7 of 12 videos",)
    merge(tmp_path, DECODE, [], [], revision="other", videos=[])
    assert labels_of_run(tmp_path).notes == ()


def test_what_is_asked_anew_replaces_results_and_that_is_said(tmp_path):
    values = {"videos": ["a.mp4", "b.mp4"], "encoder": "pixels", "labeller": "mot:a.txt"}
    out = held(tmp_path / "run", tasks=["xy"], predict={"context": 2})
    assert changed_settings(out, make_experiment({**values, "tasks": ["xy"], "predict": {"context": 2}})) == []
    assert changed_settings(tmp_path / "new", make_experiment(values)) == []
    (said,) = changed_settings(out, make_experiment({**values, "tasks": ["xy", "size"], "split": "video"}))
    assert "with tasks = xy (now xy, size); split = grouped (now video): they are replaced" in said
    few = {**values, "tasks": ["xy"], "moments_per_clip": 2}
    (said,) = changed_settings(out, make_experiment(few))
    assert "with moments_per_clip = not set (now 2): they are replaced" in said
    (out / "experiment.toml").write_text(to_toml(make_experiment({**few, "pca": 64})))
    (said,) = changed_settings(out, make_experiment({**few, "moments_per_clip": 3}))
    assert "with moments_per_clip = 2 (now 3); pca = 64 (now not set): they are replaced" in said


def test_of_a_table_the_keys_that_changed_are_named(tmp_path):
    values = {"videos": ["a.mp4"], "encoder": "pixels", "labeller": "mot:a.txt", "classes": {"animal": ["cat"]}}
    decode = {
        "decoders": ["cnn", "flow"],
        "steps": 9,
        "options": {"flow": {"width": 8, "patch": 4}, "cnn": {"width": 2}},
    }
    out = held(tmp_path / "run", predict={"context": 2, "horizon": 3}, decode=decode, classes=values["classes"])
    now = {**decode, "steps": 5, "samples": 9, "videos": 3, "options": {"flow": {"width": 16, "patch": 4}}}
    animals = {"animal": ["cat", "dog"]}
    asked = {**values, "classes": animals, "predict": {"context": 4, "horizon": 3}, "decode": now}
    (said,) = changed_settings(out, make_experiment(asked))
    assert said == (
        f"{out} held results with classes.animal = cat (now cat, dog); predict.context = 2 (now 4); "
        "decode.steps = 9 (now 5); decode.samples = 8 (now 9); decode.options.flow.width = 8 (now 16); "
        "decode.options.cnn.width = 2 (now not set); decode.videos = not set (now 3): they are replaced."
    )
    # A file of an older version lacks keys that were not there yet.
    path = out / "experiment.toml"
    path.write_text(path.read_text().replace("samples = 8\n", ""))
    assert (
        changed_settings(
            out, make_experiment({**values, "predict": {"context": 2, "horizon": 3}, "decode": decode})
        )
        == []
    )


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    frames = [np.full((48, 64, 3), 10 * k, np.uint8) for k in range(20)]
    write_video(path, frames, rate=10)
    (path.parent / "bad.txt").write_text("1,1,5,5,9,9,1\n2,1,5,none\n")
    (path.parent / "late.txt").write_text("300,1,5,5,9,9,1\n")
    (path.parent / "film.txt").write_text("1,1,5,5,9,9,1\n2,1,6,5,9,9,1\n")
    (path.parent / "net.onnx").write_text("no model")
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labeller": "movng"}, "did you mean 'moving'"),
        ({"labeller": "mot:nowhere.txt"}, "no file of labels at nowhere.txt"),
        ({"labeller": "mot:{folder}/bad.txt"}, "bad.txt line 2"),
        ({"labeller": "mot:{folder}/late.txt"}, "late.txt speaks of frame 300.*has 20 frames"),
        ({"labeller": "onnx:FOLDER/net.onnx"}, "is not a usable ONNX model"),
        ({"labeller": "moving", "confidence": 0.5}, "takes no option 'confidence'.*that take it: .*onnx"),
        ({"labeller": "truth"}, "no truth beside"),
        ({"labeller": "lerobot"}, "lies in no LeRobot dataset"),
        ({"encoder": "pixls"}, "did you mean 'pixels'"),
        ({"probes": ["linear", "rigde"]}, "rigde"),
        ({"classes": "nowhere.toml"}, "nowhere.toml"),
        ({"decode": {"decoders": ["cnm"]}}, "did you mean 'cnn'"),
        ({"decode": {"options": {"cnn": {"chanels": 8}}}}, "takes no option 'chanels'"),
        ({"decode": {"options": {"cnn": {"channels": "many"}}}}, "channels is a whole number"),
        ({"decode": {"blocks": "1"}}, "has blocks 0 to 0"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_encoded(changes, said, film, tmp_path, monkeypatch):
    def encoding(*arguments, **options):
        raise AssertionError("it is encoded")

    monkeypatch.setattr("worldprobe.pipeline.encode.stage.encode", encoding)
    values = {"videos": [str(film)], "encoder": "pixels", "labeller": "moving", "tasks": ["xy"], **changes}
    values["labeller"] = values["labeller"].replace("FOLDER", str(film.parent))
    with pytest.raises(WorldprobeError, match=said):
        running.run(make_experiment(values), [film], tmp_path / "run")


def test_a_file_of_labels_for_each_film_is_named_by_the_film(film, scenes, tmp_path):
    other = tmp_path / "other.mp4"
    other.write_bytes(film.read_bytes() + b"\0")
    files = tmp_path / "gt"
    files.mkdir()
    (files / "film.txt").write_text("1,1,5,5,9,9,1\n")
    each = load_labeller(f"mot:{files}/{{stem}}.txt")
    with pytest.raises(LabelError, match=r"1 of 2 films have no file.*other\.txt is not there"):
        check_labeller(each, [film, other])
    (files / "other.txt").write_text("1,7,9,9,9,9,1\n")
    check_labeller(each, [film, other])
    found = label([film, other], labeller=each).table
    assert found["object"].to_list() == [1, 7]
    assert found["video"].n_unique() == 2
    with pytest.raises(LabelError, match="the same file"):
        check_labeller(load_labeller("mot:{folder}/../gt/film.txt"), [other, other.with_name("third.mp4")])
    with pytest.raises(LabelError, match=r"labels one video, 2 were given.*\{stem\}"):
        label([film, other], labeller=load_labeller(f"mot:{files}/film.txt"))


def test_every_task_that_is_asked_for_has_a_line(scenes, truth, tmp_path):
    store = Store(str(tmp_path / "s.zarr"))
    put(store, scenes, lambda video, tubelet: np.ones(4))
    plan = Plan("known", ("xy", "class", "state"), ("z",), ("majority",), "grouped", probes=("logistic",))
    found = probe(store, truth, plan).results
    assert {line.task for line in found} == {"xy", "class", "state"}
    (xy,) = (line for line in found if line.task == "xy")
    assert (xy.score, xy.probe) == (None, "no probe")
    assert xy.notes == ["none of the probes logistic is for numbers (regression): add linear, or another that is"]


def test_ridge_says_which_clips_the_store_lacks(scenes, truth, tmp_path):
    store = Store(str(tmp_path / "s.zarr"))
    put(store, scenes[:-1], lambda video, tubelet: np.arange(4) + tubelet)
    write, store.write = store.write, lambda *arguments: None
    put(store, scenes[-1:], lambda video, tubelet: np.ones(4))
    store.write = write
    with pytest.raises(StoreError, match=r"8 labelled moments lie in clips .* does not hold"):
        fit_ridge(store, truth, encoder="known", task="xy")


def series(name, episodes, *, rate):
    ref = video(name, frames=20 * int(rate), episodes=episodes, rate=rate)
    specs = tuple(ClipSpec(ref, start, int(rate), 1) for start in range(0, 20 * int(rate), int(rate)))
    from worldprobe.geometry import resize_and_crop

    view = resize_and_crop(64, 48, crop=32)[1]
    shots = (0, 10 * int(rate)) if len(episodes) == 2 else (0,)
    return Series(ref, specs, "e", "1", "trained", None, "native", "none", TokenGrid(5, 2, 2, 2, 16), view, shots)


def test_another_cameras_view_of_an_episode_that_was_trained_on_counts_as_seen(tmp_path):
    """Camera a was trained on the second 3 of each of its episodes, camera b on nothing, c shows other episodes."""
    a, b, c = (
        series("a", ("one", "two"), rate=10.0),
        series("b", ("two", "three"), rate=20.0),
        series("c", (), rate=10.0),
    )
    write_training_clips(of_clips([(a, 3), (a, 13)]), tmp_path)
    seen = read_training_clips(tmp_path)

    def known(one, clip):
        from worldprobe.pipeline.decode.training_clips import episode_of

        episode, began = episode_of(one, clip)
        return seen.has(one.specs[clip], episode=episode, began=began)

    assert [known(a, clip) for clip in range(20)] == [clip in (3, 13) for clip in range(20)]
    assert [known(b, clip) for clip in range(20)] == [clip < 10 for clip in range(20)]
    assert not any(known(c, clip) for clip in range(20))
    # Trained on both cameras at other times, what one showed is not new by the other.
    write_training_clips(of_clips([(a, 13), (b, 5)]), tmp_path)
    seen = read_training_clips(tmp_path)
    assert [clip for clip in range(20) if known(b, clip)] == [3, 5]
    assert [clip for clip in range(20) if known(a, clip)] == [13, 15]
    (tmp_path / "trained_on.json").write_text('{"' + "a" * 16 + '": [30]}')  # as it was written before
    seen = read_training_clips(tmp_path)
    assert [clip for clip in range(20) if known(a, clip)] == [3]
    (tmp_path / "trained_on.json").write_text('{"a": 3}')
    with pytest.raises(WorldprobeError, match="is damaged"):
        read_training_clips(tmp_path)
    assert read_training_clips(tmp_path / "nowhere") is None


def table(name, identity, **more):
    known = {"video": name, "frame": [0, 1], "pts_seconds": [0.0, 0.1], "object": identity, "class": ["1", ""]}
    box = {"x": [1.5, float("nan")], "y": 2.0, "w": 3.0, "h": 4.0, "confidence": 1.0, "source": "mot"}
    return Labels.from_columns(**known, **box, **more)


def test_tables_of_several_films_are_one_and_the_same_object_twice_is_an_error(tmp_path):
    one, two = tmp_path / "one.parquet", tmp_path / "two.csv"
    write_labels(table("a", 1), one)
    write_labels(table("b", 1, vx=[1.0, 2.0], note=["x", "1"]), two)
    assert two.read_text().startswith("video,frame")
    back = read_labels(two).table
    assert back.drop("x").equals(table("b", 1, vx=[1.0, 2.0], note=["x", "1"]).table.drop("x"))
    assert back["x"].to_list()[0] == 1.5
    assert np.isnan(back["x"].to_list()[1])
    joined = read_tables([one, two]).table
    assert (len(joined), joined["video"].unique().sort().to_list()) == (4, ["a", "b"])
    write_labels(table("a", 2), tmp_path / "more.parquet")
    assert len(read_tables([one, tmp_path / "more.parquet"]).table) == 4
    for again in (one, tmp_path / "again.csv"):
        write_labels(table("a", 1), again)
        with pytest.raises(LabelError, match="both label object 1 of video a"):
            read_tables([one, again])
    with pytest.raises(ConfigError, match=r"named as \.json"):
        write_labels(table("a", 1), tmp_path / "l.json")
    two.write_text("video,frame\nb,zero\n")
    with pytest.raises(LabelError, match="CSV"):
        read_labels(two)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("encode", "a.mp4", "--store", "s", "--store", "t"), "--store"),
        (("run", "e.toml", "--out", "a", "--out", "b"), "--out"),
        (("predict", "a.mp4", "--out", "a", "--twin", "--no-twin"), "--twin"),
        (("label", "a.mp4", "--out", "a.parquet", "--labeller", "moving", "--labeller", "truth"), "--labeller"),
    ],
)
def test_an_option_with_one_value_is_given_once(arguments, said, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert said in done.output
    assert "given 2 times" in done.output


def test_a_switch_may_be_said_twice_and_tables_of_labels_too(tmp_path, monkeypatch):
    assert CliRunner().invoke(app, ["list", "decoders", "--json", "--json"]).exit_code == 0
    monkeypatch.chdir(tmp_path)
    arguments = ["probe", "--store", "s", "--labels", "one.parquet", "--labels", "two.parquet", "--out", "o"]
    assert "no labels at one.parquet" in str(CliRunner().invoke(app, arguments).exception)
    arguments = ["label", "nowhere.mp4", "--out", "l.json"]
    assert "named as .json" in str(CliRunner().invoke(app, arguments).exception)


@pytest.mark.parametrize(
    ("option", "evidence"),
    [("none", []), ("code", ["code"]), ("learning,code", ["learning", "code"]), (None, None)],
)
def test_evidence_is_an_option_of_demo(option, evidence, film, monkeypatch):
    asked = []
    monkeypatch.setattr("worldprobe.cli.experiments._run", lambda experiment, *rest: asked.append(experiment))
    more = [] if option is None else ["--evidence", option]
    done = CliRunner().invoke(app, ["demo", str(film), *more], catch_exceptions=False)
    assert done.exit_code == 0
    assert asked[0].evidence == (["code", "learning", "unlabelled"] if evidence is None else evidence)
    assert isinstance(CliRunner().invoke(app, ["demo", str(film), "--evidence", "cod"]).exception, ConfigError)


@pytest.mark.parametrize(("scenes", "moments"), [(200, None), (201, 4), (500, 2), (1001, 1)])
def test_of_many_scenes_the_demo_takes_some_moments_and_some_films(scenes, moments, monkeypatch):
    asked = []
    monkeypatch.setattr("worldprobe.cli.experiments._run", lambda experiment, *rest: asked.append(experiment))
    monkeypatch.setattr("worldprobe.cli.experiments.resolve_videos", lambda sources, **_: [Path("a.mp4")] * scenes)
    done = CliRunner().invoke(app, ["demo", f"scenes:{scenes}"], catch_exceptions=False)
    assert done.exit_code == 0
    (found,) = asked
    some_of = (found.moments_per_clip, found.predict.videos, found.decode.videos)
    assert some_of == ((None, None, None) if scenes == 200 else (moments, 200, 200))
    text = to_toml(found)
    assert ("moments_per_clip" in text, text.count("videos = 200\n")) == (
        (False, 0) if scenes == 200 else (True, 2)
    )


def test_a_name_that_the_hub_cannot_have_is_not_asked_for(monkeypatch):
    from worldprobe.encoders.load import load_encoder
    from worldprobe.io import hub

    asked = []

    class Hub:
        def model_info(self, name, timeout):
            asked.append((name, timeout))
            raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    hub.answers.cache_clear()
    for name, meant in (("vjepa2-tny", "vjepa2-tiny"), ("random:vjepa2-tin", "vjepa2-tiny"), ("./gausian", None)):
        with pytest.raises(RegistryError, match=f"did you mean '{meant}'" if meant else "no folder, no hub id"):
            load_encoder(name)
    assert asked == []
    for _ in range(2):
        with pytest.raises(RegistryError, match="did you mean 'facebook/vjepa2-vitl-fpc64-256'"):
            load_encoder("facebok/vjepa2-vitl-fpc64-256")
    assert asked == [("facebok/vjepa2-vitl-fpc64-256", 10.0)]
    hub.answers.cache_clear()


@pytest.mark.parametrize("kind", ["encoders", "labellers", "probes", "decoders"])
def test_a_class_of_ones_own_takes_an_argument(kind):
    from worldprobe.plugins import registry

    for written, argument in (("", None), (":a/b:c?d=1", "a/b:c?d=1"), (":", "")):
        plugin, given = registry.check(kind, f"tests.builders.own_plugins:Told{written}")
        assert (plugin(given).argument, given) == (argument, argument)
    assert registry.knows(kind, "tests.builders.own_plugins:Told:x")
    assert registry.foreign(kind, "tests.builders.own_plugins:Told:x")


def test_two_arguments_of_one_class_are_two_probes():
    from worldprobe.pipeline.probe.questions import check_probes, probe_of

    own = tuple(f"tests.builders.own_plugins:Told:{argument}" for argument in "ab")
    plan = Plan("e", ("xy",), ("z",), (), "grouped", probes=own)
    check_probes(plan)
    assert [probe_of(plan, name, "regression")[0] for name in own] == ["told:a", "told:b"]


def test_the_last_lines_name_few_groups_and_what_was_left_out(tmp_path):
    from tests.builders.whole import write_whole_run

    from worldprobe.findings.summary import summarize
    from worldprobe.report.forms.terminal import caveat_lines

    write_whole_run(tmp_path)
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write(STRANGE + "\n")
    summary = summarize(tmp_path)
    said = caveat_lines(summary)
    assert said[0].startswith("Only 12 groups (")
    assert any(line.startswith("1,252 of 3,172 labels were dropped: ") for line in said)
    assert any(line.startswith("1 clip failed and is in none of the figures") for line in said)
    assert set(said[:-1]) <= set(summary.caveats)
    assert said[-1] == f"{len(summary.caveats) - len(said) + 1} more caveats: see the report."
    assert any("1 line of results.jsonl of the kind 'theirs'" in line for line in summary.caveats)


@pytest.mark.parametrize(("groups", "mark"), [(3, "not-shown"), (40, "above")])
def test_few_groups_weaken_the_mark_of_a_decoder(groups, mark, tmp_path):
    from worldprobe.findings.summary import summarize
    from worldprobe.results import DecodingResult

    def drawn(baseline, score):
        return DecodingResult(
            encoder="e", tap="e/block5.out", decoder="cnn", baseline=baseline, metric="psnr", score=score,
            low=score - 0.1, high=score + 0.1, n=9, n_groups=groups, n_train=9, width=8, height=8, split="grouped",
            seed=0, against={"mean-image": "above"} if baseline == "none" else {},
        )  # fmt: skip

    write_results(tmp_path / "results.jsonl", [drawn("none", 24.0), drawn("mean-image", 17.0)])
    summary = summarize(tmp_path)
    (answer,) = summary.answers
    assert (answer.mark, answer.kind) == (mark, "above")
    assert ("in 3 groups only" in answer.verdict) == (groups == 3)
    assert any("Only 3 groups (frames drawn by decoders)" in one for one in summary.caveats) == (groups == 3)


def test_tables_and_lists_are_said_in_words():
    from worldprobe.pipeline.differences import in_words

    options = {
        "steps": 300,
        "controls": ["pixels", "shuffled"],
        "ladder": False,
        "options": {"cnn": {"channels": 8}},
    }
    said = "steps = 300, controls = (pixels, shuffled), ladder = no, options = (cnn = (channels = 8))"
    assert in_words(options) == said
    assert (in_words([]), in_words({})) == ("none", "none")


def test_weights_of_an_encoder_stand_in_the_report_as_words(tmp_path):
    from tests.builders.whole import write_whole_run

    from worldprobe.findings.summary import summarize
    from worldprobe.report.forms.markdown import _setup

    write_whole_run(tmp_path)
    record = json.loads((tmp_path / "provenance.json").read_text())
    record["encoder"] |= {"weights": {"model.safetensors": "abc123"}}
    (tmp_path / "provenance.json").write_text(json.dumps(record))
    text = _setup(summarize(tmp_path))
    assert "weights model.safetensors abc123" in text
    assert "{'" not in text
