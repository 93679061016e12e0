"""A trained decoder on disk: weights as safetensors, its config as JSON, a card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from worldprobe.errors import DecoderError, in_words
from worldprobe.execute.devices import device_for
from worldprobe.io.files import replacing, write_whole
from worldprobe.io.hub import answers, is_id
from worldprobe.plugins import registry
from worldprobe.printable import escaped
from worldprobe.records import DecoderShape

if TYPE_CHECKING:
    from worldprobe.protocols import Decoder

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
FILES = (CONFIG, WEIGHTS, CARD, "trained_on.json")
_FORMAT = 2  # since 2 a CNN begins with a linear picture
_MOST_SAID = 200  # letters of why weights do not fit
_AT_ONCE = 32
_SEED_STEP = 1_000_003  # two batches of one call must not share their noise


class TrainedDecoder:
    """A decoder with its weights, and what they were trained on.

    Attributes:
        shape: the tokens that it takes and the frames that it draws.
        facts: as written beside the weights: ``encoder``, ``tap``, steps, scores.
    """

    def __init__(self, module: Decoder, facts: dict[str, Any], *, device: str = "cpu") -> None:
        self.module = module.to(device).eval()
        self.facts, self.device = facts, device

    @property
    def name(self) -> str:
        return self.module.name

    @property
    def shape(self) -> DecoderShape:
        return self.module.shape

    def decode(self, tokens: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float32]:
        """Tokens float32 [n, h', w', d], one tubelet each, to frames float32 [n, tubelet, 3, H, W] in 0 to 1.

        Encoder's tokens and the predictor's alike: both are layer-normed over d first, without parameters.

        Args:
            seed: of what a sampling decoder draws by lot; the same seed gives the same frames.

        Raises:
            DecoderError: tokens of another grid or width than the weights were trained for.
        """
        self.check(tokens.shape[1:])
        sampled = []
        for start in range(0, len(tokens), _AT_ONCE):
            batch = torch.from_numpy(np.ascontiguousarray(tokens[start : start + _AT_ONCE], np.float32))
            generator = torch.Generator(self.device).manual_seed(seed * _SEED_STEP + start)
            with torch.inference_mode():
                sampled.append(self.module.sample(batch.to(self.device), generator=generator).float().cpu().numpy())
        if not sampled:
            return np.zeros((0, self.shape.frames, 3, *self.shape.size), dtype=np.float32)
        return np.concatenate(sampled)

    def check(self, tokens: tuple[int, ...]) -> None:
        """Raises DecoderError unless tokens (h', w', d) are what the weights were trained for."""
        wanted = (*self.shape.grid, self.shape.width)
        if tuple(tokens) != wanted:
            raise DecoderError(
                f"these {self.name} weights were trained on {self.facts.get('tap', 'tokens')} for a grid of "
                f"{_by(wanted)}, got tokens of {_by(tokens)}. Use embeddings of that tap at that size, "
                "or train a decoder for these."
            )


def save(module: Decoder, folder: Path, facts: dict[str, Any]) -> None:
    """Write weights, config and card; the config last, so that a folder with one is whole."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {key: one.detach().cpu().contiguous() for key, one in module.state_dict().items()}
    with replacing(folder / WEIGHTS) as temporary:
        save_file(weights, temporary, metadata={"format": "pt"})
    config = {"format": _FORMAT, "decoder": module.name, "shape": asdict(module.shape), "options": module.options}
    write_whole(folder / CARD, _card(module, facts).encode())
    write_whole(folder / CONFIG, (json.dumps({**config, "facts": facts}, indent=2) + "\n").encode())


def load(folder: str | Path, *, device: str = "auto") -> TrainedDecoder:
    """What ``save`` wrote, here or in a repository of the hub; raises as ``decoders.load``."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    named = str(folder)
    ours = isinstance(folder, Path) or not is_id(named)
    folder = Path(folder) if ours else _fetched(named)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        shape = _shape(config["shape"])
        name, options, facts = str(config["decoder"]), dict(config["options"]), dict(config["facts"])
    except FileNotFoundError:
        raise DecoderError(
            f"no trained decoder in {folder} ({CONFIG} is missing). Give the folder decoders/NAME of a run, or "
            "train one: `worldprobe decode VIDEO... --encoder E --decoder cnn --out DIR`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DecoderError(f"{folder / CONFIG} is damaged: {in_words(error)}. Train the decoder again.") from error
    if config.get("format") != _FORMAT:
        raise DecoderError(
            f"{folder / CONFIG} is of format {config.get('format')}, this version reads {_FORMAT}. "
            "Train the decoder again."
        )
    if not ours and ":" in name:
        # A file of the hub does not choose what is imported here.
        raise DecoderError(
            f"{named} asks for the decoder {name}, code of a place on this machine. Install the package that "
            "declares it, or take the folder from whom you trust and load it from there."
        )
    module: Decoder = registry.create("decoders", name, shape=shape, **options)
    try:
        module.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, RuntimeError, SafetensorError) as error:
        # The first line of torch's says only that there is something.
        lines = [line.strip().rstrip(".") for line in str(error).strip().splitlines()]
        what = lines[min(1, len(lines) - 1)] if isinstance(error, RuntimeError) else lines[0]
        raise DecoderError(
            f"{folder / WEIGHTS} does not fit {CONFIG} beside it, or was written by another version of worldprobe: "
            f"{what if len(what) <= _MOST_SAID else what[:_MOST_SAID] + '…'}. Take both from one training, or "
            "delete that folder and train the decoder again."
        ) from error
    return TrainedDecoder(module, facts, device=device_for(device))


def _fetched(name: str) -> Path:
    """The folder of a repository's files in the hub's local cache. Raises as ``decoders.load``."""
    from huggingface_hub import snapshot_download

    here_only = not answers(name)
    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES), local_files_only=here_only))
    # No network in any of its forms: each version of the client has its own errors for them.
    except Exception as error:
        first = in_words(error).splitlines()[0]
        raise DecoderError(
            f"cannot fetch the decoder {name}, which is no folder here: {first}. "
            "Give the folder decoders/NAME of a run."
        ) from error


def _shape(written: dict[str, Any]) -> DecoderShape:
    grid, size = (tuple(written[key]) for key in ("grid", "size"))
    return DecoderShape(**{**written, "grid": grid, "size": size})


def _by(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))


def _card(module: Decoder, facts: dict[str, Any]) -> str:
    """What a person finds beside the weights."""
    shape = module.shape
    count = sum(one.numel() for one in module.parameters())
    frames = f"{shape.frames} frame{'s'[: shape.frames != 1]} of {_by((shape.size[1], shape.size[0]))} px"
    lines = [
        "---",
        "library_name: worldprobe",
        "---",
        "",
        f"# A {escaped(module.name)} decoder of {escaped(str(facts.get('tap', 'tokens')))}",
        "",
        f"From {_by(shape.grid)} tokens, {shape.width} wide, to {frames}; {count:,} parameters.",
        "It draws what can be read from these tokens; it is no model of video, and of no use with other tokens.",
        "",
        "```python",
        "from worldprobe.decoders import load",
        "decoder = load(folder)  # or OWNER/NAME of the hub",
        f"frames = decoder.decode(tokens)  # float32 [n, {shape.frames}, 3, {shape.size[0]}, {shape.size[1]}]",
        "```",
        "",
        *(f"- {key}: {escaped(str(value))}" for key, value in facts.items()),
        "",
    ]
    return "\n".join(lines)
