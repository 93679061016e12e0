"""Checkpoints of families that transformers has: read strictly or not at all; the same untrained."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from worldprobe.encoders import checkpoint
from worldprobe.encoders.quantized import refuse_broken, refuse_quantized
from worldprobe.encoders.vision import videomae2
from worldprobe.encoders.vision.families import FAMILIES, Family, titles
from worldprobe.errors import ConfigError, RegistryError

# Of a config, what says nothing of the network.
_BESIDE = (
    "transformers_version", "_name_or_path", "dtype", "torch_dtype", "architectures", "id2label", "label2id",
    "problem_type", "return_dict", "output_hidden_states",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Network:
    """A family and a config of it."""

    family: Family
    config: Any
    renamed: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None  # weights by the names of the model's

    @property
    def architecture(self) -> str:
        """What makes two untrained networks equal, as JSON."""
        written = {key: value for key, value in self.config.to_dict().items() if key not in _BESIDE}
        return json.dumps(written, sort_keys=True, default=str)

    def fresh(self, *, seed: int) -> Any:
        """A model with random weights; the global generator is left as it was."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _class(self.family.model)(self.config, **self.family.made)


def network_of(written: Mapping[str, Any], *, name: str, stage: int | None = None) -> Network:
    """The network that a checkpoint's config is of, at one of its stages where it has any.

    Raises:
        RegistryError: no family that is read, code of its own, weights in numbers of few bits, or a config that its
            family does not take.
    """
    kind = written.get("model_type")
    theirs = str(kind).startswith(videomae2.KIND)
    if theirs:
        try:
            written = videomae2.config_of(written)
        except (KeyError, TypeError) as error:
            raise RegistryError(f"{name}: its config does not say its shape: {error}") from error
        kind = written["model_type"]
    family = FAMILIES.get(str(kind))
    if family is None and "architecture" in written and kind in (None, "timm_wrapper"):
        raise RegistryError(f"{name} holds a model of timm ({written['architecture']}): name it timm:{name}")
    if family is None:
        own = "is code of its own (auto_map), which is never run" if "auto_map" in written else "is not read"
        if not (shown := kind or " ".join(map(str, written.get("architectures") or ()))):
            raise RegistryError(
                f"{name} does not say of which model its weights are: it needs a config.json with a model_type, as "
                "transformers' save_pretrained writes it. Of weights by the names of V-JEPA's authors `worldprobe "
                "convert` makes a folder"
            )
        raise RegistryError(
            f"{name} holds a model of type {shown!r}, which {own}. Read are V-JEPA 2, {titles()}; any network as "
            "an ONNX file: onnx:FILE"
        )
    if how := written.get("quantization_config"):
        method = how.get("quant_method", "?") if isinstance(how, dict) else how
        raise RegistryError(f"{name} is quantised ({method}): use the checkpoint in float32, float16 or bfloat16")
    part = written.get(family.part) if family.part else written
    if not isinstance(part, dict):
        raise RegistryError(f"{name}: its config has no {family.part}")
    try:
        config = _class(family.config).from_dict({**part, **family.set})
    # transformers checks configs in ways of its own for each field.
    except Exception as error:
        why = checkpoint.first_line(error)
        raise RegistryError(f"{name}: its config is not one of {family.title}: {why}") from error
    if family.staged:
        try:
            family = family.staged(family, config, stage)
        except ConfigError as error:
            raise RegistryError(f"{name}: {error}") from error
    elif stage is not None:
        raise RegistryError(f"{name}: a {family.title} has no stages: its blocks, all of one grid, are --blocks")
    # What is not written as transformers has it is read in a way of our own.
    renamed: Callable[[Mapping[str, Any]], dict[str, Any]] | None = dict if ":" in family.model else None
    return Network(family, config, videomae2.renamed if theirs else renamed)


def load(source: str, network: Network, *, name: str) -> Any:
    """The model at a hub id or folder, all its weights from there.

    Raises:
        RegistryError: weights that are missing, too many, of another shape or type, or that came out as zeros.
    """
    kind, folder = _class(network.family.model), checkpoint.weights_folder(source)
    refuse_quantized(folder, name=name)
    if network.renamed:
        model, report = _renamed(network, folder, name=name)
    else:
        model, report = checkpoint.read(kind, source, network.config, name=name, **network.family.made)
    checkpoint.check(report, name=name, part="encoder", apart=network.family.apart)
    refuse_broken(model.named_parameters(), name=name)
    zeros = {key: tuple(value.shape) for key, value in model.named_parameters() if not value.any()}
    lost = Counter(zeros.values()) - _zeros(folder, set(zeros.values()))
    if lost:
        first = next(key for key, shape in zeros.items() if shape in lost)
        raise RegistryError(
            f"{name}: {lost.total()} weights came out as zeros, which they are not in its files, such as {first}: "
            "they are written in a layout that this version of transformers does not read"
        )
    return model


def _renamed(network: Network, folder: Path, *, name: str) -> tuple[Any, dict[str, Any]]:
    """The model with weights that go by other names in the files; and what of them does not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    assert network.renamed is not None
    model, found = network.fresh(seed=0), {}
    try:
        for path in sorted(folder.glob("*.safetensors")):
            found.update(network.renamed(load_file(path)))
    except (OSError, SafetensorError) as error:
        raise RegistryError(f"cannot load the weights of {name}: {checkpoint.first_line(error)}") from error
    known = model.state_dict()
    other = [key for key, value in found.items() if key in known and value.shape != known[key].shape]
    report = model.load_state_dict({k: v for k, v in found.items() if k not in other}, strict=False)
    missing = [key for key in report.missing_keys if key not in other]
    return model, {
        "missing_keys": missing, "unexpected_keys": report.unexpected_keys, "mismatched_keys": other
    }  # fmt: skip


def _zeros(folder: Path, shapes: Container[tuple[int, ...]]) -> Counter[tuple[int, ...]]:
    """How many weights of each of these shapes are zeros in a checkpoint's files."""
    from safetensors import safe_open

    found: Counter[tuple[int, ...]] = Counter()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            for key in names:
                shape = tuple(file.get_slice(key).get_shape())
                if shape in shapes and not file.get_tensor(key).any():
                    found[shape] += 1
    return found


def _class(name: str) -> Any:
    """A class of transformers, or, as "module:class", one of our own."""
    module, _, own = name.rpartition(":")
    return getattr(import_module(module or "transformers"), own)
