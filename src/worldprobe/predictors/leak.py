"""Does a prediction know the future? Change nothing but the future, and see what moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import PredictionError
from worldprobe.predictors.vjepa2 import VJEPA2Predictor, as_clips, check_context

if TYPE_CHECKING:
    import torch

    from worldprobe.predictors.vjepa2 import Pixels


class Predicts(Protocol):
    """What the leak test asks of a predictor."""

    @property
    def tubelet(self) -> int: ...

    def context_tokens(self, pixels: Any, context: int) -> torch.Tensor:
        """[b, context, s, d]."""
        ...

    def predict(self, pixels: Any, *, context: int, horizon: int) -> NDArray[np.float32]:
        """float32 [b, horizon, s, d]."""
        ...


@dataclass(frozen=True, slots=True)
class Leak:
    """The largest absolute change of any component of the context's tokens, and of the prediction."""

    context: float
    prediction: float


def leak(predictor: Predicts, pixels: Pixels, context: int, *, seed: int = 0) -> Leak:
    """Replace the frames after the context by noise: what changes in what only the context should decide?

    Args:
        predictor: a ``VJEPA2Predictor``, or anything of that form.
        pixels: uint8 [b, t, 3, crop, crop], longer than the context.
        context: tubelets.
        seed: of the noise.

    Returns:
        Exactly 0.0 twice where the future is not looked at.

    Raises:
        PredictionError: clips that hold nothing after the context.
    """
    import torch

    clips = as_clips(pixels)
    tubelets = clips.shape[1] // predictor.tubelet
    check_context(tubelets, context)
    if context == tubelets:
        raise PredictionError(
            f"clips of {tubelets} tubelets hold no future after a context of {context}: use a smaller context."
        )
    changed = clips.clone()
    future = changed[:, context * predictor.tubelet :]
    generator = torch.Generator().manual_seed(seed)
    future.copy_(torch.randint(0, 256, future.shape, generator=generator, dtype=torch.uint8))
    if torch.equal(changed, clips):
        raise PredictionError("the noise is the future itself: choose another seed")
    before, after = (predictor.context_tokens(one, context).float() for one in (clips, changed))
    horizon = tubelets - context
    first, second = (predictor.predict(one, context=context, horizon=horizon) for one in (clips, changed))
    return Leak(float((after - before).abs().max()), float(np.abs(second - first).max()))


class PlainForward:
    """transformers' own way: the whole clip is encoded, and the context's tokens are picked out of it.

    The same as ``VJEPA2Model.forward(pixels, context_mask, target_mask)``. It is here to be measured by
    ``leak``, not to be used.
    """

    def __init__(self, predictor: VJEPA2Predictor) -> None:
        self._predictor = predictor

    @property
    def tubelet(self) -> int:
        return self._predictor.tubelet

    def context_tokens(self, pixels: Pixels, context: int) -> torch.Tensor:
        """Tokens that have seen the whole clip, [b, context, s, d]."""
        return self._predictor.encoder.tokens(as_clips(pixels))[:, :context]

    def predict(self, pixels: Pixels, *, context: int, horizon: int) -> NDArray[np.float32]:
        """float32 [b, horizon, s, d]."""
        known = self.context_tokens(pixels, context)
        return np.asarray(self._predictor.forecast(known, horizon=horizon).cpu().numpy(), dtype=np.float32)
