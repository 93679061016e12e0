"""Training clips, rendered in torch, on the device that trains.

Nothing here is shared with the scenes that worldprobe evaluates on (``worldprobe.video.rendered.scenes``): outlines
are polygons at any angle, stars, petals and superellipses; surfaces are patched together from noise, rings and
plaids; cameras pan, zoom and shake; bars stand in front; sprites throw shadows, turn, grow, start late and speed
up, and may be darker than what lies behind them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Heights of the frame that a sprite, or the camera, moves from one source frame to the next.
_SLOWEST, _FASTEST, _FASTEST_PAN = 0.002, 0.03, 0.01
_STILL = 0.15  # share of sprites that do not move
VERSION = 2  # of what is rendered: a pool of another is rendered anew
STRIDES = (1, 1, 1, 1, 2)  # source frames from one sampled frame to the next
_SPRITES = 3
_SHEET = 48  # px of a sprite's own picture, which is drawn once and then moved
_TILE = 192  # px of the background, of which a frame sees a part


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders batches of clips, the same for the same seed and number, whatever was rendered before."""

    size: int
    frames: int
    seed: int
    device: str = "cpu"

    def batch(self, number: int, clips: int) -> Tensor:
        """Clips uint8 [clips, t, 3, size, size]."""
        draw = _Draw(self.seed, number, self.device)
        stride = draw.choice(clips, STRIDES)
        time = torch.arange(self.frames, device=self.device)[None] * stride[:, None]  # [b, t]
        zoom, shake = _camera(draw, clips, time)
        picture = _background(draw, clips, time, self.size, zoom, shake)
        level = picture.mean((2, 3, 4))  # [b, 3]
        for _ in range(_SPRITES):
            picture = _paint(picture, draw, time, level, zoom, shake)
        picture = _bar(picture, draw, level, shake)
        noise = draw.uniform(clips, 0.0, 5.0) * draw.chance(clips, 0.5)
        picture = picture + noise[:, None, None, None, None] * draw.normal(
            clips, 1, self.frames, self.size, self.size
        )
        return picture.round_().clamp_(0, 255).to(torch.uint8).transpose(1, 2).contiguous()


class _Draw:
    """Random numbers of one batch."""

    def __init__(self, seed: int, number: int, device: str) -> None:
        self.device = device
        # Two primes keep the batches of neighbouring seeds apart.
        self.generator = torch.Generator(device).manual_seed((seed * 1_000_003 + number * 7_919) % 2**63)

    def uniform(self, n: int, low: float, high: float, *more: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *more, generator=self.generator, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, device=self.device)

    def choice(self, n: int, values: tuple[float, ...]) -> Tensor:
        index = torch.randint(len(values), (n,), generator=self.generator, device=self.device)
        return torch.tensor(values, device=self.device)[index]

    def chance(self, n: int, share: float) -> Tensor:
        return torch.rand(n, generator=self.generator, device=self.device) < share


def _camera(draw: _Draw, n: int, time: Tensor) -> tuple[Tensor, Tensor]:
    """Zoom [n, t] and shake [n, t, 2] in frame sizes, which all that is seen follows; most cameras have neither."""
    rate = torch.where(draw.chance(n, 0.15), draw.uniform(n, -0.012, 0.012), torch.zeros(n, device=draw.device))
    middle = time.float().mean(1, keepdim=True)
    strength = torch.where(draw.chance(n, 0.1), draw.uniform(n, 0.002, 0.01), torch.zeros(n, device=draw.device))
    shake = strength[:, None, None] * draw.normal(n, time.shape[1], 2)
    return torch.exp(rate[:, None] * (time - middle)), shake


def _background(draw: _Draw, n: int, time: Tensor, size: int, zoom: Tensor, shake: Tensor) -> Tensor:
    """Smooth noise that pans, float32 [n, 3, t, h, w] in 0 to 255."""
    tile = _noise(draw, n, _TILE, octaves=6, fall=draw.uniform(n, 0.3, 1.1))
    tint = _noise(draw, n, _TILE, octaves=3, fall=draw.uniform(n, 0.6, 1.2), channels=3)
    strength = torch.exp(draw.uniform(n, math.log(2.0), math.log(30.0)))[:, None, None, None]
    level = draw.uniform(n, 30.0, 190.0)[:, None] + draw.uniform(n, -30.0, 30.0, 3)
    picture = level[..., None, None] + strength * (tile + 0.5 * tint)
    pace = torch.where(
        draw.chance(n, 0.4), torch.zeros(n, device=draw.device), draw.uniform(n, _SLOWEST, _FASTEST_PAN)
    )
    angle = draw.uniform(n, 0.0, 2 * math.pi)
    shift = torch.stack((angle.cos(), angle.sin()), -1) * (pace * 2 * size / _TILE)[:, None]  # of the tile's half
    centre = shift[:, None] * (time - time.float().mean(1, keepdim=True))[..., None]  # [n, t, 2]
    centre = centre - shake * (2 * size / _TILE)
    line = (torch.arange(size, device=draw.device) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    seen = (torch.stack((x, y), -1) * (size / _TILE)) / zoom[..., None, None, None]
    grid = seen + centre[:, :, None, None]
    # Frames are laid out below each other, so that one tile serves all of them.
    frames = F.grid_sample(picture, grid.flatten(1, 2), padding_mode="reflection", align_corners=False)
    return frames.unflatten(2, (time.shape[1], size))


def _noise(draw: _Draw, n: int, size: int, *, octaves: int, fall: Tensor, channels: int = 1) -> Tensor:
    """Noise whose octaves fall off by ``fall`` powers of two, float32 [n, channels, size, size], spread 1."""
    total = torch.zeros(n, channels, size, size, device=draw.device)
    for octave in range(octaves):
        coarse = draw.normal(n, channels, 3 * 2**octave, 3 * 2**octave)
        weight = torch.exp2(-fall * octave)[:, None, None, None]
        total += weight * F.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    return total / total.std((1, 2, 3), keepdim=True)


def _paint(picture: Tensor, draw: _Draw, time: Tensor, level: Tensor, zoom: Tensor, shake: Tensor) -> Tensor:
    """One more sprite in front of each clip [n, 3, t, h, w], some with a shadow; a third of the clips get none."""
    n, _, frames, size, _ = picture.shape
    half = draw.uniform(n, 0.07, 0.26) * torch.where(draw.chance(n, 0.5), 1.0, 0.6)  # of the frame's height
    centre, growth, turn = _path(draw, n, time)
    mask = _outline(draw, n) * draw.chance(n, 0.67)[:, None, None]
    sheet = torch.cat((_surface(draw, n, level), mask[:, None]), 1)  # [n, 4, s, s]
    line = (torch.arange(size, device=draw.device) + 0.5) / size
    y, x = torch.meshgrid(line, line, indexing="ij")
    centre = (centre - 0.5) * zoom[..., None] + 0.5 + shake
    scale = 1 / (half[:, None] * growth * zoom)[..., None, None]
    dx, dy = ((a - centre[..., i, None, None]) * scale for i, a in enumerate((x, y)))  # [n, t, h, w]
    cos, sin = turn.cos()[..., None, None], turn.sin()[..., None, None]
    # The sheet reaches 1.25 half sizes from the sprite's centre: room for its soft edge.
    grid = torch.stack((dx * cos + dy * sin, dy * cos - dx * sin), -1) / 1.25
    drawn = F.grid_sample(sheet, grid.flatten(1, 2), align_corners=False).unflatten(2, (frames, size))
    alpha = drawn[:, 3:]
    dark = torch.where(draw.chance(n, 0.2), draw.uniform(n, 0.1, 0.5), 0.0)
    shadow = alpha.roll((size // 20, size // 20), (3, 4)) * dark[:, None, None, None, None]
    return torch.lerp(picture * (1 - shadow), drawn[:, :3], alpha)


def _bar(picture: Tensor, draw: _Draw, level: Tensor, shake: Tensor) -> Tensor:
    """A bar across some clips, upright or level, which what moves passes behind."""
    n, size = len(picture), picture.shape[-1]
    line = (torch.arange(size, device=draw.device) + 0.5) / size
    at, half = draw.uniform(n, 0.1, 0.9), draw.uniform(n, 0.02, 0.1)
    upright, there = draw.chance(n, 0.5), draw.chance(n, 0.2)
    move = torch.where(upright[:, None], shake[..., 0], shake[..., 1])
    inside = (half[:, None, None] - (line - at[:, None, None] - move[..., None]).abs()) * size + 0.5  # [n, t, size]
    cover = torch.where(upright[:, None, None, None], inside[:, :, None], inside[..., None])
    cover = cover.clamp(0, 1) * there[:, None, None, None]
    grain = draw.uniform(n, 0.0, 20.0)[:, None, None, None] * _noise(
        draw, n, size, octaves=4, fall=draw.uniform(n, 0.2, 1.0)
    )
    colour = level + draw.uniform(n, -100.0, 100.0)[:, None] + draw.uniform(n, -30.0, 30.0, 3)
    surface = colour[..., None, None] + grain
    return torch.lerp(picture, surface[:, :, None], cover[:, None])


def _path(draw: _Draw, n: int, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centres [n, t, 2] in frame sizes, growth [n, t] and angle [n, t]: straight on, turned back at margins."""
    zero, inf = torch.zeros(n, device=draw.device), torch.full((n,), math.inf, device=draw.device)
    last = time[:, -1].float()
    begin = torch.where(draw.chance(n, 0.1), draw.uniform(n, 0.2, 0.7) * last, zero)
    end = torch.where(draw.chance(n, 0.15), draw.uniform(n, 0.3, 0.8) * last, inf)
    moving = torch.minimum(time.float(), end[:, None]).sub(begin[:, None]).clamp(min=0)
    quicker = torch.where(draw.chance(n, 0.2), draw.uniform(n, -0.5, 1.0), zero)
    way = moving * (1 + quicker[:, None] * moving / last[:, None])
    angle = draw.uniform(n, 0.0, 2 * math.pi)
    pace = torch.where(draw.chance(n, _STILL), zero, draw.uniform(n, _SLOWEST, _FASTEST))
    velocity = torch.stack((angle.cos(), angle.sin()), -1) * pace[:, None]
    position = draw.uniform(n, 0.05, 0.95, 2)[:, None] + velocity[:, None] * way[..., None]
    low, room = 0.03, 0.94
    centre = low + room - ((position - low).remainder(2 * room) - room).abs()
    growth = torch.exp(torch.where(draw.chance(n, 0.2), draw.uniform(n, -0.02, 0.02), zero)[:, None] * moving)
    spin = torch.where(draw.chance(n, 0.2), draw.uniform(n, -0.08, 0.08), zero)[:, None] * moving
    return centre, growth, spin


def _outline(draw: _Draw, n: int) -> Tensor:
    """Coverage float32 [n, s, s] of a star-convex outline: its radius as a function of the angle."""
    line = ((torch.arange(_SHEET, device=draw.device) + 0.5) / _SHEET * 2 - 1) * 1.25
    y, x = torch.meshgrid(line, line, indexing="ij")
    stretch = torch.exp(draw.uniform(n, -0.3, 0.3))[:, None, None]
    x, y = x[None] * stretch, y[None] / stretch
    radius = torch.hypot(x, y)
    upright = torch.where(draw.chance(n, 0.5), 0.0, 1.0) * draw.uniform(n, -math.pi, math.pi)
    angle = torch.atan2(y, x) + upright[:, None, None]
    corners = draw.choice(n, (3, 3, 4, 4, 5, 6, 8))[:, None, None]
    slice_ = 2 * math.pi / corners
    polygon = (slice_ / 2).cos() / ((angle + math.pi / 2).remainder(slice_) - slice_ / 2).cos()
    power = draw.choice(n, (1.0, 2.0, 2.0, 4.0, 10.0))[:, None, None]
    ellipse = (angle.cos().abs() ** power + angle.sin().abs() ** power) ** (-1 / power)
    depth = draw.uniform(n, 0.2, 0.5)[:, None, None]
    petals = 1 - depth + depth * (corners * angle).cos()
    arm = draw.uniform(n, 0.2, 0.45)[:, None, None]
    c, s = angle.cos().abs().clamp(min=1e-3), angle.sin().abs().clamp(min=1e-3)
    cross = torch.maximum(torch.minimum(1 / c, arm / s), torch.minimum(arm / c, 1 / s))
    kind = draw.choice(n, (0, 0, 1, 1, 2, 3))[:, None, None]
    reach = torch.where(kind == 0, polygon, torch.where(kind == 1, ellipse, torch.where(kind == 2, petals, cross)))
    return (0.5 + (reach - radius) * _SHEET / 2.5).clamp(0, 1)


def _surface(draw: _Draw, n: int, level: Tensor) -> Tensor:
    """Colours float32 [n, 3, s, s]: away from the background's, of one or two patterns patched together."""
    step = draw.uniform(n, 25.0, 140.0) * torch.where(draw.chance(n, 0.7), 1.0, -1.0)
    colour = level + step[:, None] + draw.uniform(n, -40.0, 40.0, 3)
    line = (torch.arange(_SHEET, device=draw.device) + 0.5) / _SHEET * 2 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    other = colour + draw.uniform(n, -50.0, 50.0, 3)
    lean = draw.uniform(n, 0.0, 2 * math.pi)[:, None, None]
    border = x * lean.cos() + y * lean.sin() + draw.uniform(n, -0.6, 0.6)[:, None, None]
    second = (border * _SHEET / 2).clamp(0, 1) * draw.chance(n, 0.4)[:, None, None]
    first, patch = (c[..., None, None] + _pattern(draw, n, x, y)[:, None] for c in (colour, other))
    return torch.lerp(first, patch, second[:, None]).clamp(0, 255)


def _pattern(draw: _Draw, n: int, x: Tensor, y: Tensor) -> Tensor:
    """Rings, a plaid or noise, float32 [n, s, s] about 0."""
    rate = draw.uniform(n, 3.0, 12.0)[:, None, None]
    lean = draw.uniform(n, 0.0, math.pi)[:, None, None]
    rings = (rate * torch.hypot(x, y)).sin()
    plaid = (
        (rate * (x * lean.cos() + y * lean.sin())).sin() + (rate * (y * lean.cos() - x * lean.sin())).sin()
    ) / 2
    grain = _noise(draw, n, _SHEET, octaves=4, fall=draw.uniform(n, 0.2, 1.0))[:, 0]
    kind = draw.choice(n, (0, 1, 2))[:, None, None]
    pattern = torch.where(kind == 0, rings, torch.where(kind == 1, plaid, grain))
    return draw.uniform(n, 0.0, 45.0)[:, None, None] * pattern
