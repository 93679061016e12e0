"""A kind of violation is above every control, or it is said above which it is not."""

import pytest

from worldprobe.findings.violations import ABOVE_ALL, read_violations, surprise_caveats, surprise_headline
from worldprobe.results import SurpriseResult


def lines(violation, score, *, against, twin="above", n=60):
    """Calibrated AUROC of an encoder, its controls and its twin."""
    at = {"violation": violation, "measure": "calibrated", "metric": "auroc", "n": n, "context": 4, "horizon": 4,
          "protocol": "p", "seed": 0}  # fmt: skip

    def one(value, **more):
        return SurpriseResult(**at, score=value, low=value - 0.05, high=value + 0.05, **more)

    yield one(score, encoder="e", against=against, against_twin=twin)
    for method in against:
        yield one(0.6, encoder="e", method=method)
    yield one(0.5, encoder="random:e")


BEATEN = {"ridge": "above", "copy-last": "above", "pixels": "above"}


@pytest.mark.parametrize(
    ("score", "against", "twin", "kind", "verdict"),
    [
        (0.9, BEATEN, "above", "above", ABOVE_ALL),
        (0.9, {**BEATEN, "pixels": "not shown"}, "above", "not-shown", "above chance, not shown above pixels"),
        (0.9, {**BEATEN, "ridge": "below"}, "not shown", "not-shown",
         "above chance, not shown above ridge, untrained twin"),
        (0.52, BEATEN, "above", "no-evidence", "not above chance"),
        (0.2, {**BEATEN, "pixels": "below"}, "above", "no-evidence", "not above chance"),
    ],
)  # fmt: skip
def test_a_kind_is_judged_against_chance_and_every_control(score, against, twin, kind, verdict):
    (found,) = read_violations(list(lines("vanish", score, against=against, twin=twin)), "e")
    assert (found.kind, found.verdict, found.pairs) == (kind, verdict, 60)
    assert list(found.controls) == ["ridge", "copy-last", "pixels", "untrained twin"]
    assert found.controls["untrained twin"].value == 0.5
    assert found.trained["calibrated auroc"].value == score
    assert found.stands == {"calibrated auroc": twin}


def test_the_headline_counts_kinds_and_none_separated_is_a_caveat():
    surprises = [
        *lines("teleport", 0.95, against={**BEATEN, "pixels": "not shown"}),
        *lines("reverse", 0.9, against=BEATEN),
        *lines("class", 0.5, against=BEATEN),
        *lines("all", 0.8, against=BEATEN),
        *lines("none", 0.5, against={**BEATEN, "pixels": "not shown"}),
    ]
    found = read_violations(surprises, "e")
    said = surprise_headline(found)
    assert said.startswith(
        "Of 3 kinds of violation calibrated surprise is above chance at teleport, reverse, and above every control "
        "at reverse."
    )
    assert surprise_caveats(surprises, found) == []
    apart = [*surprises[:-5], *lines("none", 0.6, against=BEATEN, n=12)]
    few, untrusted = surprise_caveats(apart, read_violations(apart, "e"))
    assert "Only 12 pairs" in few
    assert "Pairs without a violation (none) are separated" in untrusted
    assert surprise_headline([]) == ""
