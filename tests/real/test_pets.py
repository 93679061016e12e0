"""A surveillance film with people's boxes through the whole pipeline: blocked and leaky splits side by side."""

from pathlib import Path

import pytest
from tests.builders.checks import some

from worldprobe.encoders.load import load_encoder
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.encode.encode import encode
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.probe.answers import Probed
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.probe import probe
from worldprobe.results import ProbeResult
from worldprobe.store import Store


@pytest.fixture(scope="module")
def probed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Probed:
    film = data / "videos" / "pets09_s2l1.avi"
    store = Store(str(tmp_path_factory.mktemp("pets") / "embeddings.zarr"))
    encoder = load_encoder("vjepa2-tiny")
    encode([film], encoder=encoder, store=store, blocks=[encoder.blocks - 1])
    labels = label([film], labeller=load_labeller(f"mot:{data / 'labels' / 'pets09_s2l1_mot.txt'}"))
    plan = Plan(
        encoder="vjepa2-tiny", tasks=("xy", "size", "class", "motion", "velocity"), features=("z", "grid"),
        controls=("gaussian", "shuffled", "nuisance", "majority"), split="blocked",
    )  # fmt: skip
    return probe(store, labels, plan)


def scores(probed: Probed, **where: str) -> dict[tuple[str, str], ProbeResult]:
    found = [r for r in probed.results if all(getattr(r, key) == value for key, value in where.items())]
    return {(r.task, r.features): r for r in found if r.metric in ("r2", "accuracy")}


def test_where_a_person_stands_is_decodable_and_nothing_is_from_noise(probed: Probed) -> None:
    real, noise = (scores(probed, split="blocked", control=c) for c in ("none", "gaussian"))
    # Places stay alike for 7 s of 113, so that little is left to train on: it is there, and read roughly.
    verdicts = {(r.task, r.features): r.verdict for r in probed.evidence if r.kind == "verdict"}
    assert verdicts["xy", "z"] == "not above"
    for features in ("z", "grid"):
        assert real["xy", features].score > noise["xy", features].high
        assert noise["xy", features].low <= 0


def test_a_random_split_of_one_film_leaks(probed: Probed) -> None:
    honest, leaky = (scores(probed, split=s, control="none") for s in ("blocked", "random"))
    for key in (("xy", "z"), ("xy", "grid"), ("size", "grid")):
        assert leaky[key].score > honest[key].score, key


def test_a_class_that_never_changes_is_said_not_scored(probed: Probed) -> None:
    found = [r for r in probed.results if r.task == "class"]
    assert {r.features for r in found} == {"z", "grid"}
    for result in some(found):
        assert result.score is None
        assert "constant: always 'pedestrian'" in " ".join(result.notes)


def test_every_label_is_accounted_for(probed: Probed) -> None:
    assert probed.kept + sum(probed.dropped.values()) == 4650
