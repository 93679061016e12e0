"""Which decoder draws a run's predictions: one that the run trains itself, or one in a folder."""

from __future__ import annotations

from pathlib import Path

from worldprobe.config import Experiment
from worldprobe.encoders.load import parse_blocks
from worldprobe.errors import PredictionError
from worldprobe.pipeline.decode.training import FOLDER, folder_of
from worldprobe.pipeline.stored import decoded_blocks
from worldprobe.protocols import Encoder

_CONFIG = "config.json"


def place_of(decoder: str, out: Path) -> Path:
    """Where a decoder lies: among the run's own if one is called so, else it is a folder's path."""
    own = out / FOLDER / folder_of(decoder)
    return own if (own / _CONFIG).is_file() else Path(decoder)


def will_draw(experiment: Experiment, out: Path, encoder: Encoder) -> bool:
    """Whether the decoder that ``[predict]`` names is there already; a run that trains it first may be without.

    Raises:
        PredictionError: it is not there and will not be, or the run trains it on other tokens than are predicted.
    """
    name = experiment.predict.decoder if experiment.predict else None
    if name is None:
        return False
    trained = experiment.decode.decoders if experiment.decode else []
    if experiment.decode and folder_of(name) in map(folder_of, trained):
        blocks = decoded_blocks(experiment.decode.blocks, parse_blocks(experiment.blocks, encoder.blocks))
        if blocks != [encoder.blocks - 1]:
            raise PredictionError(
                f"[predict] asks the decoder {name!r} of this run to draw what is predicted of block "
                f"{encoder.blocks - 1} of {encoder.name}, and [decode] trains it on "
                f'{", ".join(map(str, blocks))}: set blocks = "last" for both, or leave `decoder` out.'
            )
        return False
    if (place_of(name, out) / _CONFIG).is_file():
        return True
    raise PredictionError(
        f"[predict] asks for the decoder {name!r}, which is neither one that this run trains "
        f"({', '.join(trained) or 'there is no [decode]'}) nor the folder of a trained one. Name one of `decoders` "
        "in [decode], or give the folder decoders/NAME of another run."
    )
