"""The page in a real browser, opened from the disk: both themes, wide and narrow, by keyboard, printed."""

import itertools
import json
import re

import pytest
from PIL import Image
from tests.builders.browser import CHROMIUM, Browser
from tests.builders.run_lines import prediction_step, probe_lines, run_with_moments
from tests.builders.whole import write_whole_run

from worldprobe.report.write import write_report
from worldprobe.results import write_results

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
COLUMN = "[...document.querySelector('table.scores').tBodies[0].rows].map(row => Number(row.cells[1].dataset.v))"
SAID = "document.querySelector('#scrub output').textContent"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_with_moments(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def page(run):
    write_report(run)
    return run / "report.html"


def quiet(browser, page):
    """Nothing but the page itself and what it holds was asked for, and the console is empty."""
    outside = [url for url in browser.asked if not url.startswith("data:") and url != page.as_uri()]
    return (browser.said, outside) == ([], [])


@pytest.mark.parametrize(("dark", "paper"), [(True, "rgb(20, 23, 26)"), (False, "rgb(255, 255, 255)")])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_in_both_themes_wide_and_narrow_without_a_word_or_a_request(browser, page, dark, paper, width):
    browser.open(page, width=width, dark=dark)
    assert browser.js("innerWidth") == width
    assert browser.js("getComputedStyle(document.body).backgroundColor") == paper
    assert browser.js("document.documentElement.scrollWidth") <= width
    assert browser.js("document.querySelector('#seen img').naturalWidth") == 64
    assert quiet(browser, page)


def test_a_listener_that_hears_nothing_is_no_proof(browser, page):
    """The checks above can fail: an error, a word and a request are heard."""
    browser.open(page, width=1280)
    browser.js("setTimeout(() => { throw new Error('heard') }); fetch('https://host.invalid/').catch(() => 0)")
    browser.js("console.error('said')")
    wanted = ("heard", "said", "Content Security Policy")
    for _ in range(2000):  # each is heard while something is asked: as many times as it takes
        if all(one in str(browser.said) for one in wanted):
            break
        browser.js("new Promise(done => setTimeout(done, 10))")
    assert "heard" in str(browser.said)
    assert "said" in str(browser.said)
    assert "Content Security Policy" in str(browser.said)


def test_a_table_sorts_by_keyboard(browser, page):
    browser.open(page, width=1280)
    browser.js("document.querySelector('table.scores').querySelectorAll('th button')[1].focus()")
    browser.press("Enter")
    down = browser.js(COLUMN)
    browser.press(" ")
    up = browser.js(COLUMN)
    assert down == sorted(down, reverse=True)
    assert up == down[::-1] != down
    assert quiet(browser, page)


def test_what_a_verdict_means_is_read_by_keyboard(browser, page):
    browser.open(page, width=1280)
    said = browser.js(
        "[...document.querySelector('table.scores').querySelectorAll('td[title]')].map(one => one.title)"
    )
    assert len(said) > 1
    stops = "document.querySelectorAll('table.scores td[tabindex=\"0\"]')"
    assert browser.js(f"{stops}.length") == 1  # one a table, however long it is
    browser.js(f"{stops}[0].focus()")
    for meaning in said[:2]:
        assert browser.js("document.querySelector('.tip').textContent") == meaning
        assert not browser.js("document.querySelector('.tip').hidden")
        browser.press("ArrowDown")
    browser.press("Escape")
    assert browser.js("document.querySelector('.tip').hidden")
    assert quiet(browser, page)


UNNAMED = """[...document.querySelectorAll("svg, img, input, button, [role=img], [role=group]")].filter(
  one => !one.closest("[aria-hidden]") && !(one.getAttribute("aria-label") || one.alt || one.textContent.trim()
    || document.getElementById(one.getAttribute("aria-labelledby")))).map(one => one.outerHTML.slice(0, 99))"""
UNREACHABLE = """[...document.querySelectorAll("*")].filter(
  one => /auto|scroll/.test(getComputedStyle(one).overflowX) && one.scrollWidth > one.clientWidth
    && one.tabIndex < 0
).map(one => one.outerHTML.slice(0, 99))"""


def test_everything_has_a_name_and_whatever_scrolls_is_reached_by_keyboard(browser, tmp_path):
    write_whole_run(tmp_path)
    with (tmp_path / "experiment.toml").open("a") as file:
        file.write(f"videos = {[f'a/long/way/to/film{at}.mp4' for at in range(9)]}\n")
    write_report(tmp_path)
    for width in (390, 1280):
        browser.open(tmp_path / "report.html", width=width)
        assert browser.js("document.querySelectorAll('svg [role=img]').length") > 100
        browser.js("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert browser.js(UNNAMED) == []
        assert browser.js(UNREACHABLE) == []
    levels = browser.js("[...document.querySelectorAll('h1, h2, h3, h4')].map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = browser.js("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    # Sections are landmarks, told apart by their names; tables are none, and each of their heads says something.
    marks = browser.js(
        "[...document.querySelectorAll('section[aria-labelledby]')].map("
        "one => document.getElementById(one.getAttribute('aria-labelledby')).textContent)"
    )
    assert len(marks) == len(set(marks)) > 10
    assert browser.js("document.querySelectorAll('[role=region]').length") == 0
    assert browser.js("[...document.querySelectorAll('th')].filter(one => !one.textContent.trim()).length") == 0


def test_a_clip_is_scrubbed_by_keyboard(browser, page):
    browser.open(page, width=390)
    browser.js("document.getElementById('when').focus()")
    assert browser.js(SAID).startswith("0.00 s, frame 1 of 2, tubelet 1")
    assert browser.js("document.querySelectorAll('#seen .box').length") == 1
    browser.press("ArrowRight")
    assert browser.js(SAID).startswith("0.10 s, frame 2 of 2, tubelet 2, surprise 0.500")
    assert browser.js("document.querySelectorAll('#seen .box').length") == 0
    browser.press("Home")
    assert browser.js(SAID).startswith("0.00 s, frame 1 of 2")
    assert quiet(browser, page)


def test_the_curve_of_surprise_says_its_range_and_a_click_goes_to_the_tubelet(browser, run):
    kept = run / "moments" / "moments.json"
    facts = json.loads(kept.read_text())
    peak = {
        "surprise": [None, 0.5, 0.9, 0.7],
        "tubelet": [0, 1, 2, 3],
        "seconds": [0.0, 0.1, 0.2, 0.3],
        "readings": [],
    }
    facts["clips"][0].update(peak)
    Image.new("RGB", (128, 32)).save(run / "moments" / "clip0.webp")
    kept.write_text(json.dumps(facts))
    write_report(run)
    browser.open(run / "report.html", width=1280)
    assert browser.js("document.querySelector('#surprise text').textContent") == "surprise, 0.500 to 0.900"
    titles = "[...document.querySelectorAll('#surprise title')].map(one => one.textContent)"
    assert browser.js(titles) == ["tubelet 2: 0.500", "tubelet 3: 0.900", "tubelet 4: 0.700"]
    browser.js("document.querySelector('#surprise svg').scrollIntoView()")
    x, y = browser.js(
        "(at => [at.x + at.width / 2, at.y + at.height / 2])"
        "(document.querySelectorAll('#surprise circle')[1].getBoundingClientRect())"
    )
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    assert browser.js(SAID).startswith("0.20 s, frame 3 of 4, tubelet 3, surprise 0.900")


def test_a_mark_of_a_chart_says_its_value_to_the_keyboard(browser, page):
    browser.open(page, width=1280)
    browser.js("document.querySelector('svg:has([data-tip])').focus()")
    browser.press("ArrowRight")
    assert browser.js("document.querySelector('.tip').hidden") is False
    assert "0." in browser.js("document.querySelector('.tip').textContent")


def test_it_prints_light_and_without_what_only_a_screen_can_use(browser, page):
    browser.open(page, width=1280, dark=True)
    assert browser.printed().startswith(b"%PDF")
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    browser.call("Emulation.setEmulatedMedia", media="print", features=[dark])
    assert browser.js("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for name in (".bar", ".picks"):
        assert browser.js(f"getComputedStyle(document.querySelector('{name}')).display") == "none"


def test_a_sheet_of_paper_holds_the_widest_table(browser, page):
    """718 px are A4 less margins of 10 mm; what is wider is cut or makes the whole page small."""
    browser.open(page, width=1280)
    sheet = {"width": 718, "height": 1047, "deviceScaleFactor": 1, "mobile": False}
    browser.call("Emulation.setDeviceMetricsOverride", **sheet)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.js("document.querySelectorAll('table.scores thead th').length") >= 12
    assert browser.js("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    assert browser.js("document.documentElement.scrollWidth") <= 718


@pytest.fixture
def deep(tmp_path):
    """A run read at three blocks, whose future was told too: every kind of chart that has axes."""
    several = [probe_lines("xy", 0.2 + 0.1 * block, tap=f"e/block{block}.out") for block in (0, 1, 5)]
    future = [
        *prediction_step(0.5, 0.6, 9.0, 0.7, 0.58, encoder="e"),
        *prediction_step(0.5, 0.7, 9.0, 0.7, 0.6, encoder="e", horizon=2),
    ]
    write_results(tmp_path / "results.jsonl", [line for some in (*several, future) for line in some])
    write_report(tmp_path)
    return tmp_path / "report.html"


MARKS = "[...document.querySelectorAll('.series .mark')]"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_pointer_on_a_mark_of_a_chart_reads_value_interval_and_n(browser, deep, width):
    browser.open(deep, width=width, dark=width < 600)
    marks = browser.js(f"{MARKS}.map(mark => mark.dataset.tip)")
    at = marks.index("z, block 5: 0.700 [0.680, 0.720]; n = 100 in 50 groups")
    browser.js(f"{MARKS}[{at}].scrollIntoView({{ block: 'center' }})")
    dot = f"{MARKS}[{at}].querySelector('.dot').getBoundingClientRect()"
    x, y = browser.js(f"(at => [at.x + at.width / 2, at.y + at.height / 2])({dot})")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    tip = "document.querySelector('.tip')"
    assert browser.js(f"{tip}.textContent") == marks[at]
    left, right = browser.js(f"(at => [at.left, at.right])({tip}.getBoundingClientRect())")
    assert left >= 0
    assert right <= width
    assert browser.js("document.documentElement.scrollWidth") <= width
    assert quiet(browser, deep)


def test_arrow_keys_go_through_every_mark_of_a_chart_and_every_cell_of_the_heat_map(browser, deep):
    browser.open(deep, width=1280)
    for what in ("svg:has(.series .mark)", "table.heat"):
        browser.js(f"document.querySelector('{what}').focus()")
        inside = f"document.querySelector('{what}').querySelectorAll('[data-tip]')"
        marks = browser.js(f"[...{inside}].map(mark => mark.dataset.tip)")
        seen = []
        for _ in marks:
            browser.press("ArrowRight")
            seen.append(browser.js("document.querySelector('.tip').textContent"))
        assert sorted(seen) == sorted(marks)
        assert len(marks) >= 3
        browser.press("Escape")
        assert browser.js("document.querySelector('.tip').hidden")


def test_nothing_in_the_page_but_what_shows_pictures_is_a_picture(browser, deep):
    browser.open(deep, width=1280)
    assert browser.js("[...document.images].filter(image => image.src).length") == 0
    assert browser.js("document.querySelectorAll('figure svg .path').length") >= 5


def test_cells_of_the_heat_map_are_as_dark_as_their_scores_and_stay_readable(browser, deep):
    """Contrast of text (WCAG 2.1, 1.4.3) in both themes: 4.5 at least at the darkest cell."""
    for dark in (False, True):
        browser.open(deep, width=1280, dark=dark)
        browser.js("document.querySelector('table.heat tbody td').style.setProperty('--share', 1)")
        colours = browser.js(
            "(cell => [getComputedStyle(cell).backgroundColor, getComputedStyle(cell).color])"
            "(document.querySelector('table.heat tbody td'))"
        )
        back, ink = (luminance(colour) for colour in colours)
        assert (max(back, ink) + 0.05) / (min(back, ink) + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """Of ``rgb(1, 2, 3)`` or ``color(srgb 0.1 0.2 0.3)``, relative, as WCAG 2.1 defines it."""
    numbers = [float(n) for n in re.findall(r"\d*\.?\d+(?:e-?\d+)?", colour)][:3]
    shares = numbers if colour.startswith("color") else [n / 255 for n in numbers]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
