"""The original protocol on real clips with a real detector: the example's parts, in miniature."""

import polars as pl

from worldprobe.config import make_experiment
from worldprobe.pipeline.run import run
from worldprobe.report.write import write_report
from worldprobe.results import WATERFALL


def test_two_films_of_different_sizes_go_through_the_whole_protocol(data, tmp_path):
    clips = [data / "videos" / "bbb_720p_5s.mp4", data / "videos" / "sintel_480p_5s.mp4"]
    experiment = make_experiment(
        {
            "protocol": "original",
            "videos": [str(clip) for clip in clips],
            "labeller": f"onnx:{data / 'detectors' / 'yolox_nano_416.onnx'}",
            "confidence": 0.35,
            "every": 4,
            "samples": 30,
            "split": "blocked",
            "controls": ["gaussian", "nuisance", "majority"],
        }
    )
    assert run(experiment, clips, tmp_path) == []
    original = write_report(tmp_path).original
    assert original.looked_at == 60
    assert 30 <= original.labelled <= 60
    classes = pl.read_parquet(tmp_path / "labels.parquet")["class"]
    assert set(classes) <= {"person", "vehicle", "animal", "other"}
    falls = {fall.task: fall for fall in original.falls}
    assert set(falls) == {"xy", "size", "class", "motion"}
    steps = {step.protocol: step for step in falls["xy"].steps}
    assert list(steps) == list(WATERFALL)
    assert steps["sound"].split == "blocked"
    # The second film's boxes are divided by the first one's size, until each gets its own.
    assert steps["original"].score.value != steps["original+own-size"].score.value
