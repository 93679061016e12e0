"""Labels and embeddings meet at the right tubelet and token, and what does not meet is counted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldprobe.geometry import resize_and_crop
from worldprobe.pipeline.probe.moments import align
from worldprobe.records import ClipSpec, Labels, TokenGrid, VideoRef
from worldprobe.store import Series

RATE = 25.0


def series_of(video: VideoRef, starts: list[int], *, frames: int, stride: int, crop: int, patch: int) -> Series:
    return Series(
        video=video, specs=tuple(ClipSpec(video, start, frames, stride) for start in starts), encoder="known",
        revision="0" * 64, status="floor", twin=None, input="native" if stride else "still", pool="none",
        grid=TokenGrid(frames // 2, crop // patch, crop // patch, 2, patch),
        view=resize_and_crop(video.width, video.height, crop=crop)[1],
    )  # fmt: skip


def labels_of(video: VideoRef, frame: list[int], x: list[float], y: list[float], **columns: object) -> Labels:
    given_columns = {
        "video": video.id, "frame": frame, "pts_seconds": [f / RATE for f in frame], "object": 0, "class": "cup",
        "x": x, "y": y, "w": 8.0, "h": 8.0, "confidence": 1.0, "source": "test",
    }  # fmt: skip
    return Labels.from_columns(**{**given_columns, **columns})


@settings(max_examples=300)
@given(
    width=st.integers(40, 1200), height=st.integers(40, 1200), cells=st.integers(2, 16),
    patch=st.sampled_from([8, 14, 16]), tubelets=st.integers(1, 8), stride=st.integers(1, 5),
    start=st.integers(0, 40), data=st.data(),
)  # fmt: skip
def test_a_label_put_at_a_known_token_comes_back_at_that_token(
    width: int, height: int, cells: int, patch: int, tubelets: int, stride: int, start: int, data: st.DataObject
) -> None:
    frames = 2 * tubelets
    video = VideoRef("v", "v.mp4", width, height, start + frames * stride + 7, RATE)
    series = series_of(video, [start], frames=frames, stride=stride, crop=cells * patch, patch=patch)
    tubelet = data.draw(st.integers(0, tubelets - 1))
    row, column = data.draw(st.integers(0, cells - 1)), data.draw(st.integers(0, cells - 1))
    # Anywhere well within the token, then back into the source's own pixels.
    within = data.draw(st.floats(0.01, 0.99)), data.draw(st.floats(0.01, 0.99))
    x, y = series.view.to_source(np.array([(column + within[0]) * patch, (row + within[1]) * patch]))
    frame = start + (2 * tubelet + data.draw(st.integers(0, 1))) * stride

    moments = align([series], labels_of(video, [frame], [float(x)], [float(y)]))

    assert moments.tubelet.tolist() == [tubelet]
    assert moments.dropped == {}
    xy_model = series.view.to_model(moments.box[0, :2])
    assert series.grid.cell_of((float(xy_model[0]), float(xy_model[1]))) == (row, column)


def test_every_label_is_kept_or_counted_once() -> None:
    video = VideoRef("v", "v.mp4", 320, 240, 100, RATE)
    series = series_of(video, [0, 40], frames=8, stride=2, crop=128, patch=16)
    cases = [  # frame, x, object, and what becomes of it
        (0, 160.0, 0, "kept"),
        (1, 160.0, 0, "between sampled frames"),
        (2, 1.0, 0, "outside the crop"),
        (4, 160.0, 0, "kept"),
        (4, 100.0, 1, "not the clip's subject"),
        (30, 160.0, 0, "outside the clips"),
        (42, 160.0, 1, "kept"),
        (90, 160.0, 0, "outside the clips"),
    ]
    labels = labels_of(
        video, [c[0] for c in cases], [c[1] for c in cases], [120.0] * len(cases), object=[c[2] for c in cases]
    )
    moments = align([series], labels)
    expected = {why: sum(c[3] == why for c in cases) for why in {c[3] for c in cases} - {"kept"}}
    assert moments.dropped == expected
    assert moments.kept == 3
    assert moments.clip.tolist() == [0, 0, 1]
    assert moments.tubelet.tolist() == [0, 1, 0]


def test_both_frames_of_a_tubelet_are_one_moment() -> None:
    video = VideoRef("v", "v.mp4", 256, 256, 16, RATE)
    series = series_of(video, [0], frames=16, stride=1, crop=128, patch=16)
    moments = align([series], labels_of(video, [6, 7], [100.0, 104.0], [90.0, 92.0]))
    assert moments.tubelet.tolist() == [3]
    assert moments.box[0, :2].tolist() == [102.0, 91.0]
    assert moments.pts_seconds.tolist() == [6.5 / RATE]
    assert moments.kept == 2


def test_a_repeated_still_is_one_moment() -> None:
    video = VideoRef("v", "v.mp4", 256, 256, 16, RATE)
    series = series_of(video, [4], frames=16, stride=0, crop=128, patch=16)
    moments = align([series], labels_of(video, [3, 4, 5], [100.0, 110.0, 120.0], [90.0] * 3))
    assert moments.box[:, 0].tolist() == [110.0]
    assert moments.dropped == {"outside the clips": 2}


def test_the_labels_of_another_video_are_not_looked_at() -> None:
    video, other = (VideoRef(name, f"{name}.mp4", 256, 256, 16, RATE) for name in ("v", "w"))
    series = [series_of(v, [0], frames=16, stride=1, crop=128, patch=16) for v in (video, other)]
    moments = align(series, labels_of(other, [0], [128.0], [128.0]))
    assert moments.video.tolist() == [1]


def test_each_shot_of_each_video_is_a_group() -> None:
    videos = [VideoRef(name, f"{name}.mp4", 256, 256, 64, RATE) for name in ("v", "w")]
    series = [
        replace(series_of(video, [0, 20, 40], frames=16, stride=1, crop=128, patch=16), shots=shots)
        for video, shots in zip(videos, [(0, 18), (0, 17, 38)], strict=True)
    ]
    table = Labels.concat([labels_of(video, [0, 20, 40], [128.0] * 3, [128.0] * 3) for video in videos])
    assert align(series, table).group.tolist() == [0, 1, 1, 2, 3, 4]


def test_objects_are_counted_where_the_model_can_see_them_and_each_can_be_a_subject() -> None:
    video = VideoRef("v", "v.mp4", 320, 240, 40, RATE)
    series = series_of(video, [0], frames=4, stride=1, crop=128, patch=16)
    cases = [  # frame, x, object, visible
        (0, 160.0, 0, 1.0), (0, 120.0, 1, 0.5), (0, 2.0, 2, 1.0), (0, 150.0, 3, 0.02),
        (2, 160.0, 0, 0.8), (3, 160.0, 0, 0.6), (3, 120.0, 1, 1.0),
    ]  # fmt: skip
    frame, x, names, visible = (list(column) for column in zip(*cases, strict=True))
    labels = labels_of(video, frame, x, [120.0] * len(cases), object=names, visible=visible)
    main, every = align([series], labels), align([series], labels, subject="all")
    # One at frame 0 lies outside the crop and one is hidden; the second tubelet averages over its two frames.
    assert main.measured["count"].tolist() == [2.0, 1.5]
    assert main.measured["visible"] == pytest.approx([1.0, 0.7])
    assert every.tubelet.tolist() == [0, 1, 0, 1]
    assert every.box[:, 0].tolist() == [160.0, 160.0, 120.0, 120.0]
    assert every.kept == 5
    assert every.dropped == {"hidden behind others": 1, "outside the crop": 1}


def test_labels_on_frames_that_fill_no_whole_tubelet_are_counted():
    video = VideoRef("v", "v.mp4", 256, 256, 16, RATE)
    series = series_of(
        video, [0], frames=5, stride=1, crop=256, patch=16
    )  # of two frames a tubelet: the fifth is left
    moments = align([series], labels_of(video, [0, 1, 2, 3, 4], [128.0] * 5, [128.0] * 5))
    assert moments.kept == 4
    assert moments.dropped == {"past the last whole tubelet": 1}
