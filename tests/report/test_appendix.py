"""``summary.html``: a run's answer, its main table, one chart and how it was measured, on one sheet of A4."""

import html
import re

import pytest
from tests.builders.browser import CHROMIUM, Browser
from tests.builders.checks import some
from tests.builders.named_badly import LOUD
from tests.builders.run_lines import prediction_step, probe_lines
from tests.builders.whole import write_whole_run
from typer.testing import CliRunner

from worldprobe.cli import app
from worldprobe.findings.summary import summarize
from worldprobe.findings.wording import interval, number
from worldprobe.report.forms.appendix import MOST_ROWS, summary_page
from worldprobe.results import write_results


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that has every kind of result."""
    folder = tmp_path_factory.mktemp("whole")
    write_whole_run(folder)
    return folder


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """More properties than a sheet holds, each with a name of many words that would break a page, in few groups."""
    folder = tmp_path_factory.mktemp("long")
    names = [f"{LOUD} {'how much of it ' * 30}{at}" for at in range(2 * MOST_ROWS)]
    lines = [line for name in names for line in probe_lines(name, 0.8, tap=f"{LOUD}/{'b' * 300}")]
    write_results(folder / "results.jsonl", lines)
    return folder


def read(page):
    """The page's words as a reader has them."""
    return " ".join(html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)).split())


def test_it_says_the_answer_each_score_and_what_it_was_made_with(whole):
    summary = summarize(whole)
    page = summary_page(summary)
    words = read(page)
    for line in some(summary.story):
        assert line in words
    for one in some(summary.answers):
        assert f"{number(one.score.value, one.digits)} {interval(one.score, one.digits)}" in words
        assert f"{one.n:,}" in words
    for name in ("Encoder", "Data", "Read-out", "Compared with", "How sure"):
        assert f"<dt>{name}</dt>" in page
    assert summary.encoder.revision in words
    assert summary.warning_sentence in words
    assert page.count("<svg viewBox") == 1, "one chart, which has its own line of each property"
    assert not re.search(r"""(?:src|href)\s*=\s*(?!["']?data:)|url\(|@import|https?://""", page), "it leads nowhere"


def test_what_a_sheet_cannot_hold_is_counted_and_names_are_escaped(long):
    page = summary_page(summarize(long))
    assert f"{MOST_ROWS} more rows in the report." in read(page)
    assert page.count('<td class="verdict"') == MOST_ROWS
    assert "<script" not in page
    assert "\x1b" not in page


def test_the_command_writes_it_beside_the_results(whole):
    done = CliRunner().invoke(app, ["export", str(whole), "--summary"])
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 1), done.output
    assert (whole / "summary.html").read_text() == summary_page(summarize(whole))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
def test_it_prints_on_one_sheet(whole, long, tmp_path):
    browser = Browser(tmp_path / "profile")
    try:
        for run in (whole, long):
            page = tmp_path / f"{run.name}.html"
            summary = summarize(run)
            wordy = summary.model_copy(update={"story": ("a line of many words " * 20,) * 20})
            page.write_text(summary_page(wordy if run == long else summary))
            browser.open(page, width=1280, dark=True)
            printed = browser.printed()
            assert re.findall(rb"/Type /Pages\s+/Count (\d+)", printed) == [b"1"], run.name
            assert browser.said == []
    finally:
        browser.close()


def test_a_run_that_only_predicted_has_a_sheet_too(tmp_path):
    """It has no probes, splits, controls or labels to list."""
    write_results(tmp_path / "results.jsonl", prediction_step(0.1, 0.2, 0.3, 0.4, 0.5))
    page = summary_page(summarize(tmp_path))
    assert "baselines that are fitted to" in page
    assert "out of fold" not in page
