"""The runs of the gallery: what each asks, how it is made, and which of its files become pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CHECKPOINTS = "{runs}/training/checkpoints"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a run: its file in the gallery, the folder within the run's that it is of, and what links say."""

    file: str
    folder: str
    title: str
    form: Literal["report", "comparison", "watch"] = "report"


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the gallery.

    Attributes:
        name: its folder, in the gallery as among the runs.
        asks: what it asks, in a sentence; what it found is worked out from its figures.
        command: arguments of ``worldprobe``; ``{out}`` is the run's folder, ``{runs}`` that of all runs.
        pages: the first is the one that the picture links to.
        picture: a figure of it, relative to the run's folder.
        alt: what the picture is of.
        needs: what it reads of the folder that WORLDPROBE_DATA names; without it the run is left out, and its
            pages stay.
        films: whether frames of such films would stand in its pages: they are written without.
        minutes: about how long it takes on two cores.
    """

    name: str
    title: str
    asks: str
    command: tuple[str, ...]
    pages: tuple[Page, ...]
    picture: str
    alt: str
    minutes: int
    needs: tuple[str, ...] = ()
    films: bool = False

    @property
    def file(self) -> str:
        """The experiment file that its command names; empty where it names none."""
        return next((word for word in self.command if word.endswith(".toml")), "")


_REPORT = (Page("report.html", "", "report"),)
_DETECTOR = "detectors/yolox_nano_416.onnx"
_CLIPS = ("bbb_720p_5s.mp4", "bbb_144p_2min.mp4", "sintel_480p_5s.mp4", "dog.mp4", "blocks.mp4",
          "person_walking.mp4", "pets09_s2l1.avi")  # fmt: skip

RUNS = (
    Run(
        name="scenes",
        title="Rendered scenes",
        asks="All that `make demo` does: 1,000 scenes with exact truth probed, 200 of them predicted and drawn.",
        command=("demo", "--out", "{out}"),
        pages=_REPORT,
        picture="figures/probe_summary.png",
        alt="Scores of each property beside their controls, on 1,000 rendered scenes",
        minutes=3,
    ),
    Run(
        name="robots",
        title="Simulated robots",
        asks="What two small trained encoders hold of a robot's hand, of what it touches and of how things lie, "
        "and whether it survives another camera.",
        command=("run", "examples/robots.toml", "--out", "{out}"),
        pages=(
            Page("report.html", "vjepa2-tiny", "vjepa2-tiny's report"),
            Page("yolox-nano.html", "yolox-nano", "YOLOX-nano's report"),
            Page("compare.html", "", "the two compared", "comparison"),
        ),
        picture="vjepa2-tiny/figures/moments.png",
        alt="Clips of a simulated robot with what is read from frozen tokens",
        minutes=4,
        needs=(_DETECTOR,),
    ),
    Run(
        name="pets",
        title="A surveillance film, a real network",
        asks="What a detector that was trained on photographs knows of people in a real film (PETS 2009 S2.L1, "
        "University of Reading), with boxes drawn by hand.",
        command=("run", "examples/pets.toml", "--out", "{out}"),
        pages=_REPORT,
        picture="figures/probe_summary.png",
        alt="Scores of position and size beside their controls, on PETS 2009 S2.L1",
        minutes=1,
        needs=("videos/pets09_s2l1.avi", "labels/pets09_s2l1_mot.txt", _DETECTOR),
        films=True,
    ),
    Run(
        name="original",
        title="The original experiment, small",
        asks="The published protocol on seven short films, as it was published, then with its artefacts taken away "
        "one at a time.",
        command=("run", "examples/original-small.toml", "--out", "{out}"),
        pages=_REPORT,
        picture="figures/waterfall.png",
        alt="The waterfall: each score from the published protocol to the sound one",
        minutes=8,
        needs=(_DETECTOR, *(f"videos/{name}" for name in _CLIPS)),
        films=True,
    ),
    Run(
        name="encoders",
        title="Encoders compared",
        asks="Which of eight small encoders, two of them trained, holds most of 60 scenes, and at what cost.",
        command=("run", "examples/encoders.toml", "--out", "{out}"),
        pages=(
            Page("compare.html", "", "the comparison", "comparison"),
            Page("report.html", "vjepa2-tiny", "the first one's report"),
        ),
        picture="figures/score_by_cost.png",
        alt="Score against cost of eight encoders",
        minutes=3,
        needs=(_DETECTOR,),
    ),
    Run(
        name="deltas",
        title="Motion in the differences of embeddings?",
        asks="The write-up's next experiment: is motion read from what changes between successive embeddings?",
        command=("run", "recipes/gallery/deltas.toml", "--out", "{out}"),
        pages=_REPORT,
        picture="figures/probe_summary.png",
        alt="Scores of motion from embeddings, from their differences, and from both",
        minutes=1,
    ),
    Run(
        name="watch",
        title="A training, watched",
        asks="What a small V-JEPA 2 learns when, over 300 steps of vjepa2-tiny's own recipe at half its width, "
        "checkpoint by checkpoint beside the untrained twin.",
        command=("watch", CHECKPOINTS, "scenes:60", "--tasks", "xy,velocity", "--once", "--out", "{out}"),
        pages=(Page("watch.html", "", "the watch's page", "watch"),),
        picture="figures/training.png",
        alt="Ranks and scores over the steps of a training",
        minutes=3,
    ),
)  # fmt: skip
