"""Labels drawn where they are."""

import numpy as np
import pytest
from PIL import Image
from tests.builders.checks import some

from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.label.preview import preview_all
from worldprobe.records import Labels
from worldprobe.video.read import open_video
from worldprobe.video.rendered.scenes import render_scenes


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return render_scenes(1, 4, tmp_path_factory.mktemp("scenes"))[0]


def test_the_clip_and_the_sheet_show_each_box_where_it_is(scene, tmp_path):
    labels = label([scene], labeller=load_labeller("truth"))
    clip, sheet = preview_all([scene], labels, beside=tmp_path / "labels.parquet")
    assert (clip.name, sheet.name) == ("labels-scene-000000.mp4", "labels-scene-000000.png")
    with open_video(clip) as drawn, open_video(scene) as source:
        assert drawn.ref.frames == source.ref.frames
        after, before = drawn.frame(3).astype(int), source.frame(3).astype(int)
    row = next(r for r in labels.table.iter_rows(named=True) if r["frame"] == 3 and r["object"] == 0)
    left, right = int(row["x"] - row["w"] / 2), int(row["x"] + row["w"] / 2)
    top, bottom = int(row["y"] - row["h"] / 2), int(row["y"] + row["h"] / 2)
    changed = np.abs(after - before).mean(axis=2)
    sides = [x for x in (left, right) if 2 <= x < 158]
    assert sides
    for x in some(sides):
        assert changed[max(0, top) + 20 : bottom - 5, x - 1 : x + 2].max(axis=1).mean() > 30
    width, height = Image.open(sheet).size
    assert (width, height) == (4 * 160, 4 * 144)


def test_a_film_without_labels_is_shown_as_it_is(scene, tmp_path):
    clip, sheet = preview_all([scene], Labels.empty(), beside=tmp_path / "none.parquet")
    assert clip.stat().st_size > 1000
    assert Image.open(sheet).size[0] == 640
