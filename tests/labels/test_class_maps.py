"""Classes merged by name; what no one names is other."""

import pytest

from worldprobe.config import make_experiment, read_experiment, to_toml
from worldprobe.errors import ConfigError, LabelError
from worldprobe.labels.class_maps import class_map, merge_classes
from worldprobe.records import Labels


def labels(*names):
    n = len(names)
    return Labels.from_columns(
        **{
            "video": "v", "frame": list(range(n)), "pts_seconds": [0.0] * n, "object": -1, "class": list(names),
            "x": 1.0, "y": 1.0, "w": 1.0, "h": 1.0, "confidence": 1.0, "source": "test",
        }
    )  # fmt: skip


def test_the_original_map_has_its_four_classes_and_its_birds_are_other():
    found = merge_classes(
        labels("person", "car", "boat", "cat", "giraffe", "bird", "cup", ""), class_map("original")
    )
    expected = ["person", "vehicle", "vehicle", "animal", "animal", "other", "other", ""]
    assert found.table["class"].to_list() == expected


def test_a_map_of_ones_own_and_none():
    own = labels("cup", "bottle", "hand")
    merged = merge_classes(own, class_map({"vessel": ["cup", "bottle"]}))
    assert merged.table["class"].to_list() == ["vessel", "vessel", "other"]
    assert merge_classes(own, class_map("own")) is own


def test_maps_that_cannot_be_are_refused():
    with pytest.raises(LabelError, match="no class map 'coarse': use own, original"):
        class_map("coarse")
    with pytest.raises(LabelError, match="'cup' is claimed by both 'a' and 'b'"):
        class_map({"a": ["cup"], "b": ["cup"]})


def test_a_map_in_an_experiment_file_is_written_back_as_it_was(tmp_path):
    path = tmp_path / "film.toml"
    path.write_text('videos = ["film.mp4"]\n[classes]\nvessel = ["cup", "bottle"]\n"big box" = ["suitcase"]\n')
    read = read_experiment(path)
    assert read.classes == {"vessel": ["cup", "bottle"], "big box": ["suitcase"]}
    (tmp_path / "again.toml").write_text(to_toml(read))
    assert read_experiment(tmp_path / "again.toml") == read
    with pytest.raises(ConfigError, match="classes"):
        make_experiment({"videos": ["film.mp4"], "classes": 3})
