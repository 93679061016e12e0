"""YOLO text, CVAT's XML and Label Studio's JSON of a film with a disc."""

import numpy as np
import polars as pl
import pytest
from tests.builders.label_files import Source, at, said, written

from worldprobe.errors import LabelError
from worldprobe.labels.detectors.yolo import YoloDetector
from worldprobe.labels.files.cvat import Cvat
from worldprobe.labels.files.label_studio import LabelStudio
from worldprobe.labels.files.yolo_text import YoloText
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.label.label import label


def check(labels, frames=range(60)):
    """The disc at its places."""
    table = labels.table.sort("frame")
    assert table["frame"].to_list() == list(frames)
    expected = np.array([at(n) for n in frames])
    centres = expected[:, :2] + expected[:, 2:] / 2
    assert np.allclose(table.select("x", "y").to_numpy(), centres, atol=0.02)
    assert np.allclose(table.select("w", "h").to_numpy(), 40, atol=0.02)


# --- YOLO text


def yolo(folder, last="", frames=range(60), pattern="film_{:03d}.txt", line=None, options=""):
    place = folder / "labels"
    place.mkdir(exist_ok=True)
    for n in frames:
        left, top, width, height = at(n)
        centre = f"{(left + 20) / 320:.6f} {(top + 20) / 240:.6f} {width / 320} {height / 240:.6f}"
        text = f"1 {centre} {last(n) if callable(last) else last}\n" if line is None else line(n)
        (place / pattern.format(n)).write_text(text)
    return YoloText(str(place) + options)


@pytest.mark.parametrize(
    ("last", "score", "track"),
    [
        ("", 1.0, -1), ("0.75", 0.75, -1), ("0.75 7", 0.75, 7), (lambda n: 7 + n // 30, 1.0, None), ("1", 1.0, -1),
        (lambda n: "0.75 7" if n % 2 else "0.75", 0.75, None),
    ],
)  # fmt: skip
def test_yolo_text_with_and_without_confidence_and_track(last, score, track, tmp_path):
    labels = yolo(tmp_path, last).label(Source())
    check(labels)
    assert set(labels.table["confidence"]) == {score}
    assert set(labels.table["class"]) == {"class 1"}
    if track is not None:
        assert set(labels.table["object"]) == {track}
    if last == "1":
        assert "its sixth field was taken for a confidence" in said(labels)


def test_frames_on_which_a_tracker_gave_no_ids_stay_without_and_it_is_said(tmp_path):
    labels = yolo(tmp_path, lambda n: "0.5 7" if n < 40 else "0.5").label(Source())
    assert labels.table.sort("frame")["object"].to_list() == [7] * 40 + [-1] * 20
    assert "20 boxes have no track where others have one: kept without" in said(labels)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("data.yaml", "path: x\nnames:\n  0: cube\n  1: 'ball'  # round\nnc: 2\n"),
        ("data.yaml", "nc: 2\nnames: ['cube', \"ball\"]\n"),
        ("data.yaml", "names: [cube,\n  ball]\nnc: 2\n"),
        ("data.yaml", "names:\n- cube\n- ball\nval: x\n"),
        ("data.yaml", "names: {0: cube, 1: ball}\n"),
        ("obj.names", "cube\nball\n"),
        ("labels/classes.txt", "cube\nball\n"),
    ],
)
def test_yolos_class_names(file, text, tmp_path):
    labeller = yolo(tmp_path)
    (tmp_path / file).write_text(text)
    labels = labeller.label(Source())
    assert set(labels.table["class"]) == {"ball"}
    assert file.split("/")[-1] in said(labels)


def test_yolos_polygons_are_boxes(tmp_path):
    def corners(n):
        left, top, width, height = at(n)
        points = [left, top, left + width, top, left + 9, top + height]
        return "0 " + " ".join(str(one / (320, 240)[place % 2]) for place, one in enumerate(points))

    labels = yolo(tmp_path, line=lambda n: corners(n) + f" {at(n)[0] / 320} {at(n)[1] / 240}").label(Source())
    check(labels)
    assert "60 boxes are polygons: the box around taken" in said(labels)


def test_yolo_counts_from_1_and_steps_are_asked_for(tmp_path):
    labeller = yolo(tmp_path, pattern="film_{}.txt")
    for n in range(59, -1, -1):
        (labeller.path / f"film_{n}.txt").rename(labeller.path / f"film_{n + 1}.txt")
    check(labeller.label(Source()))
    few = yolo(tmp_path / "labels", frames=range(12))
    with pytest.raises(LabelError, match=r"\?step=5"):
        few.label(Source())
    spread = yolo(tmp_path / "labels", frames=range(12), options="?step=5").label(Source())
    assert sorted(spread.table["frame"]) == list(range(0, 60, 5))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("1 160 120 40 40", "160 is no share of the picture"), ("1 0.5 0.5 0.1", "4 fields"),
        ("ball 0.5 0.5 0.1 0.1", "class"), ("-1 0.5 0.5 0.1 0.1", "class -1"),
        ("1 0.5 nan 0.1 0.1", "not a number"), ("1.5 0.5 0.5 0.1 0.1", "class '1.5'"),
    ],
)  # fmt: skip
def test_a_malformed_yolo_line_is_named(line, what, tmp_path):
    labeller = yolo(tmp_path)
    (labeller.path / "film_007.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(LabelError, match=f"film_007.txt line 2: .*{what}"):
        labeller.label(Source())


def test_folders_that_are_no_labels(tmp_path):
    with pytest.raises(LabelError, match="needs a folder"):
        YoloText(None)
    with pytest.raises(LabelError, match="no folder of labels"):
        YoloText(str(tmp_path / "absent"))
    (tmp_path / "classes.txt").write_text("ball\n")
    with pytest.raises(LabelError, match=r"no \.txt files of labels"):
        YoloText(str(tmp_path)).label(Source())
    (tmp_path / "film.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(LabelError, match=r"film\.txt has no frame number"):
        YoloText(str(tmp_path)).label(Source())


def test_results_without_upright_boxes_are_refused_not_a_traceback():
    detector = YoloDetector.__new__(YoloDetector)
    detector.name, detector.confidence, detector._device = "yolo:obb.pt", 0.3, "cpu"

    class Model:
        def predict(self, pictures, **options):
            return [type("Result", (), {"boxes": None})() for _ in pictures]

    class Film(Source):
        def frames(self, indices=None):
            yield from ((n, np.zeros((240, 320, 3), np.uint8)) for n in indices)

    detector._model = Model()
    with pytest.raises(LabelError, match=r"yolo:obb\.pt gives no upright boxes"):
        list(detector._detect(Film(), [0, 1]))


# --- CVAT


def meta(width=320, *, tasks=1, source="film.mp4"):
    size = "<original_size><width>{}</width><height>240</height></original_size>"
    one = "<task><id>{}</id><source>{}</source>" + size + "</task>"
    return (
        "<meta>"
        + "".join(one.format(n, source if n == 0 else "other.mp4", width) for n in range(tasks))
        + "</meta>"
    )


def track(shape, identity=3, label="ball", task=0):
    return f'<track id="{identity}" label="{label}" task_id="{task}">{"".join(map(shape, range(60)))}</track>'


def cvat_box(n, outside=0, occluded=0):
    left, top, width, height = at(n)
    return (
        f'<box frame="{n}" outside="{outside}" occluded="{occluded}" keyframe="{int(n % 10 == 0)}" xtl="{left}" '
        f'ytl="{top}" xbr="{left + width}" ybr="{top + height}" z_order="0"><attribute name="a">b</attribute></box>'
    )


def cvat(folder, inner, head=""):
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{head}{inner}</annotations>'
    return Cvat(str(written(folder, text, "annotations.xml")))


def test_cvats_tracks(tmp_path):
    labels = cvat(tmp_path, track(cvat_box) + track(lambda n: cvat_box(n, n >= 20, 1), 4, "cube"), meta()).label(
        Source()
    )
    ball, cube = (labels.table.filter(pl.col("object") == number) for number in (3, 4))
    check(labels.__class__(ball))
    assert set(ball["class"]) == {"ball"}
    assert cube["frame"].to_list() == list(range(20))
    assert "40 boxes that it marks as outside: left out" in said(labels)
    assert "20 boxes marked as occluded" in said(labels)


def test_cvats_other_shapes_are_boxes(tmp_path):
    def polygon(n):
        left, top, width, height = at(n)
        points = f"{left},{top};{left + width},{top + 9};{left + 9},{top + height}"
        return f'<polygon frame="{n}" outside="0" points="{points}"/>'

    def ellipse(n):
        return f'<ellipse frame="{n}" cx="{at(n)[0] + 20}" cy="{at(n)[1] + 20}" rx="20" ry="20" rotation="30"/>'

    def mask(n):
        return f'<mask frame="{n}" rle="0, 1" left="{at(n)[0]}" top="{at(n)[1]}" width="40" height="40"/>'

    for shape in (polygon, ellipse, mask):
        labels = cvat(tmp_path, track(shape), meta()).label(Source())
        check(labels)
        assert "60 boxes turned, or of another shape: the box around taken" in said(labels)
    turned = cvat(tmp_path, track(lambda n: cvat_box(n).replace("z_order", 'rotation="90" z_order'))).label(
        Source()
    )
    check(turned)


@pytest.mark.parametrize("first", [0, 1])
def test_cvats_images(first, tmp_path):
    def image(n):
        box = cvat_box(n).replace('name="a">b', 'name="track_id">9').replace("<box", '<box label="ball"')
        return f'<image id="{n + 5}" name="x/frame_{n + first:06d}.PNG" width="320" height="240">{box}</image>'

    labels = cvat(tmp_path, "".join(map(image, range(60)))).label(Source())
    check(labels)
    assert set(labels.table["object"]) == {9}
    with pytest.raises(LabelError, match=r"\?step=5"):
        cvat(tmp_path, "".join(map(image, range(12)))).label(Source())


def test_of_cvats_tasks_the_films_own_is_taken(tmp_path):
    inner = track(cvat_box) + track(lambda n: cvat_box(n).replace("xtl", "xbl"), task=1)
    check(cvat(tmp_path, inner, meta(tasks=2)).label(Source()))
    with pytest.raises(LabelError, match=r"several tasks .*none of them named as third"):
        cvat(tmp_path, inner, meta(tasks=2)).label(Source("third.mp4"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotations>&b;</annotations>", "DOCTYPE"),
        ("<annotations>", "not CVAT's XML"),
        ("<a/>", "begins with <a>"),
        (f"<annotations>{meta(640)}{track(cvat_box)}</annotations>", "640 x 240 px, .* 320 x 240"),
        (f"<annotations>{track(cvat_box).replace('xtl', 'x')}</annotations>", "track 3, frame 0: xtl None"),
        (f"<annotations>{track(cvat_box).replace('box', 'bux')}</annotations>", "track 3 has a <bux>"),
        (f"<annotations>{track(lambda n: cvat_box(n + 5))}</annotations>", "speaks of frame 64"),
    ],
)
def test_what_is_not_cvats_is_refused(text, what, tmp_path):
    with pytest.raises(LabelError, match=what):
        Cvat(str(written(tmp_path, text))).label(Source())


# --- Label Studio


def key(frame, *, enabled=True, **more):
    left, top, width, height = at(frame - 1)
    return {
        "frame": frame, "x": left / 3.2, "y": top / 2.4, "width": width / 3.2, "height": height / 2.4,
        "rotation": 0, "enabled": enabled, "time": frame / 25,
    } | more  # fmt: skip


def region(*keys, count=60, duration=2.4, name="abc"):
    value = {"framesCount": count, "duration": duration, "sequence": list(keys), "labels": ["ball"]}
    return {"id": name, "type": "videorectangle", "from_name": "box", "value": value}


def task(*regions, video="/data/upload/1/0123abcd-film.mp4"):
    return {"id": 1, "data": {"video": video}, "annotations": [{"result": list(regions), "was_cancelled": False}]}


def studio(folder, content, **source):
    return LabelStudio(str(written(folder, content))).label(Source(**source))


def test_label_studio_draws_between_keyframes(tmp_path):
    labels = studio(tmp_path, [task(region(key(1), key(31), key(60, enabled=False)))])
    check(labels)
    assert set(labels.table["object"]) == {0}
    assert set(labels.table["class"]) == {"ball"}
    assert "57 boxes between keyframes: interpolated" in said(labels)
    minimal = [{"video": "film.mp4", "box": [region(key(60, enabled=False), key(1))["value"]]}]
    check(studio(tmp_path, minimal))


def test_label_studio_holds_and_ends_as_it_is_told(tmp_path):
    apart = studio(tmp_path, [task(region(key(1, enabled=False), key(11), key(16, enabled=False)))])
    assert apart.table["frame"].to_list() == [0, *range(10, 16)]
    held = studio(tmp_path, [task(region(key(51)))])
    assert held.table["frame"].to_list() == list(range(50, 60))
    assert held.table["x"].n_unique() == 1
    assert "9 boxes after a last keyframe: kept where they were" in said(held)


def test_label_studios_own_rate_is_not_the_films(tmp_path):
    sequence = [key(1), key(72, enabled=False) | {k: v for k, v in key(60).items() if k in ("x", "y")}]
    labels = studio(tmp_path, [task(region(*sequence, count=72))])  # 30 a second of a film of 25
    assert sorted(labels.table["frame"]) == list(range(60))
    expected = np.array([at(n)[0] + 20 for n in range(60)])
    assert np.abs(labels.table.sort("frame")["x"].to_numpy() - expected).max() < 1.6
    assert "it counts 72 frames, the film has 60: frames were found by time" in said(labels)
    with pytest.raises(LabelError, match="no duration says"):
        studio(tmp_path, [task(region(*sequence, count=72, duration=0))])
    with pytest.raises(LabelError, match=r"speaks of 9 s.* another video"):
        studio(tmp_path, [task(region(*sequence, count=72, duration=9))])


def test_of_label_studios_tasks_the_films_own_is_taken(tmp_path):
    own = task(region(key(1), key(60, enabled=False)))
    other = task(region(key(1, x=None)), video="/data/other.mp4")
    check(studio(tmp_path, [other, own]))
    with pytest.raises(LabelError, match="several tasks"):
        studio(tmp_path, [other, own], path="third.mp4")
    twice = own | {"annotations": [{"was_cancelled": True, "result": []}, *own["annotations"] * 2]}
    assert "2 annotations in it: the first taken" in said(studio(tmp_path, [twice]))


def test_label_studios_turned_rectangles_are_boxes_around(tmp_path):
    left, top, width, height = at(0)
    turned = key(1, rotation=90, x=(left + width) / 3.2, y=top / 2.4)  # about its left upper corner
    labels = studio(tmp_path, [task(region(turned | {"enabled": False}))])
    assert labels.table.select("x", "y", "w", "h").row(0) == pytest.approx((left + 20, top + 20, height, width))
    assert "1 box turned: the box around taken" in said(labels)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{", "not Label Studio's JSON"),
        ([], "no list of tasks"),
        ([task() | {"annotations": []}], "has no annotations"),
        ([task(region(key(1), key(5, width="x")))], "region abc: width 'x'"),
        ([task(region(key(0)))], "region abc: its frames are 0 to 0"),
        ([task(region(key(1), count=10**9))], "framesCount 1e.09 is not that of"),
        ([task(region(key(1)) | {"value": {"sequence": 3}})], "its sequence is 3"),
    ],
)
def test_what_is_not_label_studios_is_refused(content, what, tmp_path):
    with pytest.raises(LabelError, match=what):
        studio(tmp_path, content)


def test_files_of_one_film_are_not_taken_for_several(tmp_path):
    class Own:
        name, one_video_only = "own", True

        def label(self, video):
            raise AssertionError("asked of two videos")

    with pytest.raises(LabelError, match="own labels one video, 2 were given"):
        label([tmp_path / "a.mp4", tmp_path / "b.mp4"], labeller=Own())


@pytest.mark.parametrize("name", ["mot", "coco", "cvat", "labelstudio", "yolotxt"])
def test_every_reader_of_files_is_known_by_its_name(name, tmp_path):
    made = load_labeller(f"{name}:{tmp_path if name == 'yolotxt' else written(tmp_path, '')}?step=2")
    assert made.name == name
    assert made.one_video_only
