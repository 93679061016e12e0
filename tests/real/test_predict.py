"""On a real film with cuts: no window crosses one, nothing leaks, and its surprise is drawn."""

from pathlib import Path

import numpy as np
from tests.builders.checks import some

from worldprobe.config import make_experiment
from worldprobe.encoders.vjepa2 import tiny
from worldprobe.pipeline.predict.stage import predict
from worldprobe.pipeline.predict.windows import Cut, cut_windows
from worldprobe.pipeline.sources import open_source
from worldprobe.report.write import write_report


def test_a_trailer_is_predicted_shot_by_shot(data: Path, tmp_path: Path) -> None:
    film = data / "videos" / "sintel_480p_5s.mp4"
    with open_source(film) as video:
        windows = cut_windows(video.ref, video.shots, Cut(4, 4), tubelet=tiny().tubelet)
        shots = np.array(video.shots)
    assert len(shots) > 1
    assert len({number for _, number, _ in windows}) > 1
    for spec, number, _ in some(windows):
        assert np.searchsorted(shots, spec.start, side="right") - 1 == number
        assert np.searchsorted(shots, spec.last, side="right") - 1 == number
    experiment = make_experiment({"videos": [str(film)], "device": "cpu", "predict": {"twin": False}})
    assert predict(experiment, [film], tmp_path) == []
    summary = write_report(tmp_path)
    assert summary.future is not None
    assert {step.n for step in summary.future.steps if step.tokens == "all"} == {len(windows) * 64}
    ours = [one for one in summary.future.leaks if one.call == "prefix"]
    assert [(one.context_change, one.prediction_change) for one in ours] == [(0.0, 0.0)]
    assert (tmp_path / "figures" / "surprise.png").stat().st_size > 20_000
    assert any("groups" in caveat for caveat in summary.caveats)
