"""What is read of a robot from predicted futures: a line a target, kind of features and horizon."""

from __future__ import annotations

from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.consistency import TARGET_NAMES, ConsistencyRow
from worldprobe.findings.wording import NONE, SPEAKS, number
from worldprobe.report.table import Block, Column, Paragraph, Section, Table, cell, in_groups, score_cell

_MEANS = (
    "R², out of fold, the mean over the numbers of an action or state; 0 is the training mean. A probe is fitted "
    "to true futures and applied to predicted ones. True future: the ceiling. Corrected: predicted tokens "
    "through one linear map a horizon to true ones, fitted on other groups. Copy-last: the context's last tokens "
    "again, through one linear map. Ridge: each cell's future tokens as a linear function of its last two, fitted "
    "on other groups. Commands that are places, as most arms' are, can be read off where the arm is, also by "
    "copy-last; the change of the state less so. A predictor that knows no actions can tell those that follow from "
    "what is seen, no others."
)


def consistency(summary: Summary) -> Section | None:
    """Actions and states, by horizon, beside the true future and what knows nothing."""
    found = summary.consistency
    if found is None:
        return None
    title = "Do predicted futures hold what the robot did?"
    blocks: list[Block] = [Paragraph(found.unmeasured or found.headline)]
    if found.rows:
        absent = {
            "untrained": all(row.twin is None for row in found.rows),
            "corrected": all(row.predictor_corrected is None for row in found.rows),
        }
        columns = [one for one in _columns() if not absent.get(one.head)]
        blocks += [
            Table(f"{title} R², 95 % intervals", columns, found.rows, look="num scores wordy"),
            Paragraph(f"{_MEANS} {SPEAKS}", "rule", lead="How to read it."),
        ]
    blocks.append(Paragraph(found.protocol, "small", lead="Protocol:"))
    return Section("consistency", title, blocks, short="Actions", chapter="future", heading=title)


def _columns() -> list[Column[ConsistencyRow]]:
    return [
        Column("What", lambda row: cell((TARGET_NAMES[row.target], "strong")), short="what", brief=_brief),
        Column("Features", lambda row: row.features, short="features"),
        Column("Horizon", lambda row: str(row.horizon), right=True, short="h"),
        Column("true future", lambda row: score_cell(row.true), right=True, short="true", value_only=True),
        Column(
            "predicted, joint", lambda row: score_cell(row.joint, strong=row.mode == "joint"), right=True,
            short="joint",
        ),
        Column(
            "predicted, rolling", lambda row: score_cell(row.rolling, strong=row.mode == "rolling"), right=True,
            short="rolling", value_only=True,
        ),
        Column("corrected", lambda row: score_cell(row.predictor_corrected), right=True, short="corr.",
               value_only=True),
        Column("ridge", lambda row: score_cell(row.ridge), right=True, short="ridge", value_only=True),
        Column("copy-last", lambda row: score_cell(row.corrected), right=True, short="copy", value_only=True),
        Column("untrained", lambda row: score_cell(row.twin), right=True, short="untr.", value_only=True),
        Column("of the true", _share, right=True),
        Column("Windows", lambda row: in_groups(row.n, row.n_groups), right=True),
        Column("Verdict", lambda row: cell(row.verdict, kind="verdict", tone=row.kind), short="verdict", fold=True),
    ]  # fmt: skip


def _brief(row: ConsistencyRow) -> str:
    return row.target


def _share(row: ConsistencyRow) -> str:
    return NONE if row.share is None else f"{number(100 * row.share, 0)} %"
