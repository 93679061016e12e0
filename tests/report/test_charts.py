"""Charts: round axes, every value in its place, and the same panels as SVG and as PNG."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.builders.checks import some
from tests.builders.run_lines import decoder_lines, prediction_line, prediction_step, probe_lines
from tests.builders.whole import write_surprise, write_whole_run

from worldprobe.controls import NEGATIVE
from worldprobe.errors import WorldprobeError
from worldprobe.findings.sections.decoding import read_decoding, read_losses
from worldprobe.findings.sections.evidence import CurveFact, CurvePoint, Evidence, Worth
from worldprobe.findings.sections.prediction import read_curves, read_prediction
from worldprobe.findings.setup import UNTRAINED
from worldprobe.findings.summary import summarize
from worldprobe.intervals import Score
from worldprobe.report.charts.blocks import heat_map, layer_panels
from worldprobe.report.charts.decoding import calibration_panels, loss_panels
from worldprobe.report.charts.horizons import horizon_panels
from worldprobe.report.charts.learning import learning_panels
from worldprobe.report.charts.original import falls
from worldprobe.report.charts.scores import beside_controls, leaks
from worldprobe.report.charts.surprise import peak_pictures, surprise_panels
from worldprobe.report.drawing import axes, png, svg
from worldprobe.report.drawing.dots import Dots, Entry, Group
from worldprobe.report.drawing.panels import Line as PanelLine
from worldprobe.report.drawing.panels import Panel, Point
from worldprobe.report.drawing.sheet import Sheet
from worldprobe.results import write_results

spans = st.tuples(st.floats(-50, 50), st.floats(1e-3, 100)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(spans)
def test_ticks_are_round_few_and_within(span):
    axis = axes.Axis(*span, step=None)
    step = axes.round_step(*span)
    assert float(f"{step:.0e}".split("e")[0]) in (1, 2, 5)
    assert 1 <= len(axis.ticks) <= 7
    assert all(span[0] - 1e-6 <= tick <= span[1] + 1e-6 for tick in some(axis.ticks))
    places = axes.digits(step)
    assert len({f"{tick:.{places}f}" for tick in axis.ticks}) == len(axis.ticks)


@given(spans, st.floats(-200, 200))
def test_every_value_has_a_place_between_the_ends(span, value):
    place = axes.Axis(*span).place(10, 110)
    assert 10 <= place(value) <= 110
    assert (place(span[0]), place(span[1])) == (10, 110)


def test_a_logarithmic_axis_sets_equal_ratios_equally_far_apart():
    place = axes.Axis(10, 1000, log=True).place(0, 100)
    assert [place(n) for n in (10, 100, 1000)] == [0, 50, 100]


def test_an_axis_around_reaches_no_further_down_than_it_may():
    axis = axes.around([-6.0, 0.0, 0.4], least=-0.7)
    assert axis.low == -0.7
    assert 0.4 < axis.high < 0.6


def panel(*values: float) -> Panel:
    points = tuple(Point(k, Score(value=v, low=v - 0.1, high=v + 0.1), f"at {k}") for k, v in enumerate(values))
    up = axes.Axis(0.0, 1.0)
    return Panel("t", "R²", "block", axes.Axis(0, 3), ((0.0, "0"),), up, (PanelLine("z", 0, points),))


def test_what_lies_beyond_is_an_arrow_at_the_edge_and_says_its_value():
    (drawn,) = svg.drawing(panel(0.5, -2.0, 3.0)).lines
    inside, below, above = drawn.dots
    bottom, top = svg.drawing(panel()).bottom, svg.drawing(panel()).top
    assert (inside.beyond, below.beyond, above.beyond) == ("", "−2.00", "3.00")
    assert (below.y, above.y, inside.y) == (bottom, top, (bottom + top) / 2)
    assert (below.low, above.high) == (None, None)
    assert inside.low > inside.y > inside.high  # px grow downwards
    assert drawn.paths == ()  # one point within the axis makes no line


def by_blocks(tmp_path):
    several = [
        probe_lines("xy", 0.2 + 0.1 * block, 0.1 + 0.01 * block, tap=f"e/block{block}.out") for block in (0, 1, 5)
    ]
    classes = [probe_lines("class", 0.7, 0.4, tap=f"e/block{block}.out") for block in (0, 1, 5)]
    write_results(tmp_path / "results.jsonl", [line for some in (*several, *classes) for line in some])
    return summarize(tmp_path)


def test_a_chart_by_block_has_each_score_its_interval_and_n(tmp_path):
    first, second = layer_panels(by_blocks(tmp_path))
    (line,) = first.lines
    assert [(p.x, p.score.value) for p in line.points] == [
        (0, pytest.approx(0.2)),
        (1, pytest.approx(0.3)),
        (5, 0.7),
    ]
    assert line.points[2].said == "z, block 5: 0.700 [0.680, 0.720]; n = 100 in 50 groups"
    assert [(band.name, len(band.ends)) for band in first.bands] == [("random-init", 3), ("pixels", 3)]
    assert (first.level, second.level) == (0.0, 0.4)  # what a constant scores
    drawn = svg.drawing(first)
    assert [dot.x for dot in drawn.lines[0].dots] == sorted(dot.x for dot in drawn.lines[0].dots)
    assert [one.name for one in svg.keys([first, second])] == ["z", "random-init", "pixels"]


def test_the_heat_map_colours_by_what_a_constant_leaves_open(tmp_path):
    heat = heat_map(by_blocks(tmp_path))
    assert heat.blocks == (0, 1, 5)
    xy, classes = heat.rows
    assert [cell.text for cell in xy.blocks] == ["0.20", "0.30", "0.70"]
    assert [cell.best for cell in xy.blocks] == [False, False, True]
    assert [cell.share for cell in classes.blocks] == [0.5, 0.5, 0.5]  # (0.7 - 0.4) / (1 - 0.4)
    pixels = xy.controls[heat.controls.index("pixels")]
    assert (pixels.text, pixels.said) == ("0.15", "pixels, block 5: 0.150 [0.130, 0.170]; n = 100 in 50 groups")
    write_results(tmp_path / "results.jsonl", probe_lines("xy", 0.4))
    assert heat_map(summarize(tmp_path)) is None


def test_a_learning_curve_goes_on_to_twice_the_data(tmp_path):
    points = [CurvePoint(rows=n, groups=n / 8, score=Score(value=1 - n**-0.5, low=0, high=1)) for n in (100, 400)]
    curve = CurveFact(points=points, ceiling=1.0, scale=1.0, exponent=0.5, plateau_rows=1e4,
                  gain=Score(value=0.1), more_data_would_help="yes")  # fmt: skip
    worth = Worth(task="xy", metric="r2", label="z", best_control=None, skill=None, selectivity=None,
                  compression_of_constant=None, saved_bits_per_row=None, online_bits=None, curve=curve,
                  notes=())  # fmt: skip
    summary = by_blocks(tmp_path).model_copy(update={"evidence": Evidence(rows=(worth,), taps=())})
    (panel,) = learning_panels(summary)
    (line,) = panel.lines
    assert panel.across.log
    assert panel.note == "z: more data would help: yes"
    assert [point.x for point in line.points] == [100, 400]
    for n, value in (*line.law, *line.further):
        assert value == pytest.approx(1 - n**-0.5)
    assert line.further[-1][0] == pytest.approx(800)


def test_the_horizons_axis_is_for_what_does_not_run_away():
    results = [*prediction_step(0.5, 0.6, 9.0, 0.7, 0.58), *prediction_step(0.5, 0.6, 90.0, 0.7, 0.58, horizon=2)]
    twin = [prediction_line("predictor", -7.0, metric="skill", encoder="random:vjepa2-tiny")]
    errors, skills = horizon_panels(read_prediction([*results, *twin], "vjepa2-tiny"))
    assert errors.up.high < 1
    linear = next(line for line in svg.drawing(errors).lines if line.look == 4)
    assert [dot.beyond for dot in linear.dots] == ["9.00", "90.00"]
    assert skills.up.low >= -0.7
    assert [line.name for line in errors.lines] == ["predictor", "copy-last", "mean", "ridge", "linear"]
    assert [line.name for line in skills.lines] == ["predictor", "untrained twin"]
    assert errors.lines[0].strong
    assert horizon_panels(read_prediction(prediction_step(None, None, None, None, None), "vjepa2-tiny")) == []


def test_losses_that_fall_far_stand_by_their_logarithm(tmp_path):
    folder = tmp_path / "cnn"
    folder.mkdir()
    kept = folder / "losses.jsonl"
    steps = [(100, 0.8, 0.9), (200, 0.02, 0.03), (300, 0.01, 0.04)]
    said = [dict(zip(("step", "training", "validation"), one, strict=True)) for one in steps]
    kept.write_text("".join(json.dumps(line) + "\n" for line in said))
    (one,) = read_losses(tmp_path)
    assert (one.name, one.kept) == ("cnn", 200)
    facts = read_decoding(decoder_lines(none=24.0, mean_image=17.0), (one,))
    (panel,) = loss_panels(facts)
    assert panel.up.log
    assert svg.drawing(panel).y_ticks[0][1] == "0.01"
    assert [point.said for point in panel.lines[1].points][1] == "held-out groups, step 200: 0.03"
    kept.write_text('{"step": 1}\n')
    with pytest.raises(WorldprobeError, match=r"losses\.jsonl is damaged"):
        read_losses(tmp_path)


def test_calibration_is_drawn_and_put_into_a_sentence():
    lines = decoder_lines(none=24.0, mean_image=17.0)
    rows = [(0.01, 0.02, 0.5), (0.04, 0.04, 0.5)]
    spread = lines[0].model_copy(update={"metric": "spread", "variant": "mean of 8 samples", "calibration": rows})
    covered = [
        spread.model_copy(update={"metric": f"coverage-{n}", "score": held, "calibration": []})
        for n, held in ((50, 0.41), (90, 0.8))
    ]
    older = read_decoding([*lines, spread])
    facts = read_decoding([*lines, spread, *covered])
    (one,) = (drawn for drawn in facts.drawings if drawn.calibration)
    assert "0.92 times" in one.sureness
    assert "middle 50 % of samples hold 41% of the px, the middle 90 % hold 80%" in one.sureness
    assert "middle" not in older.drawings[-1].sureness
    assert "for 50% of the px" in one.sureness
    assert not facts.drawings[0].sureness
    (panel,) = calibration_panels(facts)
    assert [(point.x, point.score.value) for point in panel.lines[0].points] == [row[:2] for row in rows]
    assert panel.lines[0].points[0].said == "50.0% of px: 0.0200 where 0.0100 is expected"
    assert panel.across == panel.up


def test_surprise_breaks_at_cuts_and_its_peaks_are_numbered(tmp_path):
    write_surprise(tmp_path)
    facts = read_prediction(prediction_step(0.5, 0.6, 0.9, 0.7, 0.58), "vjepa2-tiny", read_curves(tmp_path))
    (panel,) = surprise_panels(facts)
    told = [line for line in panel.lines if line.name == "predictor"]
    assert [len(line.law) for line in told] == [6, 4]  # a line a shot
    marks = {point.mark: point.said for line in told for point in line.points if point.mark}
    assert marks == {
        "1": "peak 1, 1.00 s: predictor 0.930, copy-last 0.620",
        "2": "peak 2, 3.50 s: predictor 0.870, copy-last 0.670",
    }
    assert sum(len(line.points) for line in told) == 10
    assert [one.name for one in svg.keys([panel])] == ["copy-last", "predictor"]
    ((first, second),) = peak_pictures(tmp_path, facts)
    assert first[1] == "1: 1.0 s, 0.93 (copy-last 0.62)"
    second[0].unlink()
    assert len(peak_pictures(tmp_path, facts)[0]) == 1
    long = facts.curves[0].model_copy(
        update={name: 40 * getattr(facts.curves[0], name) for name in ("seconds", "told", "copied", "shots")}
    )
    (panel,) = surprise_panels(facts.model_copy(update={"curves": (long,)}))
    assert sum(len(line.points) for line in panel.lines) == 2  # of so many the peaks alone
    (tmp_path / "surprise" / "curves.json").write_text("{")
    with pytest.raises(WorldprobeError, match=r"curves\.json is damaged"):
        read_curves(tmp_path)


def entry(label, value, **more):
    known = value is not None
    score = Score(value=value, low=value - 0.1 if known else None, high=value + 0.1 if known else None,
                  note="" if known else "one class only")  # fmt: skip
    return Entry(label, "probe", score, "" if value is None else f"{value:.2f}", f"{label} said", **more)


def test_every_mark_of_dots_lies_on_its_line_and_what_is_beyond_is_an_arrow_at_either_end():
    beside = Entry("pixels", "control", Score(value=0.25), "", "pixels said")
    entries = (entry("a", 0.5, floor=beside), entry("b", -2.0), entry("c", 3.0), entry("d", None))
    drawn = svg.dots(Dots("t", "R²", axes.Axis(0.0, 1.0), (Group("z", entries, 0.0),)))
    floor, a, b, c, d = drawn.marks
    assert [mark.y for mark in drawn.marks] == [a.y, a.y, a.y + 19, a.y + 38, a.y + 57]
    assert [mark.beyond for mark in drawn.marks] == ["", "", "low", "high", ""]
    assert (floor.entry, floor.label, a.label) == (beside, "", "a")
    assert drawn.left == b.x < floor.x < a.x < c.x
    assert a.low < a.x < a.high
    assert (d.x, d.low, d.entry.missing) == (None, None, "one class only")
    assert drawn.chances == ((b.x, a.y - 9.5, d.y + 9.5),)


def test_dots_grow_wider_where_what_stands_beside_the_axis_is_long():
    short, long = (
        svg.dots(Dots("t", "", axes.Axis(0.0, 1.0), (Group("", (entry(n * "x", 0.5),)),))) for n in (5, 80)
    )
    assert (short.width, long.width > 2 * svg.WIDTH) == (svg.WIDTH, True)
    for drawn in (short, long):
        assert drawn.ticks[-1][0] - drawn.ticks[0][0] > 180


def texts(chart, **options):
    """What a figure of one chart has in print."""
    figure, (place,), _ = png.blank(1, height=3)
    png._draw_dots(place, chart, png._labels(chart), names=True, **options)
    figure.canvas.draw()
    return [text.get_text() for text in place.texts], [text.get_text() for text in place.get_yticklabels()]


def test_a_figure_of_the_waterfall_says_each_score_its_change_and_its_best_control(tmp_path):
    write_whole_run(tmp_path)
    (chart,) = falls(summarize(tmp_path).original)
    printed, names = texts(chart, printed=True)
    for one in chart.entries:
        assert one.label in names
        assert {one.value, one.change, one.floor.label} <= set(printed)
    assert chart.entries[0].change == ""
    lacking = Dots("t", "R²", axes.Axis(0, 1), (Group("", (entry("a", 0.2), entry("b", None))),))
    assert "not measured: one class only" in texts(lacking, printed=True)[0]
    lacking = Dots("t", "R²", axes.Axis(0, 1), (Group("", (entry("b", None),)),))
    assert texts(lacking, printed=True)[0] == ["not measured: one class only"]


def test_a_figure_of_several_readings_prints_what_lies_beyond_the_axis(tmp_path):
    lines = [*probe_lines("xy", 0.5, -3.0), *probe_lines("xy", 0.4, 0.1, features="grid")]
    write_results(tmp_path / "results.jsonl", lines)
    (chart,) = beside_controls(summarize(tmp_path))
    assert [group.heading for group in chart.groups] == ["z", "grid"]
    printed, names = texts(chart, printed=False)
    assert set(printed) >= {"−3.00"}
    assert names == ["probe", *NEGATIVE]
    assert leaks(summarize(tmp_path)) == []


@pytest.mark.parametrize("warning", ["", f"{UNTRAINED}: {'untrained-network' * 6}"])
def test_a_title_of_one_long_word_stays_within_its_picture(warning):
    name = "onnx:/data/detectors/yolox_nano_416.onnx#986?pixels=bytes&colours=bgr&fit=letterbox"
    figure = png.blank(1, height=2.0)[0]
    png.headed(figure, f"{name}: each score beside its controls", warning)
    figure.canvas.draw()
    box = figure._suptitle.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert "letterbox" in figure._suptitle.get_text().replace("\n", "")


def test_marks_of_a_sheet_stand_where_they_are_in_their_pictures_and_are_cut_at_their_edges(tmp_path):
    wide, tall = np.zeros((20, 40, 3), np.uint8), np.zeros((30, 20, 3), np.uint8)
    wide[10:18, 5:15] = tall[12:22, 4:12] = 255
    sheet = Sheet([(40, 20), (20, 30), (40, 20)], 2, width=2.0, above=0.2, below=0.2, foot=0.3)
    sheet.place(0, wide).rectangle(9.5, 13.5, 10, 8, "red")
    sheet.place(1, tall).rectangle(7.5, 16.5, 8, 10, "lime")
    last = sheet.place(2, np.full((20, 40, 3), 128, np.uint8))
    last.rectangle(38, 2, 20, 20, "blue")
    last.text(36, 10, "a long name", color="blue")
    png.save(sheet.figure, tmp_path / "sheet.png")
    drawn = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)

    def corners(which):
        rows, columns = np.flatnonzero(which.any(axis=1)), np.flatnonzero(which.any(axis=0))
        return np.array([rows[0], rows[-1], columns[0], columns[-1]])

    unit = 160 * (2.0 - 0.065) / 40  # of the wide picture, px a pixel
    red, green, blue = ((drawn[..., k] > 200) & (np.delete(drawn, k, 2).max(axis=2) < 60) for k in range(3))
    assert np.ptp(corners(red)[2:]) == pytest.approx(10 * unit, abs=4)
    assert np.ptp(corners(red)[:2]) == pytest.approx(8 * unit, abs=4)
    for colour in (red, green):  # around what is white in the picture
        top, bottom, left, right = corners(colour)
        inside = drawn[top + 4 : bottom - 3, left + 4 : right - 3]
        outside = drawn[[top - 5, bottom + 5], left:right]
        assert inside.min() > 240
        assert outside.max() < 20
    grey = (np.abs(drawn - 128) < 3).all(axis=2)
    assert blue.sum() > 100
    top, bottom, left, right = corners(grey)
    around = np.array([top, bottom, left, right])
    assert (corners(blue)[[0, 2]] >= around[[0, 2]] - 1).all()
    assert (corners(blue)[[1, 3]] <= around[[1, 3]] + 1).all()


def test_a_frame_many_times_as_tall_as_wide_makes_no_figure_without_end(tmp_path):
    slit = np.full((400, 40, 3), 200, np.uint8)
    sheet = Sheet([(40, 400)], 1, width=2.0, above=0.2, below=0.2)
    sheet.place(0, slit)
    wide, high = sheet.figure.get_size_inches()
    assert high < 3 * wide
    png.save(sheet.figure, tmp_path / "slit.png")
    seen = np.asarray(Image.open(tmp_path / "slit.png").convert("RGB")) == 200
    rows, columns = (np.flatnonzero(seen.all(axis=2).any(axis=axis)) for axis in (1, 0))
    assert np.ptp(rows) == pytest.approx(10 * np.ptp(columns), rel=0.1)  # all of it, in its shape
