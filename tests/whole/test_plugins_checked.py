"""What a plug-in gives is held to its promises where it enters, and what it raises is one line that names it."""

import sys
import types

import numpy as np
import polars as pl
import pytest
from tests.builders.commanded import commanded
from tests.builders.flat_decoder import Flat
from tests.builders.named_badly import Encoder, Labeller, film

from worldprobe.cli import main
from worldprobe.errors import DecoderError, EncoderError, LabelError, ProbeError, RegistryError, WorldprobeError
from worldprobe.labels.load import load_labeller
from worldprobe.labels.table import read_labels, write_labels
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.plugins import registry
from worldprobe.probes.linear.design import Design
from worldprobe.protocols import Outcome, able
from worldprobe.records import DecoderShape, Labels, TokenGrid
from worldprobe.store import Store


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return film(tmp_path_factory.mktemp("film") / "film.mp4", 0, frames=16)


@pytest.fixture
def plugin(monkeypatch):
    """Makes a plug-in of a class, by the name module:Class."""

    def make(kind, made, **options):
        module = types.ModuleType("theirs")
        module.Theirs = made
        monkeypatch.setitem(sys.modules, "theirs", module)
        return registry.create(kind, "theirs:Theirs", **options)

    return make


def labelling(change):
    """A labeller whose labels are what ``change`` makes of sound ones."""

    class Theirs(Labeller):
        name = "theirs"

        def label(self, video):
            return change(super().label(video), video)

    return Theirs


def with_columns(**columns):
    return lambda labels, video: Labels(labels.table.with_columns(**columns))


LABELS = [
    (lambda labels, video: None, "gives None"),
    (lambda labels, video: {"x": [1]}, "gives a dict"),
    (lambda labels, video: labels.table, "gives a DataFrame"),
    (lambda labels, video: (one for one in [labels]), "gives a generator"),
    (lambda labels, video: Labels(labels.table.drop("x", "frame")), r"missing: \['frame', 'x'\]"),
    (lambda labels, video: Labels({"x": [1]}), "is a polars DataFrame, not a dict"),
    (with_columns(frame=pl.col("frame") + 10), "frames 10 to 25 of 16"),
    (with_columns(frame=pl.col("frame") - 1), "frames -1 to 14"),
    (with_columns(video=pl.lit("another")), "must hold the id of the video"),
    (with_columns(x=pl.lit(float("nan"))), "x holds NaN"),
    (with_columns(w=pl.lit(-1.0)), "negative widths"),
    (with_columns(confidence=pl.lit(87.0)), "confidence is 87 to 87, expected 0 to 1"),
    (with_columns(x=pl.lit(1e5)), "outside the picture of 64 x 48 px"),
    (with_columns(frame=pl.lit("first")), "column frame holds String, expected Int64"),
    (with_columns(y=pl.lit(None)), "y hold null"),
    (with_columns(pts_seconds=pl.lit(0.5)), "pts_seconds are not those of the frames"),
    (with_columns(**{"state.x": pl.lit("up")}), "column state.x holds String, expected numbers"),
    (lambda labels, video: {}["nothing"], r"failed in label, on .*film.mp4: KeyError: 'nothing' \(test_plugins"),
    (lambda labels, video: 1 / 0, r"ZeroDivisionError: division by zero \(test_plugins_checked.py:\d+\)"),
]


@pytest.mark.parametrize(("change", "said"), LABELS, ids=[said[:24] for _, said in LABELS])
def test_labels_that_are_none_are_refused_by_the_labellers_name(change, said, path, plugin):
    with pytest.raises(LabelError, match=said) as caught:
        label([path], labeller=plugin("labellers", labelling(change)))
    if "DataFrame, not" not in said and "missing" not in said:
        assert "theirs:Theirs" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_in_any_order_and_in_other_types_of_numbers_are_labels(path, plugin):
    narrow = {"frame": pl.col("frame").cast(pl.Int32), "x": pl.col("x").cast(pl.Float32)}

    def change(labels, video):
        return Labels(labels.table.with_columns(**narrow).sample(fraction=1.0, shuffle=True, seed=1), labels.notes)

    found = label([path], labeller=plugin("labellers", labelling(change)))
    sound = label([path], labeller=plugin("labellers", labelling(lambda labels, video: labels)))
    assert found.table.sort("frame").select("frame", "x").equals(sound.table.select("frame", "x"))
    assert found.table.schema["frame"] == pl.Int64


def test_a_table_of_labels_with_words_for_numbers_is_refused(path, plugin, tmp_path):
    labels = label([path], labeller=load_labeller("tests.builders.named_badly:Labeller"))
    wrong = Labels(labels.table.with_columns(frame=pl.lit("first")))
    write_labels(wrong, tmp_path / "l.parquet")
    with pytest.raises(LabelError, match=r"l\.parquet is not a .* of labels: the column frame holds String"):
        read_labels(tmp_path / "l.parquet")


def encoding(**changes):
    class Theirs(Encoder):
        name = "theirs"

    for name, value in changes.items():
        setattr(Theirs, name, value)
    return Theirs


def giving(make):
    """An ``encode`` that gives what ``make`` makes of sound tokens."""
    return lambda self, clips, *, blocks: make(Encoder.encode(self, clips, blocks=blocks))


ENCODES = [
    ({"encode": giving(lambda told: None)}, "encode gives NoneType, expected a dict"),
    ({"encode": giving(lambda told: {})}, r"asked for the blocks \[0, 1\] and lacks \[0, 1\]"),
    ({"encode": giving(lambda told: {k: v.astype(np.float32) for k, v in told.items()})}, "gives float32"),
    (
        {"encode": giving(lambda told: {k: v[:, :1] for k, v in told.items()})},
        r"expected float16 \[\d+, 4, 3, 3, d\]",
    ),
    ({"encode": giving(lambda told: {k: v.tolist() for k, v in told.items()})}, "block 0, gives list"),
    ({"encode": giving(lambda told: {k: v * np.float16(np.nan) for k, v in told.items()})}, "NaN or infinite"),
    ({"view": lambda self, width, height: (1, 2)}, "view gives tuple, expected a View"),
    ({"grid": lambda self, frames: [1]}, "grid gives list, expected a TokenGrid"),
    ({"grid": lambda self, frames: TokenGrid(frames, 3, 3, 1, 4)}, r"expected float16 \[\d+, 8, 3, 3, d\]"),
    ({"preprocess": lambda self, frames: frames}, r"preprocess gives uint8 \[\d+, 48, 64, 3\], expected uint8"),
    ({"preprocess": lambda self, frames: None}, "preprocess gives NoneType"),
    ({"encode": giving(lambda told: told["block"])}, r"failed in encode: KeyError: 'block' \(test_plugins_ch"),
]


@pytest.mark.parametrize(("changes", "said"), ENCODES, ids=[said[:24] for _, said in ENCODES])
def test_tokens_that_are_none_are_refused_by_the_encoders_name(changes, said, path, plugin, tmp_path):
    options = {"device": "cpu", "precision": "fp32"}
    made = plugin("encoders", encoding(**changes), **options)
    with pytest.raises(WorldprobeError, match=said) as caught:
        encode([path], encoder=made, store=Store(str(tmp_path / "s")), blocks=[0, 1], frames=8)
    assert "theirs" in str(caught.value)
    if "NaN" not in said:
        assert isinstance(caught.value, EncoderError)


def test_memory_that_runs_out_in_a_plug_in_still_halves_the_batch(path, plugin, tmp_path):
    def greedy(self, clips, *, blocks):
        if len(clips) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return Encoder.encode(self, clips, blocks=blocks)

    made = plugin("encoders", encoding(encode=greedy), device="cpu", precision="fp32")
    with pytest.warns(UserWarning, match="at once are more than memory holds"):
        found = encode([path], encoder=made, store=Store(str(tmp_path / "s")), blocks=[0], frames=8)
    assert found.made == 2


class Told:
    def __init__(self, value):
        self.predict = lambda inputs: value(inputs)


def probing(value, **more):
    class Theirs:
        name, kind, strengths = "theirs", "regression", (1.0, np.inf)

        def __init__(self, argument=None):
            pass

        def fit(self, training, target, *, strength, classes, start=None):
            assert start is None or isinstance(start, Told)
            return value if value is None else Told(value)

    for name, one in more.items():
        setattr(Theirs, name, one)
    return Theirs


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "fit gives NoneType, which has no method 'predict'"),
        (lambda rows: np.zeros(len(rows)), r"predict gives \[12\], expected \[12, 2\]"),
        (lambda rows: np.zeros((len(rows), 3)), r"predict gives \[12, 3\], expected \[12, 2\]"),
        (lambda rows: np.full((len(rows), 2), np.nan), "predict gives NaN"),
        (lambda rows: "much", "failed in predict: ValueError"),
        (lambda rows: {}["row"], r"failed in predict: KeyError: 'row' \(test_plugins_checked"),
    ],
)
def test_answers_that_are_none_are_refused_by_the_probes_name(value, said, plugin):
    rows = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    probe = plugin("probes", probing(value))
    design, target = Design(rows, unit=np.arange(12)), np.zeros((12, 2))
    with pytest.raises(ProbeError, match=said) as caught:
        probe.fit(design, target, strength=1.0, classes=0).predict(rows)
    assert "the probe theirs:Theirs" in str(caught.value)


def test_a_sound_probe_gets_its_own_fit_back_to_begin_from(plugin):
    rows = np.zeros((6, 2), np.float32)
    probe = plugin("probes", probing(lambda rows: np.zeros((len(rows), 1))))
    first = probe.fit(Design(rows, unit=np.arange(6)), np.zeros((6, 1)), strength=2.0, classes=0)
    again = probe.fit(Design(rows, unit=np.arange(6)), np.zeros((6, 1)), strength=1.0, classes=0, start=first)
    assert again.predict(rows).shape == (6, 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": lambda self, tokens, frames, *, generator: 1.0}, "loss gives float, expected a tensor"),
        (
            {"sample": lambda self, tokens, *, generator: tokens},
            r"sample gives Tensor \[2, 4, 4, 8\], expected a t",
        ),
        ({"sample": lambda self, tokens, *, generator: {}["x"]}, "failed in sample: KeyError"),
    ],
)
def test_pictures_that_are_none_are_refused_by_the_decoders_name(changes, said, plugin):
    import torch

    shape = DecoderShape(grid=(4, 4), width=8, size=(32, 32), frames=2)
    made = plugin("decoders", type("Theirs", (Flat,), changes), shape=shape)
    tokens, frames = torch.zeros(2, 4, 4, 8), torch.zeros(2, 2, 3, 32, 32)

    def drawn():
        made.loss(tokens, frames, generator=torch.Generator())
        made.sample(tokens, generator=torch.Generator())

    with pytest.raises(DecoderError, match=said) as caught:
        drawn()
    assert "the decoder theirs:Theirs" in str(caught.value)


def raising(*arguments, **options):
    raise KeyError("weights")


@pytest.mark.parametrize(
    ("kind", "made", "said"),
    [
        ("labellers", raising, r"theirs:Theirs failed in being made: KeyError: 'weights' \(test_plugins_checked"),
        ("labellers", lambda: None, "failed in being made: TypeError"),
        ("labellers", lambda argument: None, "has no attribute 'name'"),
        ("labellers", 3, "theirs:Theirs is a int, expected a class or a function"),
        ("labellers", type("A", (Labeller,), {"name": ""}), "its name is ''"),
        ("labellers", type("A", (Labeller,), {"name": None}), "its name is None"),
        ("labellers", type("A", (Labeller,), {"label": 3}), "has no method 'label'"),
        ("encoders", type("A", (Encoder,), {"blocks": 0}), "blocks is 0"),
        ("encoders", type("A", (Encoder,), {"blocks": "12"}), "its blocks is '12', expected a whole number"),
        ("encoders", type("A", (Encoder,), {"status": "good"}), "its status is 'good'"),
        ("encoders", type("A", (Encoder,), {"name": property(raising)}), "failed in its attributes: KeyError"),
        ("probes", probing(None, kind="both"), "its kind is 'both'"),
        ("probes", probing(None, strengths=()), r"its strengths are \(\)"),
        ("probes", probing(None, strengths=(0.0,)), "expected positive numbers"),
        ("decoders", lambda argument, shape: Labeller(), "has no attribute 'shape'"),
    ],
)
def test_a_plug_in_that_lacks_what_is_needed_is_said_so_when_it_is_made(kind, made, said, plugin):
    more = {"decoders": {"shape": None}}.get(kind, {})
    with pytest.raises(RegistryError, match=said):
        plugin(kind, made, **more)


@pytest.mark.parametrize("text", ["raise KeyError('x')", "1 +", "import sys; sys.exit(3)", "name = 1"])
def test_a_module_that_fails_is_one_line(text, tmp_path, monkeypatch, capsys, path):
    (tmp_path / "failing_module.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("failing_module", None)
    code, _, err = commanded(
        capsys, monkeypatch, "label", path, "--labeller", "failing_module:Theirs", "--out", tmp_path / "l.parquet"
    )
    assert code == 1
    (line,) = err.splitlines()
    assert "failing_module:Theirs" in line


def test_a_failing_plug_in_is_one_line_and_its_traceback_is_to_be_had(plugin, path, tmp_path, monkeypatch, capsys):
    plugin("labellers", labelling(lambda labels, video: labels["boxes"]))
    arguments = ("label", path, "--labeller", "theirs:Theirs", "--out", tmp_path / "l.parquet")
    code, _, err = commanded(capsys, monkeypatch, *arguments)
    assert code == 1
    (line,) = err.splitlines()
    assert "the labeller theirs:Theirs failed in label" in line
    assert "TypeError" in line
    assert "WORLDPROBE_DEBUG=1" in line
    monkeypatch.setenv("WORLDPROBE_DEBUG", "1")
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert said.splitlines()[-1].startswith("worldprobe: the labeller theirs:Theirs failed")


class Hands:
    """An executor that does as it is told, with what ``spoil`` makes of its outcomes."""

    name, workers, gpus = "hands", 1, False
    labels_videos = True

    def __init__(self, argument=None):
        pass

    def map(self, function, items):
        yield from self.spoil(Outcome(item, function(item), None) for item in items)

    def spoil(self, outcomes):
        return outcomes

    def spent(self):
        return None

    def close(self):
        pass


def failing(outcomes):
    yield from ()
    raise OSError("no hands")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda outcomes: (one.value for one in outcomes),
            "gave int from map, expected worldprobe.protocols.Outcome",
        ),
        (lambda outcomes: list(outcomes)[:2], "gave 2 outcomes of 3 items: what is missing was not done"),
        (lambda outcomes: [], "gave 0 outcomes of 3 items"),
        (failing, r"failed in map: OSError: no hands \(test_plugins_checked.py:\d+\)"),
    ],
)
def test_an_executor_gives_each_items_outcome(plugin, spoil, message):
    executor = plugin("executors", type("Theirs", (Hands,), {"spoil": lambda self, outcomes: spoil(outcomes)}))
    with pytest.raises(WorldprobeError, match=f"the executor theirs:Theirs {message}"):
        list(executor.map(abs, [1, -2, 3]))


def test_a_sound_executor_is_what_it_was(plugin):
    executor = plugin("executors", Hands)
    assert [one.get() for one in executor.map(abs, [1, -2, 3])] == [1, 2, 3]
    assert able(executor, "labels_videos")
    assert not able(executor, "adds_sums")


@pytest.mark.parametrize(
    ("name", "value"), [("spent", None), ("gpus", None), ("gpus", "none"), ("workers", "many")]
)
def test_an_executor_without_what_it_needs_is_refused(plugin, name, value):
    with pytest.raises(RegistryError, match=name):
        plugin("executors", type("Theirs", (Hands,), {name: value}))
