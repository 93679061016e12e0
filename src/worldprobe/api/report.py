"""What probing arrays found: the lines and the verdicts of a run, as tables, figures and frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worldprobe.findings import verdicts
from worldprobe.findings.caveats import few_groups
from worldprobe.findings.facts import Summary
from worldprobe.findings.finding import Run
from worldprobe.findings.rows import Row, Verdict
from worldprobe.findings.scores import rows_of
from worldprobe.findings.sections.evidence import Evidence
from worldprobe.findings.setup import EncoderFacts
from worldprobe.findings.wording import property_name, rough_note
from worldprobe.printable import one_line, printable
from worldprobe.report.table import Table
from worldprobe.report.tables.scores import scores_table
from worldprobe.report.tables.worth import worth
from worldprobe.results import EvidenceLine, EvidenceResult, PowerResult, ProbeResult, VerdictResult

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

_WIDTH = 120
# A notebook brings its own colours; intervals stand beneath their scores, as on the report's page.
_STYLE = """<style>
.worldprobe :is(td, th) { text-align: left; vertical-align: top; padding: 2px 10px }
.worldprobe .ci { display: block; opacity: 0.75; font-size: 85% }
.worldprobe .scroll { overflow-x: auto }
</style>"""


@dataclass(frozen=True, eq=False, repr=False)
class ProbeReport:
    """Scores of tasks beside their controls, with what follows from them.

    It prints as the table of a run; a notebook has it as HTML.

    Attributes:
        name: what the features are called.
        lines: what ``results.jsonl`` of a run would hold: each a pydantic model, ``line.model_dump()``.
    """

    name: str
    lines: tuple[ProbeResult | EvidenceLine, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Each task's score beside its controls, as in ``report.json``."""
        return self._summary.rows

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """By task the verdict on its main metric: ``kind``, ``text``, ``short``."""
        return {row.task: row.main.verdict for row in self.rows}

    @property
    def detectable(self) -> dict[str, PowerResult]:
        """By task the least effect that 80 % of probes would have found in this sample."""
        return {line.task: line for line in self.lines if isinstance(line, PowerResult)}

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known before a score is quoted, a sentence each."""
        each = {
            f"{row.task}: {note}." for row in self.rows for note in row.notes if note != rough_note(row.n_groups)
        }
        return tuple(map(one_line, (*few_groups(self.rows), *sorted(each))))

    def to_polars(self) -> pl.DataFrame:
        """A row for each task, metric, control ("none": the features) and split; the features' have a verdict."""
        import polars as pl

        judged = {(row.task, line.metric): line.verdict.text for row in self.rows for line in row.lines}
        columns = ("task", "metric", "control", "split", "probe", "score", "low", "high", "n_test", "n_groups", "z")
        scores = [line for line in self.lines if isinstance(line, ProbeResult)]
        own = [line.control == "none" and line.split != "random" for line in scores]
        return pl.DataFrame(
            [
                {name: getattr(line, name) for name in columns}
                | {"verdict": judged[line.task, line.metric] if real else None}
                for line, real in zip(scores, own, strict=True)
            ],
            infer_schema_length=None,
        )

    def plot(self) -> Figure:
        """Draw each score beside its controls, with 95 % intervals, as a report does: a panel a task."""
        from worldprobe.report.charts.scores import around_scores, beside_controls
        from worldprobe.report.drawing.png import paint

        return paint(beside_controls(self._summary), **around_scores(self._summary))

    def __repr__(self) -> str:
        from rich.console import Console

        from worldprobe.report.forms.terminal import rich_table

        out = StringIO()
        console = Console(file=out, width=_WIDTH, markup=False, emoji=False, highlight=False)
        console.print(rich_table(scores_table(self._summary), width=_WIDTH))
        for line in self._beneath():
            console.print(line)
        return "\n".join(line.rstrip() for line in printable(out.getvalue()).splitlines())

    def _repr_html_(self) -> str:
        from markupsafe import escape

        from worldprobe.report.forms.html import table

        beneath = [f"<p>{escape(line)}</p>" for line in self._beneath()]
        tables = [str(table(one)) for one in self._tables()]
        return printable("\n".join(['<div class="worldprobe">', _STYLE, *tables, *beneath, "</div>"]))

    def _tables(self) -> list[Table[Any]]:
        """The scores, and what they are worth."""
        section = worth(self._summary)
        blocks = section.blocks if section else []
        return [scores_table(self._summary), *(one for one in blocks if isinstance(one, Table))]

    def _beneath(self) -> list[str]:
        """Sentences beneath the tables."""
        shown = [f"{property_name(task)}: {verdicts.would_show(one)}." for task, one in self.detectable.items()]
        return [*map(one_line, shown), *self.notes]

    @cached_property
    def _summary(self) -> Summary:
        probes = [line for line in self.lines if isinstance(line, ProbeResult)]
        judged = [line for line in self.lines if isinstance(line, PowerResult | VerdictResult | EvidenceResult)]
        rows = rows_of(probes, Path(), judged)
        # Nobody has said what weights made the features: nothing is said of them here either.
        encoder = EncoderFacts(name=self.name, status="trained")
        return Summary(
            name=self.name, encoder=encoder, rows=rows, labels=None, failures=(), costs=(), provenance={},
            experiment="", rule=verdicts.RULE, use_cases=(), use_case_rule="", caveats=(),
            evidence=Evidence.of(Run(Path(), self.lines, rows, self.name, {}, {})),
        )  # fmt: skip
