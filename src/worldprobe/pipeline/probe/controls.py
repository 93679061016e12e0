"""What is read of a run's moments at one place, and answered beside every control."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from worldprobe.controls import CONTROLS, Control, stands_beside
from worldprobe.encoders.load import control_encoders
from worldprobe.encoders.vision.spec import class_name
from worldprobe.execute.threads import MOST_TOGETHER, side_by_side
from worldprobe.io.names import short_names
from worldprobe.pipeline.probe.answers import Answered, Answers, ProbeTask, beside_controls
from worldprobe.pipeline.probe.evidence import Working, with_power
from worldprobe.pipeline.probe.fit import Rows, answer, answer_tokens, fits, planted_fits
from worldprobe.pipeline.probe.inputs import gather, gather_tokens
from worldprobe.pipeline.probe.moments import LabelledTubelets
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.questions import reads_tokens
from worldprobe.pipeline.probe.workers import adding, working
from worldprobe.pipeline.stored import class_series, find_series, matching_series
from worldprobe.probes import controls, features
from worldprobe.probes.detection.copies import ALIKE, near_copies
from worldprobe.probes.evaluate import Step, unwatched
from worldprobe.probes.question import Question
from worldprobe.probes.tokens import gaussian_like
from worldprobe.probes.training import Sums
from worldprobe.protocols import Executor
from worldprobe.records import Block, Tap
from worldprobe.store import Series, Store

# Features of more bytes than this are read again rather than kept beside those of a control.
_MOST_BESIDE = 2**29
# The rows that a control reads, and who adds them up, where that is not this process.
Read = Callable[[], tuple[Rows, Sums | None]]


class Place:
    """The moments of a run and the tasks on them; controls that no block changes are answered once.

    Args:
        folder: where tokens lie while they are read.
        executor: who adds up the sums of linear probes and works out curves, where it is not this process.
    """

    def __init__(
        self,
        store: Store,
        series: Sequence[Series],
        moments: LabelledTubelets,
        plan: Plan,
        probe_tasks: list[ProbeTask],
        folder: Path,
        *,
        executor: Executor | None = None,
    ) -> None:
        self._executor, self._adding = executor, adding(executor, store, moments)
        self._store, self._series, self._moments, self._plan = store, series, moments, plan
        self._probe_tasks, self._folder = probe_tasks, folder
        self._once: dict[tuple[Control, str], Answers] = {}
        self._last: tuple[Block, str, Rows] | None = None

    def asking(self, probe_tasks: list[ProbeTask]) -> Place:
        """The same place, asked something else."""
        other = copy(self)
        other._probe_tasks, other._once = probe_tasks, {}
        return other

    def fits(self, kinds: Sequence[str]) -> int:
        """How many fits reading these kinds of features, one after the other, will take from here on."""
        total, once = 0, set(self._once)
        for kind in kinds:
            probe_tasks = self._of(kind)
            total += fits(probe_tasks, leaky=True, shuffle="shuffled" in self._plan.controls)
            for control in self._read():
                key = _key(control, kind)
                if control in self._plan.controls and key not in once:
                    total += fits(self._beside(control, probe_tasks))
                    once |= {key} if CONTROLS[control].once else set()
        return total

    def planted_fits(self, kinds: Sequence[str]) -> int:
        """How many fits planted effects add to these kinds of features, at the last block."""
        return sum(planted_fits(self._of(kind)) for kind in kinds if kind != "tokens")

    def _of(self, kind: str) -> list[ProbeTask]:
        """The tasks that are read from one kind of features."""
        return [one for one in self._probe_tasks if reads_tokens(one.question.probe) == (kind == "tokens")]

    def _beside(self, control: Control, probe_tasks: Sequence[ProbeTask]) -> list[ProbeTask]:
        """Those tasks that a control says something of."""
        return [one for one in probe_tasks if stands_beside(control, [one.task], self._plan.input)]

    def _read(self) -> list[Control]:
        """The controls that read something of their own."""
        own = [control for control, one in CONTROLS.items() if one.reads in ("noise", "columns")]
        return [*own, *control_encoders(self._plan.encoder, self._series[0].twin)]

    def read(self, block: Block, kind: str, *, last: bool = False, step: Step = unwatched) -> list[Answered]:
        """All tasks and controls on one kind of features of one block; ``step`` is called after each fit.

        Args:
            last: whether it is the last block, where effects are planted.
        """
        tokens, plan = kind == "tokens", self._plan
        probe_tasks = self._of(kind)
        if not probe_tasks:
            return []
        source = self._tokens(self._at(block, kind), block) if tokens else self.rows(block, kind)
        shuffle = "shuffled" in plan.controls

        planted: dict[Hashable, Question] = {}

        def work(
            rows: Rows, sums: Sums | None, of: Sequence[ProbeTask], control: Control, **which: bool
        ) -> Answers:
            real = control == "none"
            asked: dict[str, Any] = {"leaky": real, "shuffle": real and shuffle, "seed": plan.seed, "step": step}
            if tokens:
                return answer_tokens(rows, of, **asked)
            # Side columns are no features: a control that is cut would be too easy to be above.
            components = None if not real and CONTROLS[control].reads == "columns" else plan.pca
            asked |= {"planted": planted if real and last else None, "sums": sums, "components": components}
            return answer(rows, of, **asked | which)

        sums = self._sums(self._at(block, kind), block, kind)
        others = {
            control: read
            for control, read in self._others(source, block, kind).items()
            if control in plan.controls and self._beside(control, probe_tasks)
        }

        def of_control(control: Control) -> Answers:
            return work(*others[control](), self._beside(control, probe_tasks), control)

        known = {control: self._once[key] for control in others if (key := _key(control, kind)) in self._once}
        unknown = [control for control in others if control not in known]
        if tokens or self._adding or source.nbytes > MOST_TOGETHER:
            own = work(source, sums, probe_tasks, "none")
            if not tokens and source.nbytes > _MOST_BESIDE:
                del source
                self._last = None
            given = [of_control(control) for control in unknown]
        else:
            features = partial(work, source, None, probe_tasks, "none")
            both = [partial(features, leaky=False), partial(features, real=False)]  # the longest first
            sound, leaky, *given = side_by_side([*both, *(partial(of_control, control) for control in unknown)])
            own = sound | leaky
        answers = known | dict(zip(unknown, given, strict=True))
        found: dict[Control, Answers] = {"none": own, **{control: answers[control] for control in others}}
        self._once |= {_key(control, kind): found[control] for control in others if CONTROLS[control].once}
        answered = beside_controls(
            plan, probe_tasks, found, str(Tap(plan.encoder, block)), kind, twin=self._series[0].twin
        )
        return [with_power(one, planted, found["none"]) for one in answered]

    def rows(self, block: Block, kind: str) -> Rows:
        """Features of the moments, float32 [n, d]; the last that were asked for are remembered."""
        if self._last is None or self._last[:2] != (block, kind):
            self._last = None
            read = gather(self._store, self._at(block, kind), self._moments, block=block, kind=kind)
            self._last = (block, kind, read)
        return self._last[2]

    def working(self, block: Block, kind: str) -> Working | None:
        """Who works out what a kind of features at a block is worth, where it is not this process."""
        return working(self._executor, self._store, self._moments, self._at(block, kind), block, kind)

    def copies(self) -> list[str]:
        """Say which groups show what others show, though the split keeps them apart; the pixels control tells."""
        named = control_encoders(self._plan.encoder, self._series[0].twin)
        if "pixels" not in self._plan.controls or "pixels" not in named:
            return []
        moments = self._moments
        others = matching_series(self._store, self._series, encoder=named["pixels"], control="pixels")
        pictures = gather(self._store, others, moments, block=0, kind="z", floor=True)
        # Neighbouring blocks of one video may well be alike: there only videos are compared.
        group = moments.group if self._plan.split == "grouped" else moments.recording
        pairs = near_copies(pictures, group)
        if not len(pairs):
            return []
        names = short_names([one.video.path for one in self._series])
        first, second = (
            f"{names[self._series[moments.video[row]].video.path]} from {moments.pts_seconds[row]:.1f} s on"
            for row in (int(np.flatnonzero(group == one)[0]) for one in pairs[0])
        )
        return [
            f"{len(pairs)} of {len(np.unique(group))} groups show what another group shows (cosine of their pixels "
            f"over {ALIKE}), such as {first} and {second}: what is tested was trained on. Leave one of each out"
        ]

    def _at(self, block: Block, kind: str) -> list[Series]:
        """The series that hold a kind of features at a block."""
        if kind == "cls":
            return class_series(self._store, self._series, block=block)
        ids, plan = [one.video.id for one in self._series], self._plan
        return find_series(self._store, ids, encoder=plan.encoder, input=plan.input, block=block)

    def _tokens(self, series: Sequence[Series], block: Block, *, floor: bool = False) -> Rows:
        return gather_tokens(self._store, series, self._moments, self._folder, block=block, floor=floor)

    def _sums(self, series: Sequence[Series], block: Block, kind: str, *, floor: bool = False) -> Sums | None:
        return self._adding(series, block, kind, floor) if self._adding else None

    def _others(self, source: Rows, block: Block, kind: str) -> dict[Control, Read]:
        """What each control reads instead of ``source``."""
        moments, tokens = self._moments, kind == "tokens"

        def columns(control: Control) -> Read:
            def read() -> tuple[Rows, None]:
                make = controls.COLUMNS[control]
                rows = make(moments.video, moments.pts_seconds, moments.clip_seconds, moments.group)
                return rows[:, None, :] if tokens else rows, None

            return read

        def of(control: Control, encoder: str) -> Read:
            def read() -> tuple[Rows, Sums | None]:
                floor = CONTROLS[control].once
                at = 0 if floor else block
                of_class = kind == "cls" and not floor
                like = self._at(block, kind) if of_class else self._series
                name = class_name(encoder) if of_class else encoder
                others = matching_series(self._store, like, encoder=name, control=control)
                if tokens:
                    return self._tokens(others, at, floor=floor), None
                # What is change in time already is read as it is, whatever the features.
                as_kind = "z" if CONTROLS[control].motion else kind
                rows = gather(self._store, others, moments, block=at, kind=as_kind, floor=floor)
                return rows, self._sums(others, at, as_kind, floor=floor)

            return read

        named = control_encoders(self._plan.encoder, self._series[0].twin)
        shape = source.shape  # features themselves need not be there while their controls are answered
        noise = (lambda: (self._noise(source), None)) if tokens else lambda: (self._noise_rows(shape), None)
        others: dict[Control, Read] = {"gaussian": noise}
        others |= {control: columns(control) for control in controls.COLUMNS}
        return others | {control: of(control, encoder) for control, encoder in named.items()}

    def _noise_rows(self, shape: tuple[int, ...]) -> Rows:
        """Noise of the shape of features [n, d]."""
        return controls.gaussian((shape[0], shape[1]), seed=self._plan.seed)

    def _noise(self, like: Rows) -> Rows:
        """Noise of the shape of tokens, in a file, as they are."""
        into = np.memmap(self._folder / "gaussian", np.float16, "w+", shape=like.shape)
        return gaussian_like(like, into, seed=self._plan.seed)


def _key(control: Control, kind: str) -> tuple[Control, str]:
    """Floors are the same beside every block, and beside all features that take no difference in time; those of
    change in time beside all."""
    changes = kind in features.CHANGES and not CONTROLS[control].motion
    return control, kind if kind == "tokens" or changes else ""
