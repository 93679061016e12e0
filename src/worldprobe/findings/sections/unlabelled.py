"""What are the features like without labels? Ranks, and how alike tokens are, beside the untrained twin's."""

from __future__ import annotations

from worldprobe.findings.finding import Finding, Run
from worldprobe.findings.score import Fact, score_of, tap_name
from worldprobe.intervals import Score
from worldprobe.results import UnlabelledResult


class UnlabelledRow(Fact):
    """One measure of one tap and kind of input; ``twin``: of the untrained twin, None where it was not read."""

    tap: str
    input: str
    measure: str
    score: Score
    twin: Score | None
    n: int
    n_videos: int
    width: int


class Unlabelled(Finding):
    """What are the features like without labels?"""

    rows: tuple[UnlabelledRow, ...]
    note: str

    @classmethod
    def of(cls, run: Run) -> Unlabelled | None:
        lines = [one for one in run.results if isinstance(one, UnlabelledResult)]
        twins = {_key(one): one for one in lines if one.control == "random-init"}
        own = [one for one in lines if one.control == "none"]
        rows = tuple(_row(one, twins.get(_key(one))) for one in own)
        return cls(rows=rows, note=NOTE) if rows else None


NOTE = (
    "None of these says what features know: a network that collapses has few directions, one that knows "
    "nothing may have many. Ranks count directions of pooled moments, of at most the width: effective rank "
    "(Roy and Vetterli 2007) of centred ones, RankMe (Garrido et al. 2023) of moments as they are, LiDAR "
    "(Thilak et al. 2024) those in which videos differ more than a video varies. Norm entropy is 1 where a "
    "tubelet's tokens are equally long. Similarity is the mean cosine of tokens so many cells apart, or of a "
    "cell's with its later self. In brackets: 95 % intervals, from leaving out videos."
)


def _key(line: UnlabelledResult) -> tuple[str, str, str]:
    return line.tap, line.input, line.measure


def _row(own: UnlabelledResult, twin: UnlabelledResult | None) -> UnlabelledRow:
    return UnlabelledRow(
        tap=tap_name(own.tap), input=own.input, measure=own.measure, score=score_of(own),
        twin=score_of(twin) if twin else None, n=own.n, n_videos=own.n_videos, width=own.width,
    )  # fmt: skip
