"""HTML, Markdown and JSON say the same: each score, count, verdict, cost and caveat of a run that has all kinds."""

import html
import io
import re

import pytest
from pydantic import BaseModel
from rich.console import Console
from tests.builders.checks import some
from tests.builders.whole import write_whole_run

from worldprobe.findings.facts import Summary
from worldprobe.findings.wording import duration, interval, number
from worldprobe.intervals import Score
from worldprobe.report.charts.surprise import peak_captions
from worldprobe.report.forms.terminal import tables
from worldprobe.report.write import write_report


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The run's folder and its facts."""
    folder = tmp_path_factory.mktemp("whole")
    write_whole_run(folder)
    return folder, write_report(folder)


@pytest.fixture(scope="module")
def forms(written):
    """Each form as a reader sees it: without marks of its own, what a mark of a chart says among it."""
    folder, _ = written
    page = (folder / "report.html").read_text().partition("<body>")[2].partition("<script>")[0]
    tips = " ".join(re.findall(r'data-tip="([^"]*)"', page))
    markdown = (folder / "report.md").read_text()
    return {
        "html": " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page) + tips).split()),
        "markdown": " ".join(html.unescape(re.sub(r"[\\*]|\[x?\] ", "", markdown)).split()),
    }


def scores(fact, path=""):
    """Every score below a fact, with where it stands."""
    if isinstance(fact, Score):
        yield path, fact
    elif isinstance(fact, BaseModel):
        for name in type(fact).model_fields:
            yield from scores(getattr(fact, name), f"{path}.{name}")
    elif isinstance(fact, dict):
        for key, value in fact.items():
            yield from scores(value, f"{path}.{key}")
    elif isinstance(fact, tuple):
        for value in fact:
            yield from scores(value, path)


def printed(score):
    """The ways in which a score may be printed: with so many digits, its interval after it."""
    return {f"{number(score.value, digits)} {interval(score, digits)}".strip() for digits in (1, 2, 3)}


# Drawn as figures in Markdown, which has no marks to point at.
ONLY_DRAWN = (".evidence.rows.curve.points", ".decoding.losses")


def test_the_run_has_every_kind_of_fact(written):
    _, summary = written
    lacking = [name for name in Summary.model_fields if not getattr(summary, name) and name != "moments"]
    assert lacking == []
    assert len({score.value for _, score in scores(summary)}) > 30


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_every_score_stands_with_its_interval(written, forms, form):
    _, summary = written
    found = [(path, one) for path, one in scores(summary) if one.value is not None]
    assert len(found) > 250
    missing = [
        (path, sorted(printed(one))[0])
        for path, one in found
        if not any(text in forms[form] for text in printed(one))
        and not (form == "markdown" and path.startswith(ONLY_DRAWN))
    ]
    assert not missing, "\n".join(map(str, missing))


def words(summary):
    """What is said in words and counts, the same in every form."""
    yield from summary.caveats
    for row in summary.rows:
        yield f"{row.n_test:,}"
    for use in summary.use_cases:
        yield from (use.name, use.because)
    for one in summary.answers:
        yield from (one.subject, one.verdict, f"{one.n:,}")
    for row in summary.deltas.rows:
        yield f"{row.n_test:,}"
    yield summary.deltas.conclusion
    yield from (summary.future.headline, summary.decoding.headline, summary.rule, summary.future.rule)
    for one in (*summary.future.steps, *summary.decoding.drawings):
        yield from (one.verdict, f"{one.n:,}")
    yield from (summary.energy.headline, f"{summary.energy.n:,} transitions")
    yield from (row.name for row in summary.energy.rows)
    yield summary.readouts.headline
    yield from (summary.consistency.headline, summary.futures.headline)
    for one in (*summary.readouts.shown, *summary.futures.rows, *summary.consistency.rows):
        yield from (one.verdict, f"{one.n:,}")
    for one in summary.future.leaks:
        yield f"{one.context_change:.3g}"
    for one in summary.future.violations:
        yield from (one.name, str(one.pairs))
    for curve in summary.future.curves:
        yield from (curve.name, *peak_captions(curve))
    for rung in summary.decoding.rungs:
        yield rung.change
    for drawn in summary.decoding.drawings:
        yield from (text for text in (drawn.sureness,) if text)
        yield from (f"{expected / found:.2f}" for expected, found, _ in drawn.calibration)
    for worth in summary.evidence.rows:
        if worth.saved_bits_per_row is not None:
            yield f"{number(worth.saved_bits_per_row)} ({number(worth.compression_of_constant)}×)"
    for cost in summary.costs:
        yield from (cost.stage, duration(cost.seconds), f"{cost.items:,}", cost.device)
        yield from (duration(cost.expected_seconds), f"${cost.price:.2f}") if cost.price else ()
    labels = summary.labels
    yield from (f"{labels.kept:,}", *(name for name, _ in labels.dropped), *(f"{n:,}" for _, n in labels.dropped))
    yield from (text for name, n in labels.classes for text in (name, f"{n:,}"))
    for failure in summary.failures:
        yield from (failure.video, failure.clip, failure.error)


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_every_count_verdict_cost_and_caveat_is_said(written, forms, form):
    _, summary = written
    missing = [text for text in words(summary) if " ".join(text.split()) not in forms[form]]
    assert not missing, "\n".join(missing)


def test_json_is_the_facts_themselves(written):
    folder, summary = written
    assert Summary.model_validate_json((folder / "report.json").read_text()) == summary


def test_losses_are_marks_of_a_chart_in_html_and_a_figure_in_markdown(written, forms):
    folder, summary = written
    for step, training, validation in some(summary.decoding.losses[0].steps):
        assert f"training, step {step}: {training:.4g}" in forms["html"]
        assert f"held-out groups, step {step}: {validation:.4g}" in forms["html"]
    for name in (
        "decoder_calibration",
        "decoder_loss",
        "learning",
        "layers",
        "horizon",
        "scaling",
        "waterfall",
        "surprise",
        "energy",
        "readouts",
        "futures",
    ):
        assert f"(figures/{name}.png)" in forms["markdown"].replace("\\", "")
        assert (folder / "figures" / f"{name}.png").stat().st_size > 10_000


def test_every_figure_that_markdown_names_is_there(written):
    folder, _ = written
    named = re.findall(r"\]\(figures/([^)]*)\)", (folder / "report.md").read_text())
    assert sorted(named) == sorted(path.name for path in (folder / "figures").iterdir())


def test_the_page_has_its_sections_in_order_and_each_is_in_its_contents(written):
    folder, _ = written
    page = (folder / "report.html").read_text()
    order = [
        "answer", "uses", "original", "waterfall", "table", "chart", "leak", "where", "deltas", "inputs", "scaling",
        "worth", "shift", "unlabelled", "future", "readouts", "futures", "consistency", "energy", "decoding",
        "labels", "failed", "cost", "made", "caveats", "read",
    ]  # fmt: skip
    found = re.findall(r'<h[23] id="([a-z]+)"', page)
    assert found == order
    linked = re.findall(r'<a href="#([a-z]+)"', page.partition("<nav")[2].partition("</nav>")[0])
    assert linked == [place for place in order if place not in ("chart", "failed")]


@pytest.mark.parametrize("width", [60, 80])
def test_no_table_is_cut_on_a_narrow_terminal(written, width):
    _, summary = written
    found = tables(summary, width=width)
    assert len(found) > 10
    for table in found:
        console = Console(file=io.StringIO(), width=width)
        console.print(table)
        text = console.file.getvalue()
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width
