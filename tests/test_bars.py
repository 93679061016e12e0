"""What is told of progress: counts only grow and end at their total, on a terminal and in a log."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.builders.checks import some

from worldprobe import bars
from worldprobe.bars import Courses, Lines, StagePass
from worldprobe.encoders.load import load_encoder
from worldprobe.errors import ConfigError
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.encode import read_ahead as lacking
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe_inputs
from worldprobe.pipeline.progress import Tally
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes


class Recorded:
    """A Progress, and what a terminal shows of it: each course, and each count that it had."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []
        self.seen: dict[int, list[int]] = {}
        self.last: dict[int, StagePass] = {}
        self._courses = Courses(self._show)

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        self.calls.append((stage, done, total))
        self._courses(stage, done, total, note)

    def _show(self, course: StagePass) -> None:
        self.seen.setdefault(course.number, []).append(course.done)
        self.last[course.number] = course

    def check(self) -> list[str]:
        """Every count grew and ended at its total; returns the names of the courses, as they began."""
        assert self.seen
        for counts in some(self.seen.values()):
            assert counts == sorted(counts)
        assert [one for one in self.last.values() if not one.finished] == []
        return [course.stage for _, course in sorted(self.last.items())]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return render_scenes(6, 3, tmp_path_factory.mktemp("videos"))


def told(*calls: tuple[str, int, int]) -> list[tuple[str, list[int]]]:
    recorded = Recorded()
    for call in calls:
        recorded(*call)
    return [(recorded.last[number].stage, counts) for number, counts in recorded.seen.items()]


def test_counts_only_grow_and_what_is_finished_stays_finished() -> None:
    assert told(("a", 2, 2), ("a", 2, 2)) == [("a", [2])]
    assert told(("a", 1, 4), ("a", 3, 4), ("a", 2, 4), ("a", 4, 4)) == [("a", [1, 3, 4])]
    assert told(("a", 1, 2), ("b", 1, 2), ("a", 2, 2), ("b", 2, 2)) == [("a", [1, 2]), ("b", [1, 2])]


def test_a_stage_that_begins_anew_is_another_course() -> None:
    assert told(("a", 1, 2), ("a", 2, 2), ("a", 1, 3), ("a", 3, 3)) == [("a", [1, 2]), ("a", [1, 3])]
    assert told(("a", 0, 1), ("a", 1, 1), ("a", 0, 1), ("a", 1, 1)) == [("a", [0, 1]), ("a", [0, 1])]
    assert told(("a", 5, 9), ("a", 1, 9)) == [("a", [5]), ("a", [1])]  # what was given up is not gone on with


def test_a_tally_tells_in_order_whichever_thread_counts() -> None:
    calls: list[int] = []

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        assert tally._lock.locked()  # nobody counts between another's count and its telling
        calls.append(done)

    def count() -> None:
        together.wait(timeout=900)
        for _ in range(50):
            tally.add()

    tally, together = Tally("a", 400, progress), threading.Barrier(8)
    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == list(range(1, 401))


def test_a_tally_ends_at_its_total() -> None:
    calls: list[tuple[int, int]] = []
    tally = Tally("a", 3, lambda _, done, total, note="": calls.append((done, total)))
    tally.add()
    with tally.part(2) as step:
        step()
    assert calls == [(1, 3), (2, 3), (3, 3)]
    tally.add()
    assert calls[3:] == [(3, 3)]


@pytest.mark.parametrize(("readers", "stored"), [(1, 0), (2, 5), (6, 1), (6, 6)])
def test_a_resumed_encode_counts_to_its_end(
    videos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readers: int, stored: int
) -> None:
    monkeypatch.setattr(lacking, "_cores", lambda: readers)
    store, encoder, recorded = Store(str(tmp_path)), load_encoder("pixels"), Recorded()
    if stored:
        encode(videos[:stored], encoder=encoder, store=store, blocks=[0])
    for input in ("native", "still"):
        encode(videos, encoder=encoder, store=store, blocks=[0], input=input, progress=recorded)
    assert recorded.check() == ["encode pixels", "encode pixels, still"]
    assert [done for stage, done, _ in recorded.calls if stage == "encode pixels"] == list(range(1, 7))


@pytest.mark.parametrize("lost", [0, 3])
def test_one_film_counts_its_clips_to_the_end_whichever_are_stored(
    videos: list[Path], tmp_path: Path, lost: int
) -> None:
    store, encoder = Store(str(tmp_path)), load_encoder("pixels")
    encode(videos[:1], encoder=encoder, store=store, blocks=[0], frames=4)
    next(tmp_path.rglob(f"c.{lost}.0.0.0.0")).unlink()
    recorded = Recorded()
    encode(videos[:1], encoder=encoder, store=store, blocks=[0], frames=4, progress=recorded)
    assert recorded.check() == ["encode pixels"]
    assert recorded.calls[-1] == ("encode pixels", 4, 4)


def test_a_labeller_that_does_not_look_at_the_end_of_a_film_is_done_all_the_same(videos: list[Path]) -> None:
    class Glance:
        name = "glance"

        def label(self, video):
            list(video.frames([0, 3]))
            return load_labeller("truth").label(video)

    recorded = Recorded()
    label(videos[:1], labeller=Glance(), progress=recorded)
    assert recorded.check() == [f"label {videos[0].name}"]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def logged(*calls: tuple[float, str, int, int]) -> list[str]:
    """What a log holds of calls at so many seconds."""
    clock, said = Clock(), list[str]()
    courses = Courses(Lines(said.append, clock=clock))
    for now, *call in calls:
        clock.now = now
        courses(*call)  # type: ignore[arg-type]
    return said


def test_a_log_is_told_nothing_of_what_is_soon_over() -> None:
    assert logged(*((0.1 * i, "encode", i, 90) for i in range(1, 91))) == []


def test_a_log_is_told_after_ten_seconds_then_every_thirty_and_of_the_end() -> None:
    assert logged(*((float(i), "encode", i, 100) for i in range(1, 101))) == [
        "worldprobe: encode: 10 of 100, about 90 s left",
        "worldprobe: encode: 40 of 100, about 60 s left",
        "worldprobe: encode: 70 of 100, about 30 s left",
        "worldprobe: encode: 100 of 100 in 100 s",
    ]


def test_a_log_counts_the_time_of_a_stage_from_the_end_of_the_one_before() -> None:
    calls = [(1.0, "encode", 1, 1), (5.0, "label", 1, 3), (9.0, "label", 2, 3), (13.0, "label", 3, 3)]
    assert logged(*calls) == ["worldprobe: label: 3 of 3 in 12 s"]


def test_of_what_was_done_before_a_resumed_stage_no_rate_is_taken() -> None:
    assert logged((10.0, "encode", 51, 100), (50.0, "encode", 55, 100)) == [
        "worldprobe: encode: 51 of 100",
        "worldprobe: encode: 55 of 100, about 8 min left",
    ]


def test_what_is_counted_by_the_dozen_has_the_pace_of_its_second_dozen() -> None:
    assert logged((12.0, "render", 16, 160), (14.0, "render", 32, 160), (45.0, "render", 96, 160)) == [
        "worldprobe: render: 16 of 160",
        "worldprobe: render: 96 of 160, about 26 s left",
    ]


def test_the_variable_silences_and_a_wrong_one_is_said(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bars, "_FIRST_SECONDS", 0.0)
    for asked, said in (
        ("off", ""),
        ("plain", "worldprobe: a: 1 of 1 in 0 s\n"),
        ("", "worldprobe: a: 1 of 1 in 0 s\n"),
    ):
        monkeypatch.setenv(bars.VARIABLE, asked)
        with bars.bars() as progress:
            progress("a", 1, 1)
        found = capfd.readouterr()
        assert (found.out, found.err) == ("", said)
    monkeypatch.setenv(bars.VARIABLE, "loud")
    with (
        pytest.raises(ConfigError, match="WORLDPROBE_PROGRESS is 'loud', and may be off, plain or bars"),
        bars.bars(),
    ):
        pass


def test_bars_are_drawn_one_for_each_course(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(bars.VARIABLE, "bars")
    with bars.bars() as progress:
        for done in (1, 2):
            progress("label [/x]", done, 2, "loss 0.5")
        progress("label [/x]", 1, 3)
    found = capfd.readouterr()
    assert found.out == ""
    assert found.err.count("label [/x]") == 2
    assert "2/2" in found.err
    assert "1/3" in found.err


def test_probing_tells_of_each_fit_and_of_curves_apart(videos: list[Path], tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for input in ("native", "still"):
        encode(videos, encoder=load_encoder("gaussian"), store=store, blocks=[0], input=input)
    labels = label(videos, labeller=load_labeller("truth"))
    plan = Plan(
        "gaussian", ("xy",), ("z", "delta"), ("majority", "shuffled", "nuisance"),
        "grouped", evidence=("code", "learning"),
    )  # fmt: skip
    recorded = Recorded()
    probed = probe_inputs(store, labels, plan, ("native", "still"), progress=recorded)
    assert recorded.check() == ["probe", "learning curves", "probe, still", "learning curves, still"]
    calls = [(done, total) for stage, done, total in recorded.calls if stage == "probe"]
    # No jump: as many fits are done as were foreseen. Of each kind of features what is asked of it as it is,
    # shuffled, planted and under the random split, and what is asked of the nuisances.
    assert calls == [(done, len(calls)) for done in range(1, len(calls) + 1)]
    (folds,) = {len(r.chosen) for r in probed.results if (r.control, r.split) == ("none", "grouped")}
    (leaky,) = {len(r.chosen) for r in probed.results if r.split == "random"}
    assert len(calls) == 2 * (4 * folds + leaky)
    curves = [(done, total) for stage, done, total in recorded.calls if stage == "learning curves"]
    assert {total for _, total in curves} == {2 * (4 + 6 * folds)}
    assert len(curves) > 2 * folds  # fractions that hold too few groups are passed over
