"""Tables on the terminal keep the words of a column whole."""

import io
import re

import pytest
from rich.console import Console

from worldprobe.intervals import Score
from worldprobe.report.forms.terminal import rich_table
from worldprobe.report.table import Column, Table, score_cell

WORDS = "not shown better than linear, ridge"


def printed(width, scores):
    score = Score(value=0.334, low=0.301, high=0.370)
    numbers = [Column(f"n{at}", lambda _: score_cell(score, 3), right=True, short=f"n{at}") for at in range(scores)]
    verdict = Column("Verdict", lambda _: WORDS, short="verdict", fold=True)
    console = Console(file=io.StringIO(), width=width)
    console.print(rich_table(Table("T", [*numbers, verdict], [1]), width=width))
    return console.file.getvalue()


@pytest.mark.parametrize("scores", [2, 5, 6])
def test_words_are_not_broken_within_where_scores_leave_little_room(scores):
    text = printed(120, scores)
    found = set(re.findall(r"[a-z]+", text))
    assert set(re.findall(r"[a-z]+", WORDS)) <= found
    assert "verdict" in found
    assert text.count("0.334") == scores
    assert text.count("[0.301, 0.370]") == scores


def test_intervals_stand_beside_their_scores_where_there_is_room():
    assert "0.334 [0.301, 0.370]" in printed(120, 2)
    assert "0.334 [0.301, 0.370]" not in printed(120, 5)


@pytest.mark.parametrize("width", [60, 66, 70, 80])
def test_a_verdict_is_read_on_a_narrow_terminal(width):
    """Numbers beside a score give way to what follows from them: the report has them."""
    long = [Column("", lambda _: "x" * 26, short="controls", spare=True),
            Column("Leak", lambda _: "+0.95", right=True, short="leak", spare=True)]  # fmt: skip
    columns = [
        Column("Task", lambda _: "velocity", short="task"),
        Column("Features", lambda _: "grid, block3", short="feat.", fold=True),
        Column("", lambda _: "[-0.27, 0.03]", short="score"),
        *long,
        Column("Verdict", lambda _: "below pixels; not shown > r-init", short="verdict", fold=True),
    ]
    console = Console(file=io.StringIO(), width=width)
    console.print(rich_table(Table("T", columns, [1]), width=width))
    text = console.file.getvalue()
    for word in ("velocity", "[-0.27, 0.03]", "block3", "verdict", "below", "pixels", "shown", "r-init"):
        assert word in text
    assert "…" not in text


def test_values_that_stand_whole_are_kept_and_others_go():
    score = Score(value=12.5, low=9.6, high=16.4)
    plain = [Column(name, lambda _: score_cell(score, 1), right=True, short=name, value_only=True)
             for name in ("true", "rolling", "copy-last", "constant-velocity", "mean")]  # fmt: skip
    columns = [Column("What", lambda _: "velocity", short="what"),
               Column("joint", lambda _: score_cell(score, 1), right=True, short="joint"), *plain,
               Column("Verdict", lambda _: "not shown", short="than guesses")]  # fmt: skip
    found = {}
    for width in (60, 100):
        console = Console(file=io.StringIO(), width=width)
        console.print(rich_table(Table("T", columns, [1]), width=width))
        found[width] = console.file.getvalue()
        assert "…" not in found[width]
        assert all(word in found[width] for word in ("velocity", "12.5 [9.6, 16.4]", "true", "not shown"))
    assert "constant-velocity" not in found[60]
    assert "mean" in found[100]
