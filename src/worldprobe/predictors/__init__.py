"""Predict the future's tokens from the past's, beside baselines that know nothing."""

from worldprobe.predictors.leak import Leak, PlainForward, leak
from worldprobe.predictors.vjepa2 import VJEPA2Predictor

__all__ = ["Leak", "PlainForward", "VJEPA2Predictor", "leak"]
