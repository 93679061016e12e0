"""A store whose embeddings are written by the test, so that what a probe should find is known."""

from functools import cache
from pathlib import Path

import numpy as np

from worldprobe.geometry import resize_and_crop
from worldprobe.records import ClipSpec, TokenGrid, VideoRef
from worldprobe.store import Series
from worldprobe.video.read import open_video


def ref_of(path: Path) -> VideoRef:
    """What a film is; of one that stays as it is, looked into once."""
    return _ref_of(path, path.stat().st_mtime_ns)


@cache
def _ref_of(path: Path, _: int) -> VideoRef:
    with open_video(path) as video:
        return video.ref


def put(store, scenes, features, *, encoder="known"):
    """Store one clip a scene whose pooled tokens are ``features(video id, tubelet)``."""
    for path in scenes:
        ref = ref_of(path)
        values = np.stack([features(ref.id, tubelet) for tubelet in range(8)]).astype(np.float16)
        series = Series(
            video=ref, specs=(ClipSpec(ref, 0, 16, 1),), encoder=encoder, revision="0" * 64, status="floor",
            twin=None, input="native", pool="space", grid=TokenGrid(8, 8, 8, 2, 16),
            view=resize_and_crop(ref.width, ref.height, crop=128)[1],
        )  # fmt: skip
        store.create(series, [0], width=values.shape[-1])
        store.write(series, 0, 0, values)
