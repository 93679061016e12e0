"""Source pixels, model pixels and tokens: there and back again, for any size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldprobe.geometry import TokenGrid, View, resize_and_crop

sides = st.integers(16, 2000)
crops = st.integers(2, 24).map(lambda n: 16 * n)


@given(width=sides, height=sides, crop=crops)
def test_the_crop_lies_within_the_resized_frame_and_about_its_centre(width: int, height: int, crop: int) -> None:
    resized, view = resize_and_crop(width, height, crop=crop)
    assert min(resized) == int(crop * 256 / 224)
    for axis in (0, 1):
        assert 0 <= view.offset[axis] <= resized[axis] - crop
        assert abs((resized[axis] - crop) / 2 - view.offset[axis]) < 1
    # Truncation costs less than a pixel of the resized frame; the shape is kept otherwise.
    assert abs(resized[0] / width - resized[1] / height) <= 1 / min(width, height)


@given(width=sides, height=sides, crop=crops, data=st.data())
def test_points_survive_the_way_there_and_back(width: int, height: int, crop: int, data: st.DataObject) -> None:
    _, view = resize_and_crop(width, height, crop=crop)
    xy = np.array([data.draw(st.floats(0, width)), data.draw(st.floats(0, height))])
    assert np.allclose(view.to_source(view.to_model(xy)), xy, atol=1e-6 * max(width, height))


@given(width=sides, height=sides, crop=crops)
def test_the_view_contains_its_corners_and_nothing_outside(width: int, height: int, crop: int) -> None:
    _, view = resize_and_crop(width, height, crop=crop)
    inside = view.to_source(np.array([[0.01, 0.01], [crop - 0.01, crop - 0.01]]))
    outside = view.to_source(np.array([[-0.01, 1.0], [1.0, -0.01], [crop + 0.01, 1.0], [1.0, crop + 0.01]]))
    assert view.contains(inside).all()
    assert not view.contains(outside).any()


@given(t=st.integers(1, 8), h=st.integers(1, 24), w=st.integers(1, 24), patch=st.integers(1, 32), data=st.data())
def test_every_point_belongs_to_the_token_that_covers_it(
    t: int, h: int, w: int, patch: int, data: st.DataObject
) -> None:
    grid = TokenGrid(t, h, w, 2, patch)
    x = data.draw(st.floats(0, w * patch, exclude_max=True))
    y = data.draw(st.floats(0, h * patch, exclude_max=True))
    cell = grid.cell_of((x, y))
    assert cell is not None
    row, column = cell
    assert row * patch <= y < (row + 1) * patch
    assert column * patch <= x < (column + 1) * patch


@pytest.mark.parametrize("point", [(-0.5, 3.0), (3.0, -0.5), (128.0, 3.0), (3.0, 128.0)])
def test_points_outside_the_input_belong_to_no_token(point: tuple[float, float]) -> None:
    assert TokenGrid(8, 8, 8, 2, 16).cell_of(point) is None


def test_token_order_is_time_then_row_then_column() -> None:
    grid = TokenGrid(3, 4, 5, 2, 16)
    order = [grid.index(t, r, c) for t in range(3) for r in range(4) for c in range(5)]
    assert order == list(range(grid.tokens))


def test_frames_past_the_last_whole_tubelet_belong_to_none() -> None:
    grid = TokenGrid(3, 4, 5, 2, 16)
    assert [grid.tubelet_of(i) for i in range(8)] == [0, 0, 1, 1, 2, 2, None, None]
    assert grid.tubelet_of(-1) is None


def test_views_and_grids_without_extent_are_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        View(scale=(0.0, 1.0), offset=(0.0, 0.0), size=(128, 128))
    with pytest.raises(ValueError, match="positive"):
        TokenGrid(8, 0, 8, 2, 16)
