"""From HDR or wide colours to what an SDR viewer would show: BT.709 primaries, encoded as sRGB.

PQ and HLG are taken to display light as in ITU-R BT.2100-2 (tables 4 and 5; HLG's system gamma for a display of
1,000 cd/m2), and SDR white is put at 203 cd/m2 (HDR reference white, ITU-R BT.2408). Up to 0.8 of white light is
kept as it is; from there to the film's peak the largest of the three colours is rolled off (extended Reinhard) and
the other two go with it, so that hues stay. What lies outside BT.709 is clipped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

Transfer = Literal["SDR", "PQ", "HLG"]

WHITE = 203.0  # cd/m2
PEAK = 1000.0  # cd/m2, of a film that does not say; HLG's nominal display
KNEE = 0.8  # of white
SDR_GAMMA = 2.4  # ITU-R BT.1886
ROWS = 64  # converted at a time: what they need stays in the processor's cache
STEPS = 4096  # code values of 12 bits

_TRANSFERS: dict[int, Transfer] = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
_D65 = (0.3127, 0.329)
_BT709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_WIDE = {
    int(ColorPrimaries.BT2020): ("BT.2020", _BT2020),
    int(ColorPrimaries.SMPTE431): ("DCI-P3", _P3),
    int(ColorPrimaries.SMPTE432): ("Display P3", _P3),
}


@dataclass(frozen=True)
class Light:
    """What a film's colours are, where they are more than SDR BT.709 can show.

    Attributes:
        transfer: how code values stand for light.
        primaries: the name of its primaries.
        peak: cd/m2 of the brightest light that it declares (HDR).
    """

    transfer: Transfer
    primaries: str
    peak: float = PEAK

    @property
    def note(self) -> str:
        if self.transfer == "SDR":
            return f"has {self.primaries} colours: converted to BT.709, what lies outside of it clipped"
        return (
            f"is HDR ({self.transfer}, {self.primaries}): tone mapped to SDR in BT.709, white at {WHITE:g} and "
            f"peak at {self.peak:g} cd/m2"
        )

    def to_srgb(self, rgb: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """Code values of 12 bits over their full range, uint16 [3, h, w], to sRGB, uint8 [h, w, 3]."""
        height, width = rgb.shape[1:]
        out = np.empty((height, width, 3), np.uint8)
        for top in range(0, height, ROWS):
            strip = rgb[:, top : top + ROWS]
            out[top : top + ROWS] = self._strip(strip.reshape(3, -1)).T.reshape(-1, width, 3)
        return out

    def _strip(self, rgb: NDArray[np.uint16]) -> NDArray[np.uint8]:
        light = self._to_light.take(rgb, mode="clip")
        if self.transfer == "HLG":  # BT.2100's OOTF: display light from scene light, by luminance
            luminance = np.array([0.2627, 0.6780, 0.0593], np.float32) @ light
            light *= PEAK / WHITE * luminance**0.2
        light = self._matrix @ light
        if self.transfer != "SDR":
            largest = light.max(axis=0)
            bright = np.flatnonzero(largest > KNEE)
            light[:, bright] *= _rolled_off(largest[bright], self.peak / WHITE) / largest[bright]
        np.clip(light, 0, 1, out=light)
        light *= 65535
        light += 0.5
        return self._to_code.take(light.astype(np.uint16))

    @cached_property
    def _to_light(self) -> NDArray[np.float32]:
        """Light of each code value: relative to white (PQ), scene light (HLG), relative to the display's (SDR)."""
        code = np.arange(STEPS) / (STEPS - 1)
        if self.transfer == "PQ":
            return (_pq(code) / WHITE).astype(np.float32)
        return (_hlg(code) if self.transfer == "HLG" else code**SDR_GAMMA).astype(np.float32)

    @cached_property
    def _to_code(self) -> NDArray[np.uint8]:
        light = np.arange(65536) / 65535
        if self.transfer == "SDR":
            code = light ** (1 / SDR_GAMMA)
        else:
            code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
        return np.rint(255 * code).astype(np.uint8)

    @cached_property
    def _matrix(self) -> NDArray[np.float32]:
        own = next(xy for name, xy in _WIDE.values() if name == self.primaries)
        return (np.linalg.inv(_to_xyz(_BT709)) @ _to_xyz(own)).astype(np.float32)


def light_of(frame: VideoFrame) -> Light | None:
    """What a picture's tags say; None where its colours are SDR's own. HDR without primaries is BT.2020."""
    transfer = _TRANSFERS.get(int(frame.color_trc), "SDR")
    primaries = _WIDE.get(int(frame.color_primaries))
    if transfer == "SDR":
        return Light("SDR", primaries[0]) if primaries else None
    name = primaries[0] if primaries else "BT.2020"
    return Light(transfer, name, _peak(frame) if transfer == "PQ" else PEAK)


def _peak(frame: VideoFrame) -> float:
    """The brightest picture's light, else the mastering display's (libavutil/mastering_display_metadata.h)."""
    found: dict[str, float] = {}
    sides: Iterable[Any] = frame.side_data
    for side in sides:
        raw = bytes(side)
        if side.type.name == "CONTENT_LIGHT_LEVEL":
            found["picture"] = struct.unpack_from("=I", raw)[0]
        elif side.type.name == "MASTERING_DISPLAY_METADATA":
            over, under, _, has_luminance = struct.unpack_from("=iiii", raw, 72)
            found["display"] = over / under if has_luminance and under > 0 else 0
    peak = found.get("picture") or found.get("display") or PEAK
    return min(max(peak, WHITE), 10000.0)


def _pq(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """The EOTF of SMPTE ST 2084, in cd/m2."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = code ** (1 / m2)
    light: NDArray[np.float64] = 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return light


def _hlg(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse OETF of HLG, scene light in 0 to 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)


def _rolled_off(light: NDArray[np.float32], peak: float) -> NDArray[np.float32]:
    """Light above the knee, relative to white, such that the peak becomes white."""
    if peak <= 1:
        return np.minimum(light, np.float32(1))
    over, most = (light - KNEE) / (1 - KNEE), (peak - KNEE) / (1 - KNEE)
    over = np.minimum(over, most)
    rolled: NDArray[np.float32] = KNEE + (1 - KNEE) * over * (1 + over / most**2) / (1 + over)
    return rolled


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    """RGB of these primaries and white D65 to CIE XYZ, [3, 3]."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    white = np.array([_D65[0] / _D65[1], 1, (1 - sum(_D65)) / _D65[1]])
    scaled: NDArray[np.float64] = columns * np.linalg.solve(columns, white)
    return scaled
