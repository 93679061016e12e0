"""Does a demo's 200 scenes show what 2,000 show? Nine disjoint sets of 200, cut out of one run of 2,000.

Needs the embeddings and labels of many scenes (half an hour on two cores), as

    worldprobe encode scenes:2000@4242 --encoder vjepa2-tiny --controls pixels,random-init --pool space --store S
    worldprobe label scenes:2000@4242 --labeller truth --out L.parquet
    python -m benchmarks.nine_sets S L.parquet

Prints, for each reading, the R² of all scenes and the median of the sets, in how many the interval lies above 0 and
the test of groups exceeds 2.5, and how many intervals have no width; then how often labels that belong to other
groups are called evidence, of 225. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from worldprobe.encoders.load import control_encoders
from worldprobe.labels.table import read_labels
from worldprobe.pipeline.probe.inputs import gather
from worldprobe.pipeline.probe.moments import align, with_before
from worldprobe.pipeline.probe.targets import split_rows, target
from worldprobe.pipeline.stored import find_series, labelled_videos, matching_series, stored_blocks
from worldprobe.probes.controls import shuffled
from worldprobe.probes.detection.power import detectable, planted, question_of
from worldprobe.probes.evaluate import cross_fit, draws, evidence
from worldprobe.probes.linear.ridge import Ridge
from worldprobe.probes.question import Question
from worldprobe.probes.splits import SplitRows, make_folds
from worldprobe.store import Store

ENCODER = "vjepa2-tiny"
SETS, SCENES, PERMUTED = 9, 200, 5
SHOWN = 2.5
READINGS = [(task, kind) for task in ("velocity", "xy", "size") for kind in ("z", "delta")]
# Of these, 5 permutations of 9 sets each: 225.
PERMUTED_READINGS = [("velocity", "z"), ("velocity", "delta"), ("xy", "z"), ("size", "z"), ("xy", "delta")]


def scores(
    inputs: np.ndarray, values: np.ndarray, rows: SplitRows, *, permuted: int
) -> tuple[dict[str, float], list[bool]]:
    """Score one target [n, k] on inputs [n, d], and whether permuted targets pass for evidence."""
    folds = make_folds(rows, kind="grouped", seed=0)
    moved = [Question(seed, Ridge(), shuffled(values, folds.unit, seed=seed)) for seed in range(permuted)]
    real = Question("real", Ridge(), values)
    plants = question_of("plants", planted(inputs, values, folds, seed=0))
    answers = cross_fit(inputs, [real, *moved, *([plants] if permuted else [])], folds)
    score = draws(real, answers["real"], folds.unit, seed=0)["r2"].score()
    found = {
        "r2": score.value or 0.0,
        "low": score.low or 0.0,
        "high": score.high or 0.0,
        "z": evidence(real, answers["real"], folds.unit),
    }
    if not permuted:
        return found, []
    known = answers[plants.name]
    least = detectable(plants.target, known.prediction, known.constant, folds).least_z
    return found, [evidence(one, answers[one.name], folds.unit) > least for one in moved]


def main() -> None:
    """Read all features once, then score the sets."""
    store, labels = Store(sys.argv[1]), read_labels(Path(sys.argv[2]))
    series = find_series(store, labelled_videos(labels), encoder=ENCODER, input="native", block=None)
    block = stored_blocks(store, series[0])[-1]
    moments = with_before(align(series, labels), series)
    rows = split_rows(moments)
    groups = np.random.default_rng(1).permutation(np.unique(rows.group))
    sets = [groups[index * SCENES : (index + 1) * SCENES] for index in range(SETS)]
    lines, evident = [], []
    others = control_encoders(ENCODER, series[0].twin)
    for name in ("pixels", "random-init", "encoder"):
        floor = name == "pixels"
        at = series if name == "encoder" else matching_series(store, series, encoder=others[name], control=name)
        for task, kind in READINGS:
            inputs = gather(store, at, moments, block=0 if floor else block, kind=kind, floor=floor)
            known = target(moments, task, rows.group)

            def of(here: np.ndarray, permuted: int = 0) -> tuple[dict[str, float], list[bool]]:
                part = SplitRows(rows.group[here], rows.video[here], rows.pts_seconds[here], rows.clip_seconds)
                return scores(inputs[here], known.values[here], part, permuted=permuted)  # noqa: B023

            whole, _ = of(np.flatnonzero(known.usable))
            permuted = PERMUTED if name == "encoder" and (task, kind) in PERMUTED_READINGS else 0
            found = [of(np.flatnonzero(known.usable & np.isin(rows.group, one)), permuted) for one in sets]
            evident += [one for _, moved in found for one in moved]
            each = {key: np.array([one[key] for one, _ in found]) for key in whole}
            line = {
                "reading": f"{task} from {name} {kind}",
                "r2_of_all": round(whole["r2"], 3),
                "r2": round(float(np.median(each["r2"])), 3),
                "low_above_0": int((each["low"] > 0).sum()),
                f"z_above_{SHOWN}": int((each["z"] > SHOWN).sum()),
                "z": round(float(np.median(each["z"])), 1),
                "no_width": int((each["low"] == each["high"]).sum()),
            }
            print(line, flush=True)
            lines.append(line)
    share = float(np.mean(evident))
    print(f"permuted: {sum(evident)} of {len(evident)} called evidence")
    print(json.dumps({"sets": lines, "permuted": len(evident), "called_evidence": round(share, 4)}))


if __name__ == "__main__":
    main()
