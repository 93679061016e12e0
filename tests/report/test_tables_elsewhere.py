"""The report's tables as LaTeX and as comma-separated values: every score, nothing that a name could break."""

import csv
import io
import re

import pytest
from tests.builders.named_badly import LOUD
from tests.builders.run_lines import probe_lines
from tests.builders.whole import write_whole_run

from worldprobe.findings.setup import spread_note
from worldprobe.findings.summary import summarize
from worldprobe.findings.wording import interval, number
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import _reduced, _thinned
from worldprobe.report.forms.csv import csv_tables
from worldprobe.report.forms.latex import latex, text
from worldprobe.report.sections import tables_of
from worldprobe.results import write_results


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_whole_run(folder)
    return summarize(folder)


@pytest.fixture(scope="module")
def loud(tmp_path_factory):
    """A run whose encoder, task and tap are named to break what prints them."""
    folder = tmp_path_factory.mktemp("loud % run")
    lines = [one.model_copy(update={"encoder": LOUD}) for one in probe_lines(f"={LOUD}{{", 0.8, tap=f"{LOUD}/b")]
    write_results(folder / "results.jsonl", lines)
    return summarize(folder)


def rows_of(written):
    """The cells of a table's rows: nested tabulars taken as one."""
    body = written.partition("\\midrule\n")[2].partition("\\bottomrule")[0]
    return [re.split(r"(?<!\\)&", line) for line in body.splitlines()]


@pytest.mark.parametrize("name", ["summary", "loud"])
def test_latex_is_balanced_and_has_a_cell_for_each_column(name, request):
    facts = request.getfixturevalue(name)
    found = latex(facts)
    assert list(found) == list(tables_of(facts))
    for written in found.values():
        bare = re.sub(r"\\[\\{}]", "", written.replace("\\\\", ""))
        depths = [bare[:at].count("{") - bare[:at].count("}") for at in range(len(bare) + 1)]
        assert (min(depths), depths[-1]) == (0, 0)
        begun, ended = (re.findall(rf"\\{word}{{(\w+)}}", written) for word in ("begin", "end"))
        assert sorted(begun) == sorted(ended)
        heads = written.partition("\\toprule\n")[2].partition("\n")[0]
        widths = {len(row) for row in rows_of(written)}
        assert widths == {len(re.split(r"(?<!\\)&", heads))}
        assert all(row[-1].endswith(r" \\") for row in rows_of(written))
        unescaped = re.sub(r"\\resizebox.*|\\begin{tabular}.*?(?=[\\\n])|\\label.*|(?<!\\)&", "", written)
        assert not re.search(r"(?<!\\)[#%&_]|\x1b|\u202e|\\\\\s*[\[*]", unescaped)


def test_captions_say_what_scores_are_of_where_that_is_not_all(summary):
    of_probes = _thinned(Plan("e", (), (), (), "grouped", moments_per_clip=2)) + _reduced(
        Plan("e", (), (), (), "grouped", pca=64)
    )
    some_of = {stage: spread_note(stage, 7, 12) for stage in ("predict", "decode")}
    notes = ["2 labels were late", *of_probes, *some_of["predict"], *some_of["decode"]]
    found = latex(summary.model_copy(update={"notes": tuple(notes)}))
    plain = latex(summary)

    def said(name):
        return [note for note in notes if f"{text(note)}." in found[name]]

    assert said("scores-and-controls") == said("leak") == of_probes
    assert said("prediction") == some_of["predict"]
    assert said("decoder") == some_of["decode"]
    assert found["cost"] == plain["cost"]


def test_what_latex_would_take_for_its_own_is_escaped():
    assert text(r"50 % of {a_b} & $x$ #1 ~ ^ \end") == (
        r"50 \% of \{a\_b\} \& \$x\$ \#1 \textasciitilde{} \textasciicircum{} \textbackslash{}end"
    )
    assert text("[0.1, −0.2] R² 4 × 4 --all") == r"{[}0.1, $-$0.2{]} R$^2$ 4 $\times$ 4 -{}-all"
    assert text("a\nb\x1b") == r"a b\textbackslash{}x1b"
    assert text('a "b" ---') == r"a \char34{}b\char34{} -{}-{}-"  # without \usepackage[T1]{fontenc}


def test_the_scores_of_a_run_stand_in_latex_and_unrounded_in_csv(summary):
    written = latex(summary)["scores-and-controls"]
    rows = list(csv.DictReader(io.StringIO(csv_tables(summary)["scores-and-controls"])))
    lines = [(row, line) for row in summary.rows for line in row.lines]
    assert len(rows) == len(rows_of(written)) == len(lines) > 5
    for (row, line), found in zip(lines, rows, strict=True):
        ends = line.score.interval
        assert (found["Task"], found["Task metric"], found["Features"]) == (
            row.task,
            line.metric,
            summary.label(row),
        )
        read = [float(found[f"{summary.encoder.name}{end}"]) for end in ("", " low", " high")]
        assert read == [line.score.value, *ends]
        assert found["Verdict"].startswith(line.verdict.text)
        assert (int(found["n"]), int(found["n groups"])) == (row.n_test, row.n_groups)
        for control, score in line.controls.items():
            assert found[control] == ("" if score.value is None else repr(score.value))
        shown = rf"\textbf{{{text(number(line.score.value))}}}\\{{\scriptsize {text(interval(line.score))}}}"
        assert shown in written


def test_csv_has_each_table_with_as_many_cells_in_each_row(summary):
    found = csv_tables(summary)
    assert list(found) == list(tables_of(summary))
    for name, (_, table) in tables_of(summary).items():
        head, *rows = csv.reader(io.StringIO(found[name]))
        assert {len(row) for row in rows} == {len(head)}
        assert len(set(head)) == len(head)
        assert len(rows) == len(table.rows)
    kept = next(csv.DictReader(io.StringIO(found["labels"])))
    assert kept == {"What became of them": "kept", "Labels": str(summary.labels.kept)}


def test_no_spreadsheet_takes_a_name_for_a_formula(loud):
    for written in csv_tables(loud).values():
        cells = [cell for row in csv.reader(io.StringIO(written)) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t")) or "\x1b" in cell]
    assert "'=" in csv_tables(loud)["scores-and-controls"]


def test_an_encoder_that_was_not_trained_is_named_so_in_every_caption(summary):
    untrained = summary.model_copy(update={"encoder": summary.encoder.model_copy(update={"status": "untrained"})})
    assert untrained.warning
    assert all(text(untrained.warning_sentence) in one for one in latex(untrained).values())
