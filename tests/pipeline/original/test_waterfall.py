"""The artefacts of the original protocol, each proved where the truth is known: on rendered scenes."""

from dataclasses import replace

import numpy as np
import pytest

from worldprobe.labels.original import Boxes, tracked_motion
from worldprobe.pipeline.original import waterfall as module
from worldprobe.pipeline.original.steps import STEPS, Material
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.probes.controls import nuisance
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.published import published
from worldprobe.probes.question import Question
from worldprobe.video.rendered.scenes import plan_scene

WIDTH, HEIGHT, RATE = 160, 144, 24
SCENES, SEED, FRAMES = 40, 21, range(0, 16, 2)


def boxes_of(scenes: range, *, seed: int, frames: range = FRAMES, scale: int = 1, film: int = 0) -> Boxes:
    """The subjects of rendered scenes laid end to end as one film; each scene is a shot."""
    rows = []
    for shot, index in enumerate(scenes):
        subject = plan_scene(seed, index, width=scale * WIDTH, height=scale * HEIGHT).sprites[0]
        for frame in frames:
            size = 2 * np.array(subject.half)
            rows.append(
                (shot, 16 * shot + frame, *subject.centre[frame], *size, *subject.speed[frame], subject.shape)
            )
    shot, frame = (np.array([row[k] for row in rows]) for k in (0, 1))
    return Boxes(
        film=np.full(len(rows), film),
        frame=frame,
        pts_seconds=frame / RATE,
        box=np.array([row[2:6] for row in rows]),
        name=np.array([row[8] for row in rows]),
        own_size=np.tile([[scale * WIDTH, scale * HEIGHT]], (len(rows), 1)).astype(float),
        first_size=np.array([WIDTH, HEIGHT], dtype=float),
        speed=np.array([row[6:8] for row in rows]),
        shot=shot,
        looked_at=len(rows),
    )


def material(boxes: Boxes, still: np.ndarray, native: np.ndarray) -> Material:
    there = np.ones(len(boxes), dtype=bool)
    inputs = {("still", "none"): still.astype(np.float32), ("native", "none"): native.astype(np.float32)}
    series = [type("Stills", (), {"twin": None})()]
    return Material(boxes, inputs, {"still": there, "native": there}, "made/block0.out", series, 8 / RATE)


def scores(made: Material, *tasks: str, steps: tuple[str, ...]):
    """Main scores by (protocol, task, control), of these steps alone: none hangs on another's."""
    plan = Plan(encoder="gaussian", tasks=tasks, features=("z",), controls=("majority",), split="grouped", seed=42)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STEPS", [step for step in STEPS if step.protocol in steps])
        found = module.waterfall(made, plan)
    return {
        (r.protocol, r.task, r.control): r
        for r in found
        if r.kind == "probe"
        and r.metric in ("r2", "accuracy")
        and (r.split != "random" or r.protocol not in ("original+chosen", "sound"))
    }


@pytest.fixture(scope="module")
def scenes():
    return boxes_of(range(SCENES), seed=SEED)


@pytest.fixture(scope="module")
def identity(scenes):
    """Features that know which scene a frame is of, and nothing of what is in it; a little different each frame."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(SCENES, 40))[scenes.shot] + 0.05 * rng.normal(size=(len(scenes), 40))


def test_a_random_split_inflates_what_features_of_the_scene_alone_score(scenes, identity):
    steps = ("original+native", "original+grouped", "sound")
    found = scores(material(scenes, identity, identity), "xy", "size", "class", "motion", steps=steps)
    for task in ("xy", "size"):
        leaky, sound = found["original+native", task, "none"], found["original+grouped", task, "none"]
        assert leaky.low > 0.2  # the scene tells where its object is, as long as its other frames are trained on
        assert sound.high < leaky.low
        assert sound.low <= 0
    leaky, sound = found["original+native", "class", "none"], found["original+grouped", "class", "none"]
    majority = found["original+grouped", "class", "majority"]
    assert leaky.low > majority.high
    assert sound.low <= majority.high
    # And the sound end finds nothing, since there is nothing; nor is what it finds far from a constant.
    for task in ("xy", "size"):
        assert found["sound", task, "none"].low <= 0
        assert found["sound", task, "none"].score > -0.25
    for task in ("class", "motion"):
        end, constant = found["sound", task, "none"], found["sound", task, "majority"]
        assert end.low <= constant.score <= end.high


def test_features_that_know_the_answer_lose_nothing_on_the_way(scenes):
    rng = np.random.default_rng(1)
    truth = np.column_stack([scenes.box / 100, scenes.speed / 50, [len(name) for name in scenes.name]])
    known = np.column_stack([truth, rng.normal(size=(len(scenes), 10))])
    steps = ("original", "original+native", "original+grouped", "sound")
    found = scores(material(scenes, known, known), "xy", "size", steps=steps)
    for task in ("xy", "size"):
        for protocol in steps:
            assert found[protocol, task, "none"].score > 0.98, (protocol, task)


def test_a_still_scores_above_the_majority_by_leakage_and_not_at_the_sound_end(scenes):
    """A still shows where things are, not where they go; a clip that does is the proof that the test could fail."""
    rng = np.random.default_rng(2)
    still = pictures(SCENES, seed=SEED)
    directions = _one_hot(tracked_motion(scenes)) + 0.1 * rng.normal(size=(len(scenes), 5))
    moving = np.column_stack([still[:, ::16], directions])
    stills = scores(material(scenes, still, still), "motion", steps=("original+controls", "sound"))
    native = scores(material(scenes, still, moving), "motion", steps=("sound",))
    # Naive labels, random split: the scene's other frames give its direction away.
    leaky, constant = (stills["original+controls", "motion", control] for control in ("none", "majority"))
    assert leaky.low > constant.score
    end, majority = (stills["sound", "motion", control] for control in ("none", "majority"))
    assert end.low <= majority.score <= end.high
    assert native["sound", "motion", "none"].low > majority.high + 0.3


def pictures(scenes: int, *, seed: int) -> np.ndarray:
    """The rendered frames themselves, averaged over 8 x 8 cells: [n, 192]."""
    frames = [frame for index in range(scenes) for frame, _ in list(plan_scene(seed, index).frames())[::2]]
    cells = np.stack(frames).reshape(len(frames), 8, HEIGHT // 8, 8, WIDTH // 8, 3)
    return cells.mean(axis=(2, 4)).reshape(len(frames), -1)


def _one_hot(names: np.ndarray) -> np.ndarray:
    return (names[:, None] == np.unique(names)[None, :]).astype(float)


def test_the_first_films_size_lets_identity_alone_predict_position():
    """Two films of scenes, one twice the size of the other, a frame of each scene: time says nothing."""
    small, large = (boxes_of(range(n, n + 300), seed=3, frames=range(1), scale=s, film=f)
                    for n, s, f in ((0, 1, 0), (300, 2, 1)))  # fmt: skip
    both = {name: np.concatenate([getattr(small, name), getattr(large, name)])
            for name in ("film", "frame", "pts_seconds", "box", "name", "own_size", "speed")}  # fmt: skip
    shot = np.concatenate([small.shot, 300 + large.shot])
    boxes = Boxes(**both, shot=shot, first_size=small.first_size, looked_at=600)
    which = nuisance(boxes.film, boxes.pts_seconds, 1e9)  # which film, and no more
    scored = {}
    for name, size in (("first", boxes.first_size), ("own", boxes.own_size)):
        question = Question("xy", Ridge(), boxes.box[:, :2] / size)
        scored[name] = published(which, question, boxes.shot, seed=42)["r2"]
    assert scored["first"].low > 0.1
    assert scored["first"].value > 0.2
    assert scored["own"].high < 0.05
    assert scored["own"].low < 0 <= scored["own"].high + 0.02
    # The waterfall says the same: what identity adds goes where each film gets its own size.
    found = scores(material(boxes, which, which), "xy", "size", steps=("original", "original+own-size"))
    for task in ("xy", "size"):
        fall = found["original+own-size", task, "none"].score - found["original", task, "none"].score
        assert fall < -0.2


def test_what_cannot_be_asked_says_why_at_every_step(scenes, identity):
    nameless = replace(scenes, name=np.full(len(scenes), ""), box=np.ones_like(scenes.box))
    found = scores(material(nameless, identity, identity), "xy", "class", steps=("original", "sound"))
    assert found["original", "xy", "none"].notes == ["xy is constant. Add video in which it varies"]
    assert found["sound", "class", "none"].notes == ["the labeller gives no classes"]
    assert found["sound", "xy", "none"].score is None
    alone = replace(scenes, name=np.where(scenes.shot == 0, "rare", "common"))
    found = scores(material(alone, identity, identity), "class", steps=("original", "sound"))
    assert found["original", "class", "none"].score is not None
    assert "always 'common'" in found["sound", "class", "none"].notes[0]


def test_rare_classes_are_dropped_below_three_samples(scenes, identity):
    names = scenes.name.copy()
    names[[5, 90]] = "rare"
    found = scores(material(replace(scenes, name=names), identity, identity), "class", steps=("original",))
    assert found["original", "class", "none"].notes == ["left out, fewer than 3 samples: rare"]
    assert found["original", "class", "none"].n_test == len(names) - 2 - int(0.8 * (len(names) - 2))
