"""What a report states of frames drawn from embeddings, typed."""

from __future__ import annotations

from worldprobe.findings.score import Fact, Score, VerdictKind


class Drawing(Fact):
    """One decoder, one way to ask it, or one control.

    ``verdict`` is empty for controls. ``best_control`` is that of the highest PSNR, ``floor`` its PSNR; bicubic
    frames are no controls but ``yardsticks``, and ``beyond`` names those that the whole interval lies above.
    """

    name: str
    encoder: str
    control: bool
    psnr: Score
    inside: Score
    outside: Score
    ssim: Score
    sharpness: Score
    spread: Score
    n: int
    n_groups: int
    n_train: int
    verdict: str = ""
    kind: VerdictKind = "not-judged"
    best_control: str = ""
    floor: Score = Score(value=None)
    beyond: tuple[str, ...] = ()
    yardsticks: tuple[str, ...] = ()


class Rung(Fact):
    """One rung of the ladder from the original's decoder to a sound one."""

    number: int
    change: str
    psnr: Score
    ssim: Score
    sharpness: Score
    n: int
    n_groups: int


class Losses(Fact):
    """A training: (step, loss in training, loss on held-out groups); ``kept`` is the step whose weights were."""

    name: str
    steps: tuple[tuple[int, float, float], ...]

    @property
    def kept(self) -> int:
        return min(self.steps, key=lambda one: one[2])[0]


class Decoding(Fact):
    """Everything a run says of decoders."""

    tap: str
    width: int
    height: int
    split: str
    headline: str
    rule: str
    drawings: tuple[Drawing, ...]
    rungs: tuple[Rung, ...]
    lpips: str
    caveats: tuple[str, ...]
    losses: tuple[Losses, ...] = ()
