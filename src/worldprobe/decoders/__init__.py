"""Decoders: pictures of what an embedding holds. ``load`` reads a trained one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worldprobe.decoders.trained import TrainedDecoder


def load(folder: str | Path, *, device: str = "auto") -> TrainedDecoder:
    """A trained decoder from its folder (``decoders/<name>`` of a run), or from the hub.

    Args:
        folder: where it lies; or, as a string, OWNER/NAME of a repository that holds such a folder's files: config,
            weights (safetensors), card, and what it was trained on are fetched, and nothing else.
        device: "cpu", "cuda", "cuda:N"; "auto" takes a GPU where there is one.

    Raises:
        DecoderError: no decoder there, weights that do not fit their config, or a repository that cannot be fetched
            or that names code of a place here.
        RegistryError: the hub has no such repository.
    """
    # torch is loaded by whoever decodes, not by whoever imports worldprobe.
    from worldprobe.decoders import trained

    return trained.load(folder, device=device)
