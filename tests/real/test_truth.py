from pathlib import Path

import numpy as np
import pytest

from worldprobe.errors import LabelError
from worldprobe.labels.files.coco import Coco
from worldprobe.labels.files.mot import Mot
from worldprobe.video.read import open_video

ORDER = ["frame", "object"]


def test_pets_in_mot_and_in_coco_are_the_same_boxes(data: Path) -> None:
    with open_video(data / "videos" / "pets09_s2l1.avi") as video:
        mot = Mot(str(data / "labels" / "pets09_s2l1_mot.txt")).label(video).table.sort(ORDER)
        coco = Coco(str(data / "labels" / "pets09_s2l1_coco.json")).label(video).table.sort(ORDER)
        assert mot.height == coco.height == 4650
        assert mot["object"].n_unique() == coco["object"].n_unique() == 19
        assert mot.select("video", "frame", "object").equals(coco.select("video", "frame", "object"))
        for name in ("x", "y", "w", "h", "pts_seconds"):
            assert np.abs(mot[name].to_numpy() - coco[name].to_numpy()).max() < 0.011, name
        assert mot["pts_seconds"].to_list() == video.pts_seconds[mot["frame"].to_numpy()].tolist()
    assert set(mot["class"]) == {"pedestrian"}
    assert set(coco["class"]) == {"person"}


@pytest.mark.parametrize(("kind", "name"), [(Mot, "pets09_s2l1_mot.txt"), (Coco, "pets09_s2l1_coco.json")])
def test_pets_boxes_on_another_film_are_refused(kind: type[Mot] | type[Coco], name: str, data: Path) -> None:
    with (
        open_video(data / "videos" / "dog.mp4") as video,
        pytest.raises(LabelError, match=r"dog\.mp4.*(another video|another size)"),
    ):
        kind(str(data / "labels" / name)).label(video)
