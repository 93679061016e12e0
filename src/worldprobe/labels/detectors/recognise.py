"""Which layout a detector's outputs have: candidates by shape, then what the values say, then how many classes.

Families share shapes: [1, 2100, 112] is YOLOX with 107 classes or NanoDet with 80, and a model of poses has the
shape of a detector. A wrong guess gives boxes without a word, so each candidate has to read the answers to a few
pictures plausibly, and where two still do, the user is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from worldprobe.labels.detectors.grid_layouts import NanoDet, Yolov5, Yolov8, Yolox
from worldprobe.labels.detectors.layouts import Floats, Layout, Pixels, Raw, Shapes
from worldprobe.labels.detectors.list_layouts import Detr, EndToEnd, RtDetr

LAYOUTS: tuple[Layout, ...] = (
    Yolox(), Yolox(decoded=True), Yolov8(), Yolov8(turned=True), Yolov5(), Yolov5(anchors=1), NanoDet(),
    NanoDet(bins=11), NanoDet(plus=True), NanoDet(plus=True, bins=11), EndToEnd(), RtDetr(), Detr(),
)  # fmt: skip
KEYS = tuple(dict.fromkeys(layout.key for layout in LAYOUTS))
# Of COCO (80, and 90 or 91 with its gaps), VOC, Objects365, LVIS, Open Images: nobody else has as many by chance.
_USUAL_CLASSES = (20, 80, 90, 91, 365, 601, 1203)
_BEST = 100  # boxes that are looked at
_LEAST_SHARE = 0.1  # of the best score: boxes below it may lie anywhere
_STRONG = 0.3
_MANY = 10  # strong boxes of one size that are no chance
_MOST_CELLS, _FEW_CELLS = 0.3, 30  # cells that hold something, of a picture; not asked of a list
_ALIKE = 0.01  # spread of sizes over their median
_MARGIN = 0.1  # of the picture, that a box's centre may lie outside of it
_LARGEST, _SMALLEST = 2.0, 0.01  # of the picture's side: no box is larger, not all are smaller


def candidates(shapes: Shapes, size: tuple[int, int], *, key: str = "") -> list[Layout]:
    """Layouts whose outputs may have these shapes, for an input of (width, height) px; of one family if asked."""
    return [one for one in LAYOUTS if one.key == (key or one.key) and one.fits(shapes, size)]


def recognise(
    shapes: Shapes,
    answer: Callable[[Layout, Pixels], Sequence[Raw]],
    size: tuple[int, int],
    *,
    named: int = 0,
    key: str = "",
) -> tuple[list[Layout], list[str]]:
    """The layouts that read a model's answers plausibly: one, where the answers leave no other.

    Args:
        shapes: of the outputs, without the batch's axis.
        answer: the outputs for a picture put in as a layout does.
        size: width and height of the input in px.
        named: how many classes the model's metadata names; 0 where it names none.
        key: the family that the user says it is, which is then only asked for its shape, unless several fit.

    Returns:
        The layouts, and for each candidate that is none of them, why.
    """
    found = candidates(shapes, size, key=key)
    if key and len(found) == 1:
        return found, []
    pictures = samples(size)
    kept: list[Layout] = []
    against: list[str] = []
    for layout in found:
        classes = layout.classes(shapes)
        of = f" with {classes} classes" if classes else ""
        doubt = (
            f"it does not have the {named} that its metadata names" if named and classes not in (0, named) else ""
        )
        if doubt := doubt or _doubt(layout, (answer(layout, picture) for picture in pictures), size):
            against.append(f"taken for {layout.name}{of}, {doubt}")
        else:
            kept.append(layout)
    usual = [layout for layout in kept if layout.classes(shapes) in _USUAL_CLASSES]
    return (usual if len(kept) > 1 and len(usual) == 1 else kept), against


def _doubt(layout: Layout, answers: Iterable[Sequence[Raw]], size: tuple[int, int]) -> str:
    for outputs in answers:
        if doubt := layout.doubt(outputs) or _implausible(layout, outputs, size):
            return doubt
    return ""


def _implausible(layout: Layout, outputs: Sequence[Raw], size: tuple[int, int]) -> str:
    """What is wrong with a layout's boxes of one picture; empty where nothing is, or nothing was found."""
    boxes, _, scores = layout.decode(outputs, size=size, confidence=-1.0)
    if not len(scores) or scores.max() <= 0 or (len(scores) > 1 and np.ptp(scores) == 0):
        return ""
    full = int((scores > _STRONG).sum())
    if len(scores) > 1000 and full > max(_FEW_CELLS, _MOST_CELLS * len(scores)):
        return f"{full} of its {len(scores)} cells hold an object"
    order = np.argsort(-scores, kind="stable")[:_BEST]
    order = order[scores[order] >= _LEAST_SHARE * scores[order[0]]]
    return _wrong_boxes(boxes[order], size) or _all_alike(boxes[order][scores[order] >= _STRONG])


def _wrong_boxes(boxes: Floats, size: tuple[int, int]) -> str:
    side = np.array(size, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        centre, extent = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        inside = (centre >= -_MARGIN * side) & (centre <= (1 + _MARGIN) * side)
        sensible = (extent > 0) & (extent <= _LARGEST * side)
    wrong = int((~(inside & sensible).all(axis=1)).sum())
    if 2 * wrong > len(boxes):
        return f"{wrong} of its {len(boxes)} best boxes lie outside of the picture, or have no size that fits it"
    across, down = np.median(extent, axis=0)
    if max(across / size[0], down / size[1]) < _SMALLEST:
        return f"its best boxes are of {across:.1f} x {down:.1f} px"
    return ""


def _all_alike(boxes: Floats) -> str:
    if len(boxes) < _MANY:
        return ""
    extent = boxes[:, 2:] - boxes[:, :2]
    middle = np.median(extent, axis=0)
    apart = np.ptp(boxes[:, :2], axis=0).max() > middle.max()
    if apart and (np.ptp(extent, axis=0) <= _ALIKE * middle).all():
        return f"its {len(boxes)} best boxes are all of {middle[0]:.0f} x {middle[1]:.0f} px"
    return ""


def samples(size: tuple[int, int]) -> list[Pixels]:
    """Pictures RGB [h, w, 3] to try a model on: something like a room and things, and something like a crowd."""
    width, height = size
    pictures = []
    for seed, things in ((0, 6), (1, 25)):
        generator = np.random.default_rng(seed)
        picture = np.full((height, width, 3), 120.0)
        for side in (1, 4, 16, 64):  # texture at every scale, as pictures have it
            texture = generator.normal(0, 4 + side / 2, (-(-height // side), -(-width // side), 3))
            picture += texture.repeat(side, axis=0).repeat(side, axis=1)[:height, :width]
        for _ in range(things):
            half = (generator.uniform(0.03, 0.25, 2) * np.array(size)).astype(int) + 1
            x, y = (generator.uniform(0, 1, 2) * np.array(size)).astype(int)
            left, top = max(0, x - half[0]), max(0, y - half[1])
            there = picture[top : y + half[1], left : x + half[0]]
            rows, columns = np.ogrid[0 : len(there), 0 : there.shape[1]]
            across, down = (columns + left - x) / half[0], (rows + top - y) / half[1]
            inside = across**2 + down**2 < 1 if generator.random() < 0.5 else abs(across) + 0 * down < 1
            painted = generator.uniform(0, 255, 3) + 15 * across[:, :, None]
            there[:] = np.where(inside[:, :, None], painted, there)
        pictures.append(np.clip(picture, 0, 255).astype(np.uint8))
    return pictures
