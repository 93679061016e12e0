"""Turn decoded pictures into RGB as a player shows them, and say what was done.

In order: interlaced pictures become the first of their fields; pixels that are not square are scaled to square ones
(one side grows, none shrinks, as HTML has it); YUV becomes RGB by the matrix and the range that the film is tagged
with; what is HDR or of wide colours becomes SDR BT.709; what is transparent is laid on black; the picture is
turned.

Films that do not name their matrix are taken as players take them: BT.709 from 1280 px of width or above 576 lines,
BT.601 below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from worldprobe.video.colour import Light, light_of
from worldprobe.video.decode import MAX_SIDE, Opened, has_alpha_beside
from worldprobe.video.fields import NOTE, Order, first_field, order_of

Pixels = NDArray[np.uint8]

MOST_OBLONG = 5  # times as wide as high; what claims more is a broken header (the widest in use is 2.91)
EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
WORTH_THREADS = 2**19  # px
TRANSPARENT = "is transparent in parts: laid on black"

_EXPANDED = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)  # from limited range

# libavutil's AVColorSpace
AVCOL_SPC_BT709 = 1
_UNSAID = (2, 3)
_CONVERTED = (0, 1, 4, 5, 6, 7, 9)
_OTHERS = {8: "YCgCo", 10: "BT.2020 with constant luminance", 11: "SMPTE 2085", 12: "derived from its primaries",
           13: "derived from its primaries", 14: "ICtCp", 15: "IPT-C2", 16: "YCgCo-R", 17: "YCgCo-R"}  # fmt: skip


class Orientation(NamedTuple):
    """How stored pixels become displayed ones: transpose, then flip."""

    transposed: bool
    flip_rows: bool
    flip_columns: bool

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Displayed width and height in px."""
        return (height, width) if self.transposed else (width, height)

    def apply(self, rgb: Pixels) -> Pixels:
        """Stored pixels [h, w, 3] to displayed ones, contiguous."""
        if self.transposed:
            rgb = rgb.transpose(1, 0, 2)
        return np.ascontiguousarray(rgb[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1])


@dataclass(frozen=True, slots=True)
class DisplayFormat:
    """How a film's pictures become what is displayed.

    Attributes:
        stored: width and height of a decoded picture, px.
        square: the same with square pixels, before it is turned.
        orientation: how it is turned.
        fields: which field is first in pictures that do not say so themselves; None where none are interlaced.
        light: what its colours are, where they are no SDR.
        notes: what a user must know of it, as ``VideoRef.notes`` has it.
        reading: as ``VideoRef.reading`` has it.
        coded: the aspect of its pixels as its codec has it, which a stream may change midway.
    """

    stored: tuple[int, int]
    square: tuple[int, int]
    orientation: Orientation
    fields: Order | None
    light: Light | None
    notes: tuple[str, ...]
    reading: str = ""
    coded: Fraction = Fraction(1)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as displayed, px."""
        return self.orientation.size(*self.square)


def look_of(frames: list[VideoFrame], opened: Opened) -> DisplayFormat:
    """How a film looks, by its header and its first pictures."""
    first = frames[0]
    stored, orientation, light = (first.width, first.height), orientation_of(first), light_of(first)
    aspect = opened.stream.sample_aspect_ratio or opened.decoder.sample_aspect_ratio
    square = _square(*stored, aspect)
    notes = list(_notes(first, opened, aspect, square != stored))
    if square != stored:
        width, height = orientation.size(*square)
        assert aspect
        notes.insert(0, f"is shown at {width} x {height} px: its pixels are {_ratio(aspect)}, not square")
    if light:
        notes.append(light.note)
    order, order_notes = order_of(frames, opened)
    notes += order_notes
    pictures = Pictures(DisplayFormat(stored, square, orientation, order, light, tuple(notes)))
    for frame in frames:
        if _has_alpha(frame.format.name) and pictures.fits(frame) and TRANSPARENT not in pictures.met:
            pictures.of(frame)
    return replace(
        pictures.look,
        notes=tuple(dict.fromkeys([*notes, *pictures.met])),
        reading=", ".join(_reading(pictures.look, frames)),
        coded=coded_aspect(opened),
    )


def _reading(look: DisplayFormat, frames: Sequence[VideoFrame]) -> Iterator[str]:
    """What of it leads to other RGB than libav's plain conversion, which is all that version 0.1 did."""
    first, light = frames[0], look.light
    name, matrix = first.format.name, _matrix(first, look)
    if look.square != look.stored:
        yield f"square pixels {look.square[0]}x{look.square[1]}"
    if look.fields or any(frame.interlaced_frame for frame in frames):
        yield "fields parted"
    if light:
        yield f"{light.transfer} {light.primaries}" + ("" if light.transfer == "SDR" else f" {light.peak:g} cd/m2")
    if _has_alpha(name):
        yield "laid on black"
    if matrix is not None:
        yield f"matrix {matrix.name}"
    if _deep_grey(name) or (_deep(name) and not light):
        yield "exact deep colour"
    if name == "gray" and int(first.color_range) == ColorRange.MPEG:
        yield "grey of limited range"


def _notes(frame: VideoFrame, opened: Opened, aspect: Fraction | None, scaled: bool) -> Iterator[str]:
    if aspect and aspect != 1 and not scaled and _nonsense(aspect):
        yield f"says that its pixels are {_ratio(aspect)}, which no film's are: taken as square"
    if bits := _deep_grey(frame.format.name):
        yield f"holds grey of {bits} bits, as depth does: its whole range is read as grey of 8 bits"
    matrix = int(frame.colorspace)
    if not frame.format.is_rgb and matrix in _OTHERS:
        yield f"has a colour matrix that cannot be read ({_OTHERS[matrix]}): its colours are not right"
    if has_alpha_beside(opened.stream) and not _has_alpha(frame.format.name):
        yield "has transparency that the installed libav cannot read: hidden colours are shown"


def _square(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """The size with square pixels."""
    if not aspect or _nonsense(aspect):
        return width, height
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return size if max(size) <= MAX_SIDE else (width, height)


def coded_aspect(opened: Opened) -> Fraction:
    """The aspect of pixels as the codec has it now: of the last picture that was put in."""
    return Fraction(opened.decoder.sample_aspect_ratio or 1)


def _nonsense(aspect: Fraction) -> bool:
    return not Fraction(1, MOST_OBLONG) <= aspect <= MOST_OBLONG


def _ratio(aspect: Fraction) -> str:
    return f"{aspect.numerator}:{aspect.denominator}"


def orientation_of(frame: VideoFrame) -> Orientation:
    """How a frame's display matrix turns it, to the nearest quarter turn, mirror images included.

    The matrix holds 9 int32 ``[a b u; c d v; x y w]`` and maps stored (x, y), y down, to displayed
    ``(a x + c y, b x + d y)``: libavutil/display.h.
    """
    sides: Iterable[Any] = frame.side_data
    for side in sides:
        if side.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(bytes(side), np.int32)[:5].tolist()
            if abs(b) + abs(c) > abs(a) + abs(d):
                return Orientation(transposed=True, flip_rows=b < 0, flip_columns=c < 0)
            return Orientation(transposed=False, flip_rows=d < 0, flip_columns=a < 0)
    return Orientation(transposed=False, flip_rows=False, flip_columns=False)


class Pictures:
    """Converts a film's pictures to RGB as displayed; keeps libav's conversion tables from one to the next.

    Attributes:
        look: how the film looks.
        met: notes on what single pictures were found to be.
    """

    def __init__(self, look: DisplayFormat) -> None:
        self._reformatter = VideoReformatter()
        self.look = look
        self.met: list[str] = []

    def fits(self, frame: VideoFrame) -> bool:
        """Whether the picture has the film's size: a stream may change it midway."""
        return (frame.width, frame.height) == self.look.stored

    def of(self, frame: VideoFrame) -> Pixels:
        """uint8 RGB [h, w, 3], contiguous."""
        look = self.look
        if frame.interlaced_frame or look.fields:
            frame = first_field(frame, look.fields)
            if not look.fields:
                self._meet(NOTE)
        name = frame.format.name
        if look.light is not None:
            planes = self._reformat(frame, "gbrap12le" if _has_alpha(name) else "gbrp12le")
            green, blue, red, *alpha = (_plane(planes, i) for i in range(len(planes.planes)))
            rgb = look.light.to_srgb(np.stack([red, green, blue]))
            if alpha:
                rgb = self._on_black(rgb, (alpha[0] >> 4).astype(np.uint8))
        elif _has_alpha(name):
            rgba = np.asarray(self._reformat(frame, "rgba").to_ndarray(), np.uint8)
            rgb = self._on_black(rgba[..., :3], rgba[..., 3])
        elif bits := _deep_grey(name):
            most, plane = 2**bits - 1, _plane(self._reformat(frame, f"gray{bits}le"), 0)
            grey = (plane.astype(np.uint32) * 255 + most // 2) // most
            rgb = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
        else:
            rgb = np.asarray(self._reformat(frame, "rgb24").to_ndarray(), np.uint8)
            if name == "gray" and int(frame.color_range) == ColorRange.MPEG:  # which libav passes over
                rgb = _EXPANDED[rgb]
        return look.orientation.apply(rgb)

    def _reformat(self, frame: VideoFrame, form: str) -> VideoFrame:
        """To this format, with square pixels."""
        look, matrix = self.look, _matrix(frame, self.look)
        interpolation = Interpolation.BILINEAR
        if look.square != look.stored:
            interpolation = Interpolation.BICUBIC | EXACT
        elif form != "rgb24" or _deep(frame.format.name):
            interpolation |= EXACT
        return self._reformatter.reformat(
            frame, *look.square, format=form, src_colorspace=matrix, dst_colorspace=matrix,
            interpolation=interpolation, threads=threads_for(frame),
        )  # fmt: skip

    def _on_black(self, rgb: Pixels, alpha: Pixels) -> Pixels:
        if alpha.min() < 255:
            self._meet(TRANSPARENT)
        return on_black(rgb, alpha)

    def _meet(self, note: str) -> None:
        if note not in self.met:
            self.met.append(note)


def threads_for(frame: VideoFrame) -> int:
    """Threads for libav to convert a picture with, 0 for as many as there are cores: those of a small one take
    longer to begin than its pixels, and to come by a core where others use them."""
    return 1 if frame.width * frame.height < WORTH_THREADS else 0


def on_black(rgb: Pixels, alpha: Pixels) -> Pixels:
    """What is seen of colours [h, w, 3] with this opacity [h, w] on black; colours are not premultiplied."""
    product = rgb.astype(np.uint16) * alpha[..., None] + 127
    return (product // 255).astype(np.uint8)


def _matrix(frame: VideoFrame, look: DisplayFormat) -> Colorspace | None:
    """The matrix to YUV where the picture's own tag is not to be followed; None follows it."""
    tag = int(frame.colorspace)
    if tag in _CONVERTED or frame.format.is_rgb or len(frame.format.components) < 3:
        return None
    if look.light is not None and look.light.transfer != "SDR":
        return Colorspace.BT2020
    return Colorspace.ITU709 if tag not in _UNSAID or taken_as_bt709(frame.width, frame.height) else None


def taken_as_bt709(width: int, height: int) -> bool:
    """Whether players take an untagged film of this size to be of BT.709, as high definition is, not of BT.601."""
    return width >= 1280 or height > 576


@cache
def _has_alpha(name: str) -> bool:
    form = VideoFormat(name)
    return form.has_palette or any(component.is_alpha for component in form.components)


@cache
def _deep_grey(name: str) -> int:
    """Bits of a format of grey of more than 8; 0 of any other."""
    components = VideoFormat(name).components
    return components[0].bits if len(components) == 1 and 8 < components[0].bits <= 16 else 0


@cache
def _deep(name: str) -> bool:
    """Whether a format has more than 8 bits a component: those libav rounds badly by default."""
    return any(component.bits > 8 for component in VideoFormat(name).components)


def _plane(frame: VideoFrame, index: int) -> NDArray[np.uint16]:
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint16).reshape(plane.height, plane.line_size // 2)
    return rows[:, : plane.width]
