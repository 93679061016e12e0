"""One picture of a sequence: its size from its header, its pixels as displayed, or why it cannot be had."""

from __future__ import annotations

import io
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.video.decode import MAX_SIDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})

# Pillow knows dozens of formats, of which many are attacks waiting to happen.
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
_TURNS = 0x0112  # EXIF: how the camera was held
_TRANSPOSED = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is read when it is needed.

    Attributes:
        name: what it is called in messages.
        content: its file, its bytes, or what reads them (raising OSError, or ValueError with the reason).
    """

    name: str
    content: Path | bytes | Callable[[], bytes]

    def read(self) -> bytes:
        """Its encoded bytes.

        Raises:
            VideoError: it cannot be read.
        """
        try:
            if isinstance(self.content, bytes):
                return self.content
            if not isinstance(self.content, Path):
                return self.content()
            # Reading a pipe or a device would wait for ever.
            if not stat.S_ISREG(self.content.stat().st_mode):
                raise VideoError(f"{self.name} is no regular file")
            return self.content.read_bytes()
        except OSError as error:
            linked = isinstance(self.content, Path) and self.content.is_symlink()
            reason = "is a link to a file that is not there" if linked else f"cannot be opened: {error.strerror}"
            raise VideoError(f"{self.name} {reason}") from error
        except ValueError as error:
            raise VideoError(f"{self.name} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class Head:
    """What a picture's header says: px as displayed, and what a user must know of how its pixels are read."""

    width: int
    height: int
    notes: tuple[str, ...]


def head(name: str, encoded: bytes) -> Head:
    """The header of an encoded picture; no pixels are decoded.

    Raises:
        VideoError: no picture, several, of a format that is not read, or with sides beyond 16384 px.
    """
    with _opened(name, encoded) as image, _refusing(name):
        # A camera's JPEG may hold a small copy of itself.
        if image.format not in ("JPEG", "MPO") and getattr(image, "is_animated", False):
            raise VideoError(f"{name} holds several pictures, and is no frame of a film but one of its own")
        width, height = image.size
        # Pillow turns a TIFF's size itself, and decodes a whole PNG to look for EXIF behind its pixels.
        tagged = image.format != "TIFF" and (image.format != "PNG" or b"eXIf" in encoded or "exif" in image.info)
        turned = tagged and image.getexif().get(_TURNS, 1) in _TRANSPOSED
        return Head(*((height, width) if turned else (width, height)), tuple(_notes(image)))


def pixels(name: str, encoded: bytes) -> NDArray[np.uint8]:
    """A picture as displayed, uint8 RGB [h, w, 3]: turned as its EXIF says, what is transparent on black.

    Raises:
        VideoError: it is damaged, or of a kind that has no range of brightness (32 bit, floating point).
    """
    _check(name, encoded)
    with _opened(name, encoded) as image, _refusing(name):
        return np.array(_rgb(_upright(image)))  # which can be written to, as those of films


def _upright(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    image.load()
    return ImageOps.exif_transpose(image)


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.uint32)
        return np.repeat(((grey * 255 + 32767) // 65535).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ValueError("32 bit or floating point grey, which has no white: save it with 8 or 16 bit")
    if image.has_transparency_data:
        layers = np.asarray(image.convert("RGBA")).astype(np.uint16)
        return ((layers[..., :3] * layers[..., 3:] + 127) // 255).astype(np.uint8)
    return np.asarray(image.convert("RGB"))


def _notes(image: Image.Image) -> list[str]:
    found = []
    if image.mode.startswith("I;16"):
        found.append("has pictures of 16 bit grey: shown with 8, 65535 as white.")
    elif image.mode == "CMYK":
        found.append("has pictures in CMYK: turned to RGB without a colour profile.")
    elif image.has_transparency_data:
        found.append("has pictures with transparency: shown on black.")
    return found


class _opened:
    """Pillow's picture of some bytes, with one error for whatever is wrong with them."""

    def __init__(self, name: str, encoded: bytes) -> None:
        self._name = name
        if not encoded:
            raise VideoError(f"{name} is empty (0 bytes)")
        from PIL import Image

        with _refusing(name), warnings.catch_warnings():
            # The limit on sides is the one that counts.
            warnings.simplefilter("ignore")
            self._image: Image.Image = Image.open(io.BytesIO(encoded), formats=_FORMATS)
        if max(self._image.size) > MAX_SIDE:
            width, height = self._image.size
            raise VideoError(f"{name} declares {width} x {height} px; the limit is {MAX_SIDE} px a side")

    def __enter__(self) -> Image.Image:
        return self._image

    def __exit__(self, *_: object) -> None:
        self._image.close()


class _refusing:
    """Whatever goes wrong inside is damage: Pillow's readers have errors of every kind."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, VideoError):
            return
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if "cannot identify image file" in reason:
            reason = "it is no JPEG, PNG, BMP, TIFF or WebP"
        raise VideoError(f"{self._name} cannot be read as a picture: {reason}") from error


def _check(name: str, encoded: bytes) -> None:
    """Find damage that Pillow passes over: wrong checksums of PNG, lost blocks of JPEG.

    Raises:
        VideoError: it is damaged.
    """
    if encoded.startswith(b"\x89PNG"):
        with _opened(name, encoded) as image, _refusing(name):
            image.verify()
    elif encoded.startswith(b"\xff\xd8"):
        # Zeros, of which the end of a file consists that was half copied, are pixels like others.
        ended = encoded.rfind(b"\xff\xd9") > encoded.rfind(b"\xff\xda")
        if not ended or not _decodes(encoded):
            raise VideoError(f"{name} cannot be read as a picture: it is {'damaged' if ended else 'truncated'}")


def _decodes(jpeg: bytes) -> bool:
    """Whether libav decodes it without a complaint; also where it is of a kind that libav does not know."""
    context = av.CodecContext.create("mjpeg", "r")
    context.options = {"err_detect": "explode"}
    try:
        return bool([*context.decode(av.Packet(jpeg)), *context.decode(None)])
    except (av.PatchWelcomeError, NotImplementedError):
        return True
    except av.FFmpegError:
        return False
