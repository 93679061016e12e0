"""Label files of a film that needs no pixels."""

import json

import numpy as np

from worldprobe.records import VideoRef


class Source:
    """A film of which labellers may know all but the pixels."""

    def __init__(self, path="film.mp4", frames=60, size=(320, 240), rate=25.0):
        self.ref = VideoRef("a" * 64, path, *size, frames, rate)
        self.shots = (0,)
        self.pts_seconds = np.arange(frames) / rate

    def frames(self, indices=None):
        raise AssertionError("the labels are in the file: no pixels are needed")


def at(frame):
    """Where the one disc of these films is: left, top, width, height."""
    return [40 + 1.5 * frame, 40 + 0.75 * frame, 40, 40]


def coco(names, *, boxes=None, **more):
    """A COCO file of one box an image; ``boxes`` are further fields of each."""
    images = [{"id": 7 + n, "width": 320, "height": 240} | one for n, one in enumerate(names)]
    boxes = boxes or [{}] * len(images)
    annotations = [
        {"id": n, "image_id": one["id"], "category_id": 1, "bbox": at(n)} | box
        for n, (one, box) in enumerate(zip(images, boxes, strict=True))
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "ball"}]} | more


def written(folder, content, name="labels.json"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def said(labels):
    """The notes as one text."""
    return " ".join(labels.notes)
