"""The original protocol, part by part: what it labels, how it scores, what it refuses."""

import json
import shutil

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.preprocessing import StandardScaler
from tests.builders.checks import some

from worldprobe.config import make_experiment
from worldprobe.console import show
from worldprobe.encoders.load import control_encoders, load_encoder
from worldprobe.errors import ConfigError, ProbeError, RegistryError, VideoError
from worldprobe.labels.original import Boxes, evenly, most_confident, naive_motion
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.original.films import SampledFilm, native_starts
from worldprobe.pipeline.original.published import sizes_of
from worldprobe.pipeline.original.steps import STEPS
from worldprobe.pipeline.run import run
from worldprobe.probes.linear.logistic import Logistic
from worldprobe.probes.linear.ridge import Ridge as OwnRidge
from worldprobe.probes.published import permuted, published
from worldprobe.probes.question import Question
from worldprobe.records import ClipSpec, Labels, VideoRef
from worldprobe.report.write import write_report
from worldprobe.results import WATERFALL, read_results
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes
from worldprobe.video.write import write_video


def ref(name: str, *, width: int = 100, height: int = 50, frames: int = 30) -> VideoRef:
    return VideoRef(id=name * 64, path=f"{name}.mp4", width=width, height=height, frames=frames, rate=10.0)


def labels(rows: list[tuple[str, int, str, float, float, float]]) -> Labels:
    """Rows (film, frame, class, x, y, confidence), boxes of 10 x 10 px."""
    film, frame, name, x, y, confidence = map(list, zip(*rows, strict=True))
    return Labels.from_columns(
        video=[one * 64 for one in film], frame=frame, pts_seconds=[f / 10 for f in frame], object=-1,
        **{"class": name}, x=x, y=y, w=10.0, h=10.0, confidence=confidence, source="made",
    )  # fmt: skip


def boxes_at(centres: list[tuple[float, float]]) -> Boxes:
    rows = [("a", frame, "person", x, y, 0.9) for frame, (x, y) in enumerate(centres)]
    return most_confident(labels(rows), [ref("a")], [np.arange(30)], [(0,)])


def test_frames_lie_evenly_and_none_is_taken_twice():
    assert evenly(100, 5).tolist() == [0, 24, 49, 74, 99]
    assert evenly(3, 10).tolist() == [0, 1, 2]
    assert evenly(100, 5, every=10).tolist() == [0, 20, 40, 60, 90]
    assert len(evenly(14_315, 10_000)) == 10_000


def test_one_box_a_frame_the_most_confident_of_those_looked_at():
    made = labels(
        [("a", 0, "person", 10, 10, 0.5), ("a", 0, "car", 20, 10, 0.8), ("a", 1, "dog", 30, 10, 0.99),
         ("a", 2, "dog", 40, 10, 0.4), ("b", 5, "car", 50, 10, 0.4), ("b", 5, "cup", 60, 10, 0.4)]
    )  # fmt: skip
    films = [ref("a"), ref("b", width=200, height=80)]
    found = most_confident(made, films, [np.array([0, 2, 4]), np.array([5])], [(0, 2), (0, 3, 5)])
    assert found.name.tolist() == ["car", "dog", "car"]
    assert found.film.tolist() == [0, 0, 1]
    assert found.shot.tolist() == [0, 1, 4]
    assert found.own_size.tolist() == [[100, 50], [100, 50], [200, 80]]
    assert found.first_size.tolist() == [100, 50]
    assert found.looked_at == 4


def test_naive_motion_is_the_step_from_row_to_row_whatever_lies_between():
    # In frames 100 x 50 px: 0.02 is 2 px across and 1 px down.
    found = naive_motion(
        boxes_at([(50, 20), (50, 20), (53, 20), (51.5, 20), (51.5, 25), (54, 26), (0, 0)]), np.array([100, 50])
    )
    assert found.tolist() == ["still", "still", "right", "still", "down", "right", "left"]
    # Twice as large a frame halves every difference.
    assert naive_motion(boxes_at([(50, 20), (53, 20)]), np.array([200, 100])).tolist() == ["still", "still"]
    two = labels([("a", 29, "person", 90, 10, 1.0), ("b", 0, "car", 10, 10, 1.0)])
    across = most_confident(two, [ref("a"), ref("b")], [np.arange(30)] * 2, [(0,), (0,)])
    assert naive_motion(across, across.first_size).tolist() == ["still", "left"]


def test_scores_are_scikit_learns_own_to_the_last_digit():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 20)).astype(np.float32)
    y = x[:, :2] @ rng.normal(size=(2, 2)) + 0.5 * rng.normal(size=(200, 2))
    code = (y[:, 0] > 0).astype(float)[:, None] + (y[:, 1] > 1)
    unit = np.arange(200) // 10
    train, test = permuted(200, seed=42)
    assert (len(train), len(test)) == (160, 40)
    scaler = StandardScaler().fit(x[train])
    rows, held = scaler.transform(x[train]), scaler.transform(x[test])
    expected = r2_score(y[test], Ridge(alpha=1).fit(rows, y[train]).predict(held))
    found = published(x, Question("xy", OwnRidge(), y), unit, seed=42)["r2"]
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.low < found.value < found.high
    classifier = LogisticRegression(C=1, max_iter=1000).fit(rows, code[train, 0].astype(int))
    expected = accuracy_score(code[test, 0].astype(int), classifier.predict(held))
    found = published(x, Question("class", Logistic(), code, 3), unit, seed=42)["accuracy"]
    assert found.value == pytest.approx(expected, abs=1e-12)


def test_a_fixed_penalty_fails_near_as_many_rows_as_dimensions_and_a_chosen_one_does_not():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(130, 100)).astype(np.float32)  # 104 to train on, and 100 dimensions
    y = x[:, :2] + rng.normal(size=(130, 2))
    question, unit = Question("xy", OwnRidge(), y), np.arange(130)
    fixed = published(x, question, unit, seed=42)["r2"]
    chosen = published(x, question, unit, seed=42, chosen=True)["r2"]
    assert fixed.value < -0.5
    assert chosen.value > -0.1


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(12_523, [381, 3751, 12523]), (20_000, [381, 3751, 12523]), (2_500, [76, 749, 2500]), (30, [1, 9, 30])],
)
def test_the_scaling_table_takes_the_published_sizes_or_their_shares(count, sizes):
    assert sizes_of(count) == sizes


def test_each_step_keeps_the_corrections_of_those_before_it():
    assert [step.protocol for step in STEPS] == list(WATERFALL)
    assert (WATERFALL[0], WATERFALL[-1]) == ("original", "sound")
    flags = ("own_size", "controls", "native", "grouped", "chosen", "tracked")
    assert [sum(getattr(step, flag) for flag in flags) for step in STEPS] == list(range(7))


def test_native_clips_hold_their_frame_and_cross_no_cut():
    film = SampledFilm(None, ref("a", frames=30), (0, 12, 17), np.arange(0, 30))
    starts = native_starts(film, frames=8, stride=1)
    assert starts[:12].tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4, 4, 4, 4]
    assert (starts[12:17] == -1).all()  # a shot of five frames
    assert starts[17:].min() == 17
    assert starts[17:].max() + 7 == 29
    there = starts >= 0
    assert ((starts <= film.frames) & (film.frames <= starts + 7))[there].all()


def test_a_squashed_view_shows_the_whole_frame_under_a_name_of_its_own():
    plain, squashed = load_encoder("pixels"), load_encoder("squashed:pixels")
    frame = np.zeros((1, 60, 160, 3), dtype=np.uint8)
    frame[:, :, 140:] = 255  # what the crop cuts away
    assert plain.preprocess(frame).max() == 0
    seen = squashed.preprocess(frame)
    assert seen.shape == plain.preprocess(frame).shape
    assert (seen[0, 0, :, 120:] == 255).all()
    assert squashed.view(160, 60).to_model(np.array([160.0, 60.0])).tolist() == [128, 128]
    assert (squashed.name, squashed.status) == ("squashed:pixels", "floor")
    assert squashed.revision != plain.revision
    tiny = load_encoder("squashed:vjepa2-tiny", device="cpu")
    assert control_encoders(tiny.name, tiny.twin) == {
        "random-init": "squashed:random:vjepa2-tiny", "pixels": "squashed:pixels", "flow": "squashed:flow",
    }  # fmt: skip
    for wrong in ("squashed", "squashed:", "squashed:squashed:pixels"):
        with pytest.raises(RegistryError, match="squashed: which encoder's"):
            load_encoder(wrong)


def test_clips_that_are_needed_later_are_added_to_those_that_are_there(tmp_path):
    scene, store = render_scenes(1, 3, tmp_path / "scenes"), Store(str(tmp_path / "s"))

    def sample(needed):
        return lambda video: ([ClipSpec(video.ref, start, 4, 0) for start in range(16)], needed)

    options = {"encoder": load_encoder("squashed:pixels"), "store": store, "blocks": [0], "frames": 4}
    options |= {"input": "still", "pool": "none"}
    assert encode(scene, sampler=sample({0, 3}), **options).made == 2
    done = encode(scene, sampler=sample({0, 3, 7}), **options)
    assert (done.made, done.found) == (1, 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"samples": 100}, 'samples is only for protocol = "original"'),
        ({"protocol": "original", "input": "native"}, "input is 'still' in protocol = \"original\""),
        ({"protocol": "original", "features": ["grid"]}, "features is ['z'] in protocol"),
        ({"protocol": "original", "blocks": "all"}, "blocks is 'last' in protocol"),
        (
            {"protocol": "original", "tasks": ["xy", "velocity"]},
            "xy, size, class, motion, not 'velocity'",
        ),
        ({"protocol": "original", "split": "random"}, "random is its leaky beginning"),
        ({"protocol": "original", "samples": 3}, "samples: Input should be greater than or equal to 20"),
        ({"protocol": "original", "predict": {}}, "[predict] and [decode] are parts of sound runs"),
        ({"protocol": "orginal"}, "protocol: Input should be 'sound' or 'original'"),
    ],
)
def test_experiments_that_are_not_the_protocol_say_why(values, message):
    with pytest.raises(ConfigError) as caught:
        make_experiment({"videos": ["a.mp4"], **values})
    assert message in str(caught.value)


def test_the_protocol_brings_its_own_defaults():
    made = make_experiment({"videos": ["a.mp4"], "protocol": "original"})
    assert (made.samples, made.frames, made.seed, made.classes, made.input) == (10_000, 8, 42, "original", "still")
    assert make_experiment({"videos": ["a.mp4"], "protocol": "original", "seed": 7}).seed == 7


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("original")


@pytest.fixture(scope="module")
def films(rendered, place):
    """Rendered scenes, in which every label is exact; of two directions there are two scenes, as a split needs."""
    return rendered(6, 9, place / "scenes")


def experiment(**changes):
    values = {"videos": ["made"], "protocol": "original", "labeller": "truth", "classes": "own"}
    values["controls"] = ["gaussian", "shuffled", "pixels", "nuisance", "majority"]
    return make_experiment(values | changes)


@pytest.fixture(scope="module")
def done(films, place):
    out = place / "run"
    assert run(experiment(), films, out) == []
    return out


@pytest.fixture(scope="module")
def reported(done):
    """What its report says, which lies beside its lines."""
    return write_report(done)


def test_a_run_has_every_step_of_every_task_and_the_files_of_any_run(done):
    results = read_results(done / "results.jsonl")
    real = {(r.protocol, r.task) for r in results if r.kind == "probe" and r.control == "none"}
    tasks = ("xy", "size", "class", "motion")
    assert {pair for pair in real if "@" not in pair[0]} == {(name, task) for name in WATERFALL for task in tasks}
    assert {pair[0] for pair in real if "@" in pair[0]} == {
        f"{name}@{n}" for name in ("original", "original+chosen") for n in sizes_of(96)
    }
    # At the sound end each reading is judged, and it is known what would have shown.
    judged = {(r.kind, r.task) for r in results if r.kind in ("power", "verdict") and r.protocol == "sound"}
    assert judged == {(kind, task) for kind in ("power", "verdict") for task in tasks}
    first = next(r for r in results if r.kind == "probe" and (r.protocol, r.task) == ("original", "xy"))
    assert (first.split, first.input, first.features, first.seed) == ("random", "still", "z", 42)
    assert (first.n_train, first.n_test) == (76, 20)
    assert first.tap == "squashed:vjepa2-tiny/block3.out"
    names = {"experiment.toml", "provenance.json", "labels.parquet", "embeddings.zarr", "results.jsonl"}
    assert {path.name for path in done.iterdir()} >= names | {"alignment.json"}
    assert json.loads((done / "alignment.json").read_bytes())["frames"] == {"looked_at": 96, "labelled": 96}
    recorded = json.loads((done / "provenance.json").read_bytes())["videos"]["named"]
    assert len(recorded) == 6
    assert all(text.startswith("sha256 ") for text in some(recorded.values()))


def test_what_a_step_does_not_concern_keeps_its_score(done):
    at = {(r.protocol, r.task): r.score for r in read_results(done / "results.jsonl")
          if r.kind == "probe" and r.control == "none" and r.metric in ("r2", "accuracy")
          and (r.split != "random" or r.protocol in WATERFALL[:4])}  # fmt: skip
    assert at["original", "class"] == at["original+own-size", "class"]
    assert at["original+chosen", "xy"] == at["sound", "xy"]
    # One size of frame: the first film's is everybody's.
    assert at["original", "xy"] == at["original+own-size", "xy"]


def encoded(results):
    return sum(r.items for r in results if r.kind == "cost" and r.stage.startswith("encode"))


def test_a_second_run_encodes_nothing_again(films, done, tmp_path):
    results = read_results(done / "results.jsonl")
    # By the encoder and by pixels: a still of each frame, and each of the nine clips that a scene of 16 frames has.
    assert encoded(results) == 2 * 6 * (16 + 9)
    place = shutil.copytree(done, tmp_path / "run")
    run(experiment(), films, place)
    again = read_results(place / "results.jsonl")
    assert encoded(again) == 0
    keep = [r for r in results if r.kind == "probe"]
    assert [r for r in again if r.kind == "probe"] == keep


def test_the_report_tells_the_table_the_scaling_and_the_waterfall(done, reported):
    original = reported.original
    assert [fall.task for fall in original.falls] == ["xy", "size", "class", "motion"]
    assert all([step.protocol for step in fall.steps] == list(WATERFALL) for fall in some(original.falls))
    for fall in some(original.falls):
        assert [step.best_control for step in fall.steps[:2]] == ["gaussian", "gaussian"]
        assert fall.steps[-1].split == "grouped"
        total = fall.steps[-1].score.value - fall.steps[0].score.value
        assert sum(step.change for step in fall.steps[1:]) == pytest.approx(total)
    # The rest of the report speaks of the sound end alone.
    assert {row.protocol for row in reported.rows} == {"sound"}
    assert all(row.main.leak is not None for row in some(reported.rows))
    for name in ("probe_summary.png", "scaling.png", "waterfall.png"):
        assert (done / "figures" / name).stat().st_size > 10_000
    page, text = (done / "report.html").read_text(), (done / "report.md").read_text()
    for said in ("The original experiment, made again", "The waterfall", "tracked motion", "Scaling"):
        assert said in page
        assert said in text
    assert "published: ViT-L, Big Buck Bunny and Sintel" in text


def test_the_closing_tables_say_the_original_then_the_waterfall(done, reported, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    show(reported, done, False)
    printed = capsys.readouterr().out
    assert "The original protocol, as published: 96 of 96 frames labelled" in printed
    assert printed.index("delta") < printed.index("On fewer frames") < printed.index("The waterfall")
    for said in (
        "own frame size",
        "native clips",
        "held-out groups",
        "chosen penalty",
        "tracked motion",
        "verdict",
    ):
        assert said in printed
    assert max(map(len, printed.partition("\nReport: ")[0].splitlines())) <= 120


def test_what_cannot_be_run_says_so_before_anything_is_encoded(films, place, tmp_path):
    with pytest.raises(ProbeError, match="5 grouped folds were asked for, found 3 groups"):
        run(experiment(), films[:3], tmp_path / "few")
    assert not (tmp_path / "few" / "embeddings.zarr").exists()
    with pytest.raises(ProbeError, match="found 1 group of examples"):
        run(experiment(), films[:1], tmp_path / "one")
    with pytest.raises(VideoError, match="none of the 1 videos could be read"):
        run(experiment(), [tmp_path / "none.mp4"], tmp_path / "none")
    with pytest.raises(ConfigError, match="7 frames a clip do not divide"):
        run(experiment(frames=7), films, tmp_path / "odd")
    with pytest.raises(RegistryError, match="squashed: which encoder's"):
        run(experiment(encoder="squashed:pixels"), films, tmp_path / "squashed")
    assert not (tmp_path / "odd").exists()
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(films[0].read_bytes())
    with pytest.raises(ConfigError, match="are the same film: name it once"):
        run(experiment(), [films[0], copy], tmp_path / "twice")
    grey = tmp_path / "grey.mp4"
    write_video(grey, [np.full((64, 96, 3), 128, dtype=np.uint8)] * 24, rate=24)
    with pytest.raises(ProbeError, match="none of the 24 frames looked at has a box by moving"):
        run(experiment(labeller="moving"), [grey], tmp_path / "grey")


def test_a_film_that_cannot_be_read_is_left_out_and_named(films, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a film")
    failures = run(
        experiment(encoder="pixels", tasks=["xy"], controls=["majority"]), [broken, *films[:6]], tmp_path / "run"
    )
    assert [failure.video for failure in failures] == [str(broken)]
    assert (tmp_path / "run" / "failures.jsonl").exists()
    with pytest.raises(VideoError):
        run(experiment(strict=True), [broken, *films[:6]], tmp_path / "strict")
