"""V-JEPA 2-AC's predictor on robots' frames: the next frame from those so far, their states and actions.

Each frame is encoded by itself, doubled to a tubelet, and layer-normed, as in training (Assran et al. 2025,
section 3).

Axes: b clips, t frames, s tokens of a frame (row by row), d width, m actions compared, a numbers of an action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldprobe.errors import PredictionError
from worldprobe.predictors.vjepa2 import Precision, TokenEncoder, as_clips, layer_normed

if TYPE_CHECKING:
    from worldprobe.predictors.vjepa2 import Pixels

Values = NDArray[np.floating]


class ActionPredictor:
    """An encoder and the predictor that tells what an action leads to.

    An action is the difference of two poses and a state a pose: xyz, Euler angles and the gripper's opening, in the
    units and at the rate of the predictor's training (DROID, metres and radians, 4 frames a second).
    """

    def __init__(self, encoder: TokenEncoder, module: Any, *, precision: Precision | None = None) -> None:
        self.encoder = encoder
        self.precision: Precision = precision or cast(Precision, encoder.precision)
        self.dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]
        self.module = module.to(encoder.device, self.dtype).eval()
        self.action_dim = int(module.config.action_dim)
        self.parameters = sum(p.numel() for p in self.module.parameters())

    @classmethod
    def from_encoder(cls, encoder: Any, *, precision: Precision | None = None) -> ActionPredictor:
        """The predictor of the checkpoint that an encoder came from.

        Raises:
            PredictionError: an encoder of a kind that has none.
            RegistryError: a checkpoint without one, or with one that does not fit.
        """
        if not hasattr(encoder, "load_action_predictor"):
            raise PredictionError(f"{encoder.name} has no predictor that takes actions: only V-JEPA 2-AC's does")
        return cls(encoder, encoder.load_action_predictor(), precision=precision)

    def frames(self, pixels: Pixels) -> Tensor:
        """Tokens of frames uint8 [b, t, 3, crop, crop], each by itself, layer-normed: float32 [b, t, s, d].

        Raises:
            PredictionError: no such frames.
            ConfigError: frames of a size that is not the model's.
        """
        clips = as_clips(pixels)
        doubled = clips.flatten(0, 1)[:, None].expand(-1, self.encoder.tubelet, -1, -1, -1)
        tokens = layer_normed(self.encoder.tokens(doubled))
        return tokens.reshape(*clips.shape[:2], *tokens.shape[2:])

    def next_frames(self, frames: Tensor, actions: Values, states: Values) -> Tensor:
        """Predict the frame after each from those so far and their actions: float32 [b, t, s, d], layer-normed.

        Args:
            frames: as ``frames`` gives them.
            actions, states: [b, t, a]: what is done at each frame, and how the robot stands there.

        Raises:
            PredictionError: actions or states that are not one for each frame.
        """
        done, stands = (
            self._numbers(values, frames, name) for values, name in ((actions, "actions"), (states, "states"))
        )
        with torch.inference_mode():
            return layer_normed(self.module(frames.to(self.dtype), done, stands))

    def rollout(self, first: Tensor, actions: Values, states: Values) -> Tensor:
        """Predict one frame after another, each from what was predicted before: float32 [b, t, s, d].

        Args:
            first: the one frame that is seen, [b, 1, s, d].
            actions, states: [b, t, a], the states as they are known at each frame.

        Raises:
            PredictionError: as ``next_frames``.
        """
        known = first
        for step in range(1, np.shape(actions)[1] + 1):
            told = self.next_frames(known, actions[:, :step], states[:, :step])[:, -1:]
            known = torch.cat((known, told), 1)
        return known[:, 1:]

    def energy(self, frame: Tensor, goal: Tensor, actions: Values, states: Values) -> Values:
        """L1 distance of the frame that each action leads to from the one that came: float32 [b, m].

        Args:
            frame, goal: a frame and the one after it, [b, s, d].
            actions: [b, m, a], any number for each frame.
            states: [b, a], how the robot stands.

        Raises:
            PredictionError: as ``next_frames``.
        """
        asked = np.asarray(actions)
        found = [
            (self.next_frames(frame[:, None], one[:, None], np.asarray(states)[:, None])[:, 0] - goal)
            .abs()
            .mean((1, 2))
            for one in np.moveaxis(asked, 1, 0)
        ]
        return np.asarray(torch.stack(found, 1).cpu().numpy(), dtype=np.float32)

    def _numbers(self, values: Values, frames: Tensor, name: str) -> Tensor:
        found = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
        wanted = (*frames.shape[:2], self.action_dim)
        if tuple(found.shape) != wanted:
            raise PredictionError(f"{name} are {list(wanted)} for these frames, got {list(found.shape)}")
        return found.to(frames.device, self.dtype)
