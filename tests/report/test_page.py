"""The page's parts: links to each, what is folded, frames on the page's own ground, few sheets of paper."""

import html
import json
import re

import numpy as np
import pytest
from tests.builders.browser import CHROMIUM, Browser
from tests.builders.checks import some
from tests.builders.run_lines import probe_lines
from tests.builders.whole import write_whole_run

from worldprobe.errors import WorldprobeError
from worldprobe.findings.summary import summarize
from worldprobe.io.arrays import write_arrays
from worldprobe.report.charts.decoding import decoder_frames
from worldprobe.report.charts.prediction import prediction_frames
from worldprobe.report.charts.scores import anchors
from worldprobe.report.forms.html import write_html
from worldprobe.results import write_results

HORIZONS, SIDE = 3, 16


def shaded(*shape):
    """Frames uint8 [..., h, w, 3], no two of one shade."""
    count = int(np.prod(shape))
    shades = np.arange(10, 10 + count, dtype=np.uint8).reshape(*shape, 1, 1, 1)
    return np.broadcast_to(shades, (*shape, SIDE, SIDE, 3))


def write_frames(run):
    """What the stages keep for figures that show frames."""
    maps = np.linspace(0.25, 1.5, HORIZONS * 16).reshape(HORIZONS, 4, 4)
    errors = {"frames": shaded(HORIZONS), "context": shaded(1)[0], "example": maps, "mean ridge": maps / 2}
    write_arrays(run / "predictions/error_map.safetensors", errors, {"encoder": "e", "methods": ["ridge"]})
    ways = {name: shaded(1, HORIZONS) for name in ("predicted", "decoded", "real")} | {"seen": shaded(1, 2)}
    facts = {"encoder": "e", "decoder": "cnn", "windows": ["<b>one</b>"]}
    write_arrays(run / "predictions/prediction_comparison.safetensors", ways, facts)
    surprise = np.array([[[0.5, 0.625], [0.75, 0.875]]])
    pairs = {"frames": shaded(1, 3), "surprise": surprise}
    write_arrays(
        run / "predictions/violations.safetensors", pairs, {"encoder": "e", "first": 8, "kinds": ["vanish"]}
    )
    drawn = {f"{at:02d}": shaded(2) for at in range(3)}
    write_arrays(run / "decoders/pictures.safetensors", drawn, {"titles": ["real", "cnn", "mean-image"]})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of every kind, with all that figures are drawn from."""
    folder = tmp_path_factory.mktemp("whole")
    write_whole_run(folder)
    write_frames(folder)
    write_html(folder, summarize(folder))
    return folder


@pytest.fixture(scope="module")
def page(run):
    return (run / "report.html").read_text()


def test_the_answer_comes_first_then_the_contents_and_each_row_leads_to_its_part(run, page):
    summary = summarize(run)
    first = html.escape(summary.story[0], quote=True).replace("&#x27;", "&#39;")
    assert page.index("<h1>") < page.index(first) < page.index("<nav") < page.index('class="answers')
    places = re.findall(r'id="([^"]+)"', page)
    assert len(set(places)) == len(places)
    table = page.partition('class="answers')[2].partition("</table>")[0]
    rows = dict(re.findall(r'<a href="#([^"]+)"><b>([^<]+)</b></a>', table))
    assert list(rows) == [
        "property-xy", "property-class", "property-velocity", "future", "energy", "decoding"
    ]  # fmt: skip
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(places)


def test_every_heading_that_can_be_linked_to_has_a_link_of_its_own(page):
    heads = re.findall(r'<h[23] id="([^"]+)">(.*?)</h[23]>', page)
    assert len(heads) > 20
    assert all(f'<a class="anchor" href="#{place}"' in inside for place, inside in heads)


def test_tasks_whose_names_read_alike_have_addresses_of_their_own():
    found = anchors(["xy", "joint/0.pos", "joint 0 pos", "Joint-0-pos", "猫", "犬", ""])
    assert len(set(found.values())) == 7
    assert found["xy"] == "property-xy"
    assert all(re.fullmatch(r"[a-z0-9-]+", place) for place in found.values())


def test_how_it_was_made_is_folded(page):
    made = page.partition('<h2 id="made"')[2].partition("</section>")[0]
    assert re.search(r'<details class="folded">.*9f2c4d1e77ab.*</details>\s*$', made, flags=re.DOTALL)
    assert "<details open" not in page


def test_frames_stand_in_rows_on_the_ground_of_the_page(run, page):
    assert 'src="data:image/png' not in page, "drawn figures have a white ground of their own"
    grids = prediction_frames(run) | decoder_frames(run / "decoders")
    assert set(grids) == {"error_map", "prediction_comparison", "violations", "decoder_reconstructions"}
    (errors,) = grids["error_map"]
    assert [row.name for row in errors.rows] == ["what came", "its error", "ridge, all windows"]
    assert errors.scale[:2] == ("0.12", "1.50")
    assert tuple(errors.rows[1].frames[3][-1, -1]) == tuple(errors.scale[2][0, -1]), "the largest error"
    assert np.array_equal(errors.rows[0].frames[1], shaded(HORIZONS)[0])
    (compared,) = grids["prediction_comparison"]
    assert [(row.name, sum(one is None for one in row.frames)) for row in compared.rows] == [
        ("real", 0), ("decoded from actual", 2), ("predicted", 2)
    ]  # fmt: skip
    (pairs,) = grids["violations"]
    assert [point.score.value for line in pairs.rows[0].panel.lines for point in line.points] == [
        0.5, 0.625, 0.75, 0.875
    ]  # fmt: skip
    for grid in some([one for each in grids.values() for one in each]):
        for row in grid.rows:
            for head, one in zip(grid.columns, row.frames, strict=True):
                assert one is None or f'alt="{row.name}, {head}"' in page
    assert "&lt;b&gt;one&lt;/b&gt;" in page


def test_a_run_that_kept_a_figure_alone_still_shows_it(run, tmp_path):
    write_results(tmp_path / "results.jsonl", [])
    for name in ("results.jsonl", "provenance.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "error_map.png").write_bytes(b"\x89PNG of an earlier version")
    write_html(tmp_path, summarize(tmp_path))
    assert (tmp_path / "report.html").read_text().count('<img src="data:image/png') == 1


def test_frames_that_are_damaged_name_the_stage_to_run_again(tmp_path):
    write_frames(tmp_path)
    kept = tmp_path / "predictions/violations.safetensors"
    write_arrays(kept, {"frames": shaded(1, 3)}, {"first": 8, "kinds": ["vanish"]})
    with pytest.raises(WorldprobeError, match=r"violations.safetensors is damaged: .* `worldprobe predict`"):
        prediction_frames(tmp_path)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def sheets(browser):
    return int(re.findall(rb"/Type /Pages\s+/Count (\d+)", browser.printed())[-1])


def test_it_prints_on_few_sheets_and_says_what_they_leave_out(browser, run, tmp_path):
    """A run with five properties on six; one with every section there is on few more than a dozen."""
    browser.open(run / "report.html", width=1280, dark=True)
    assert sheets(browser) <= 12
    browser.call("Emulation.setEmulatedMedia", media="print")
    shown = "[...document.querySelectorAll('h2')].filter(one => one.offsetHeight).map(one => one.id)"
    places = browser.js(shown)
    assert "table" in places
    assert not {"made", "cost", "read"} & set(places)
    left = browser.js("document.querySelector('p.paper').innerText")
    assert "How it was made" in left
    assert "provenance.json" in left
    columns = "getComputedStyle(document.querySelector('#property-xy').parentElement).gridTemplateColumns"
    assert len(browser.js(columns).split()) == 3
    assert browser.js("getComputedStyle(document.querySelector('table.scores tbody tr')).breakInside") == "avoid"
    # A head that holds boxes of buttons is not repeated on the next sheet.
    assert browser.js("getComputedStyle(document.querySelector('table.scores th button')).display") == "contents"
    (tmp_path / "provenance.json").write_text(json.dumps({"encoder": {"name": "e", "status": "trained"}}))
    tasks = ("xy", "size", "class", "motion", "velocity")
    lines = [line for task in tasks for kind in ("z", "grid") for line in probe_lines(task, 0.8, features=kind)]
    write_results(tmp_path / "results.jsonl", lines)
    write_html(tmp_path, summarize(tmp_path))
    browser.open(tmp_path / "report.html", width=1280)
    assert sheets(browser) <= 4


def test_a_link_to_a_part_shows_where_the_keyboard_reaches_it(browser, run):
    browser.open(run / "report.html", width=1280)
    opacity = "getComputedStyle(document.querySelector('#table .anchor')).opacity"
    assert browser.js(opacity) == "0"
    browser.press("Tab")  # from here on what has the focus is shown
    browser.js("document.querySelector('#table .anchor').focus()")
    assert browser.js(opacity) == "1"


def test_pictures_have_no_white_ground_in_the_dark(browser, run):
    browser.open(run / "report.html", width=1280, dark=True)
    grounds = browser.js(
        "[...document.querySelectorAll('figure img, figure svg')].map(one => getComputedStyle(one).backgroundColor)"
    )
    assert len(grounds) > 20
    assert set(grounds) == {"rgba(0, 0, 0, 0)"}
    assert browser.said == []
