"""What every encoder that is made of another has of that one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.named import named
from worldprobe.errors import RegistryError
from worldprobe.geometry import TokenGrid, View
from worldprobe.protocols import Encoder, WithClassTokens
from worldprobe.records import Clip


class Wrapper:
    """An encoder as ``kind:E`` has it: with a name and a revision of its own, all else as E's.

    Args:
        kind: in the name. version: of what is done to E, which its revision depends on.
    """

    tubelet: int

    def __init__(self, encoder: Encoder, *, kind: str, version: int) -> None:
        prefix = f"{kind}:"
        self._encoder = encoder
        self.name = prefix + encoder.name
        self.revision = hashlib.sha256(f"{encoder.revision} {kind} v{version}".encode()).hexdigest()
        self.blocks, self.tubelet = encoder.blocks, encoder.tubelet
        self.status: Literal["trained", "untrained", "floor"] = encoder.status
        twin = getattr(encoder, "twin", None)
        self.twin = prefix + twin if twin else None
        self.device = getattr(encoder, "device", "cpu")
        self.precision = getattr(encoder, "precision", "auto")
        self.origin = {**getattr(encoder, "origin", {}), kind: version}
        for told in ("flop", "parameters", "pixels", "no_class"):
            if hasattr(encoder, told):
                setattr(self, told, getattr(encoder, told))
        inner = getattr(encoder, "classes", None)
        self.classes: Encoder | None = None if inner is None else type(self)(inner)  # type: ignore[call-arg]

    def view(self, width: int, height: int) -> View:
        """As E's."""
        return self._encoder.view(width, height)

    def preprocess(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """As E's."""
        return self._encoder.preprocess(frames)

    def grid(self, frames: int) -> TokenGrid:
        """As E's."""
        return self._encoder.grid(frames)

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """As E's."""
        return self._encoder.encode(clips, blocks=blocks)

    def encode_with_classes(
        self, clips: Sequence[Clip], *, blocks: Sequence[int]
    ) -> tuple[dict[int, NDArray[np.float16]], dict[int, NDArray[np.float16]]]:
        """As E's, where it has ``classes``."""
        assert isinstance(self._encoder, WithClassTokens)
        return self._encoder.encode_with_classes(clips, blocks=blocks)


def wrapped(argument: str | None, *, prefix: str, example: str, device: str, precision: str) -> Encoder:
    """The encoder E of ``prefix`` E. Raises RegistryError where there is none, or E is wrapped so already."""
    if not argument or argument.startswith(prefix):
        raise RegistryError(f"{prefix} which encoder's? For instance {prefix}{example}.")
    return named(argument, device=device, precision=precision)
