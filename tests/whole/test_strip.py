"""The picture of the README is drawn from runs as they are kept."""

import numpy as np
from PIL import Image
from recipes.draw_strip import draw
from tests.builders.run_lines import run_with_moments

from worldprobe.io.arrays import write_arrays


def test_the_strip_is_drawn_from_a_run_and_a_run_with_pairs(tmp_path):
    run, pairs = run_with_moments(tmp_path), tmp_path / "pairs"
    rng = np.random.default_rng(0)

    def frames(*shape):
        return rng.integers(0, 255, (*shape, 16, 16, 3)).astype(np.uint8)

    future = {"seen": frames(1, 2), "predicted": frames(1, 4), "decoded": frames(1, 4), "real": frames(1, 4)}
    write_arrays(run / "predictions" / "prediction_comparison.safetensors", future, {"encoder": "e"})
    curves = rng.random((1, 2, 9)).astype(np.float32)
    kept = {"frames": frames(1, 3), "surprise": curves}
    write_arrays(pairs / "predictions" / "violations.safetensors", kept, {"kinds": ["teleport"], "first": 2})
    draw(run, pairs, tmp_path / "strip.png")
    with Image.open(tmp_path / "strip.png") as strip:
        assert strip.size[0] > 4 * strip.size[1]
        assert len(strip.convert("RGB").getcolors(100_000)) > 50
