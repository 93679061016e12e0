"""The authors' own checkpoints of V-JEPA, V-JEPA 2 and 2.1, ``.pt``, made into a folder that is loaded strictly.

They are pickles: torch reads them as tensors and plain containers only (``weights_only``), or not at all.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worldprobe.encoders import actions, checkpoint, layouts
from worldprobe.encoders.forward import is_21, takes_actions
from worldprobe.errors import ConfigError, RegistryError
from worldprobe.io.files import replacing, write_whole
from worldprobe.io.lfs import lfs_pointer

if TYPE_CHECKING:
    from torch import Tensor

    State = dict[str, Tensor]

# Where the encoder lies, the best first. Of a distilled model ``target_encoder`` may be the teacher.
ENCODERS = ("ema_encoder", "target_encoder", "encoder")
_HEADS = {768: 12, 1024: 16, 1280: 16, 1408: 22, 1664: 26}
_PREDICTOR_HEADS, _PREDICTOR_WIDTH = 12, 384  # of all published ones; heads cannot be seen in weights
_ACTION_HEADS = 16
_EXTRINSICS = "extrinsics_encoder."
_FRAMES = 64
_SAVED = 'torch.save({"encoder": encoder.state_dict(), "predictor": predictor.state_dict()}, "weights.pt")'
_ENCODER_NAMES = (
    (r"^patch_embed_img\.", "embeddings.patch_embeddings_img."),
    (r"^patch_embed\.", "embeddings.patch_embeddings."),
    (r"^((?:img|video)_mod_embed)$", r"embeddings.\1"),
    (r"^blocks\.(\d+)\.attn\.", r"layer.\1.attention."),
    (r"^blocks\.", "layer."),
    (r"^norm\.", "layernorm."),
)
_PREDICTOR_NAMES = (
    (r"^predictor_embed\.", "embeddings.predictor_embed."),
    (r"^(mask_tokens\.|(?:img|video)_mod_embed$)", r"embeddings.\1"),
    (r"^predictor_blocks\.(\d+)\.attn\.", r"layer.\1.attention."),
    (r"^predictor_blocks\.", "layer."),
    (r"^predictor_norm\.", "layernorm."),
    (r"^predictor_(proj|proj_context)\.", r"\1."),
)


@dataclass(frozen=True, slots=True)
class Converted:
    """What was made of a checkpoint.

    ``taken`` is the key of the encoder, ``left_out`` has what else the file holds, ``notes`` what had to be assumed
    or what the model cannot do.
    """

    folder: Path
    version: str
    taken: str
    blocks: int
    width: int
    crop: int
    parameters: int
    left_out: list[str]
    notes: list[str] = field(default_factory=list)


def convert(
    source: Path, out: Path, *, encoder: str | None = None, heads: int | None = None, crop: int | None = None
) -> Converted:
    """Write a ``.pt``'s encoder and predictor into a folder of config.json and model.safetensors.

    Of the first V-JEPA the encoder alone, and its processor's settings: nothing here reads its predictor.

    Args:
        out: a folder that does not exist or is empty.
        encoder: the key of the encoder; by default the first there is of ``ENCODERS``.
        heads: of attention, for a width that no published model has.
        crop: px of a side; by default what the file or its version says.

    Raises:
        RegistryError: not such a file, one of another model, or weights that are not whole.
        ConfigError: something lies in ``out``, or an option is needed that is not there.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there already: name a new folder")
    held = _read(source)
    notes: list[str] = []
    predictor = _predictor(held, notes)
    if "action_encoder.weight" in predictor and isinstance(held.get("encoder"), Mapping):
        encoder = encoder or "encoder"  # which the authors' torch.hub takes; it was frozen, so all are the same
    taken, raw = _encoder(held, encoder, source)
    if _is_first(raw, predictor):
        return _first(raw, source, out, taken, [key for key in held if key != taken] if taken else [], heads, crop)
    left_out = [key for key in held if key not in (taken, "predictor")] if taken else []
    if {"pos_embed", "predictor_pos_embed"} & {*raw, *predictor}:
        notes.append("learned positions (pos_embed) are left out: positions are turned, not added")
    weights = {f"encoder.{key}": one for key, one in _named(raw, _ENCODER_NAMES).items()}
    weights |= {f"predictor.{key}": one for key, one in _named(predictor, _PREDICTOR_NAMES).items()}
    written = _config(weights, raw, heads, crop, notes, source)
    if written["model_type"] == "vjepa2" and "action_dim" not in written:
        weights = _as_transformers(weights)
    config = layouts.read_config(written, name=str(source))
    shapes = checkpoint.bare(config).state_dict()
    if takes_actions(config):
        shapes = {key: one for key, one in shapes.items() if key.startswith("encoder.")}
        shapes |= actions.shapes(config)
        notes.append("its predictor takes actions (V-JEPA 2-AC); that of camera poses is left out, as it is unused")
    for part in ("encoder", "predictor") if predictor else ("encoder",):
        checkpoint.require_whole(weights, shapes, config, name=str(source), part=part)
    if is_21(config) and config.teacher_embed_dim:
        notes.append(
            f"its predictor speaks in the {config.teacher_embed_dim} dimensions of its teacher, so `worldprobe "
            "predict` refuses it"
        )
    _write(out, weights, {"config.json": written}, source, taken)
    count = sum(one.numel() for key, one in weights.items() if key.startswith("encoder."))
    return Converted(
        out, "2.1" if is_21(config) else "2", taken, config.num_hidden_layers, config.hidden_size,
        config.crop_size, count, left_out, notes,
    )  # fmt: skip


def _first(
    raw: State, source: Path, out: Path, taken: str, left_out: list[str], heads: int | None, crop: int | None
) -> Converted:
    """Write the first V-JEPA's encoder, by the names it has, and its processor's settings."""
    import torch

    from worldprobe.encoders.vision import vjepa1
    from worldprobe.encoders.vision.weights import network_of

    width = raw["norm.weight"].shape[0]
    written, settings = vjepa1.written_of(raw, heads=_heads(heads, width, source), name=str(source))
    if crop not in (None, written["image_size"]):
        raise ConfigError(f"{source} has positions for {written['image_size']} px, not for --crop {crop}")
    with torch.device("meta"):
        shapes = vjepa1.VJEPA1(network_of(written, name=str(source)).config).state_dict()
    report = {
        "missing_keys": shapes.keys() - raw.keys(), "unexpected_keys": raw.keys() - shapes.keys(),
        "mismatched_keys": [key for key in shapes.keys() & raw if shapes[key].shape != raw[key].shape],
    }  # fmt: skip
    checkpoint.check(report, name=str(source), part="encoder", apart=())
    _write(out, raw, {"preprocessor_config.json": settings, "config.json": written}, source, taken)
    notes = [f"its clips have {written['num_frames']} frames: --frames {written['num_frames']}"]
    return Converted(
        out, "1", taken, written["num_hidden_layers"], width, written["image_size"],
        sum(one.numel() for one in raw.values()), left_out, notes,
    )  # fmt: skip


def _write(out: Path, weights: State, written: Mapping[str, Any], source: Path, taken: str) -> None:
    from safetensors.torch import save_file

    meta = {"format": "pt", "source": source.name, "encoder": taken}
    with replacing(out / "model.safetensors") as path:
        save_file({key: one.contiguous() for key, one in weights.items()}, path, metadata=meta)
    for name, one in written.items():
        write_whole(out / name, (json.dumps(one, indent=2) + "\n").encode())


def _heads(wanted: int | None, width: int, source: Path) -> int:
    """Of attention, by the width. Raises ConfigError where no published model is so wide."""
    heads = wanted or _HEADS.get(width)
    if heads is None or width % heads:
        raise ConfigError(
            f"{source} is {width} wide, as no published model is: say how many --heads it has, of which {width} "
            "is a multiple"
        )
    return heads


def _read(source: Path) -> dict[str, Any]:
    """What a file holds, by its keys; never more than tensors and plain containers."""
    import torch

    if not source.is_file():
        raise RegistryError(f"no file {source}")
    if pointer := lfs_pointer(source):
        raise RegistryError(f"cannot read {source}: {pointer}")
    try:
        try:
            held = torch.load(source, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # a format that cannot be mapped
            held = torch.load(source, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise RegistryError(f"cannot read {source}: {checkpoint.first_line(error)}") from error
    # What is left is torch's refusal, an UnpicklingError: to name it the module would have to be imported.
    except Exception as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"; it names {named[1]}" if named else ""
        raise RegistryError(
            f"{source} is no checkpoint of torch, or a pickle of more than weights, which could run code: "
            f"refused{what}. Where you trust it, save its weights alone: {_SAVED}"
        ) from error
    if not isinstance(held, dict) or not held:
        raise RegistryError(f"{source} holds a {type(held).__name__}, no checkpoint by its keys")
    return held


def _encoder(held: Mapping[str, Any], wanted: str | None, source: Path) -> tuple[str, State]:
    """The key of the encoder, and its weights; "" where the file is an encoder's weights and nothing else."""
    if wanted is None and not any(key in held for key in ENCODERS) and "patch_embed.proj.weight" in _clean(held):
        return "", _clean(held)
    there = [key for key in (ENCODERS if wanted is None else (wanted,)) if isinstance(held.get(key), Mapping)]
    if not there:
        which = f"no {wanted!r}" if wanted else f"none of {', '.join(ENCODERS)}"
        has = ", ".join(map(str, list(held)[:8]))
        raise RegistryError(
            f"{source} holds {which}: it has {has}. Name the one whose weights to take: --encoder KEY"
        )
    return there[0], _clean(held[there[0]])


def _clean(state: Mapping[str, Any]) -> State:
    """Weights without the prefixes of the wrappers that they were trained in."""
    import torch

    return {
        re.sub(r"^(?:module\.|backbone\.)+", "", str(key)): one
        for key, one in state.items()
        if isinstance(one, torch.Tensor)
    }


def _predictor(held: Mapping[str, Any], notes: list[str]) -> State:
    state = held.get("predictor")
    if not isinstance(state, Mapping):
        notes.append("it holds no predictor")
        return {}
    # Every published one has weights for camera poses, and none was trained with them.
    return {key: one for key, one in _clean(state).items() if not key.startswith(_EXTRINSICS)}


def _is_first(raw: State, predictor: State) -> bool:
    """Whether weights are the first V-JEPA's: the same names, two mask tokens, and most of it at 224 px."""
    positions = raw["pos_embed"].shape[1] if "pos_embed" in raw else 0
    masks = sum(key.startswith("mask_tokens.") for key in predictor)
    return "norm.weight" in raw and (masks == 2 or (positions > 0 and positions % 196 == 0))


def _named(state: State, names: tuple[tuple[str, str], ...]) -> State:
    """Weights by this package's names, queries, keys and values apart; positions are left out."""
    found = {}
    for key, one in state.items():
        if key in ("pos_embed", "predictor_pos_embed"):
            continue
        for pattern, here in names:
            key = re.sub(pattern, here, key)
        if ".qkv." in key:
            for part, third in zip(("query", "key", "value"), one.chunk(3), strict=True):
                found[key.replace("qkv", part)] = third.clone()
        else:
            found[key] = one
    return found


def _as_transformers(weights: State) -> State:
    """V-JEPA 2's by transformers' names: the mask tokens are one weight."""
    import torch

    mark = "predictor.embeddings.mask_tokens."
    masks = sorted((key for key in weights if key.startswith(mark)), key=lambda key: int(key.removeprefix(mark)))
    found = {
        key.replace("predictor_embed.", "predictor_embeddings."): one
        for key, one in weights.items()
        if key not in masks
    }
    return {**found, mark.rstrip("."): torch.stack([weights[key] for key in masks])} if masks else found


def _config(
    weights: State, raw: State, heads: int | None, crop: int | None, notes: list[str], source: Path
) -> dict[str, Any]:
    """What the shapes say, and what they cannot: heads by the width, px by the version."""
    try:
        patches, inner = (weights[f"encoder.{key}.weight"] for key in ("embeddings.patch_embeddings.proj", _FC1))
        width, _, tubelet, patch, _ = patches.shape
        ratio = inner.shape[0] / width
    except (KeyError, ValueError) as error:
        raise RegistryError(
            f"{source}: its encoder is no V-JEPA 2's: {checkpoint.first_line(error)} cannot be read among "
            f"{', '.join(sorted(raw)[:3])}, ... Weights are to be named as the authors name them "
            f"(patch_embed.proj.weight, blocks.0.norm1.weight, ...): {_SAVED}"
        ) from error
    newer = any(re.match(r"encoder\.norms_block\.", key) for key in weights)
    heads = _heads(heads, width, source)
    positions = raw["pos_embed"].shape[1] if "pos_embed" in raw else 0
    told = int(math.sqrt(positions / (_FRAMES // tubelet))) * patch
    if crop is None:
        crop = told if told and (told // patch) ** 2 * (_FRAMES // tubelet) == positions else 384 if newer else 256
        if crop != told:
            notes.append(f"{crop} px a side are assumed, as the file does not say it (--crop)")
    common = {
        "crop_size": crop, "frames_per_clip": _FRAMES, "hidden_size": width, "mlp_ratio": ratio,
        "num_attention_heads": heads, "num_hidden_layers": _depth(weights, "encoder"), "patch_size": patch,
        "tubelet_size": tubelet, "qkv_bias": "encoder.layer.0.attention.query.bias" in weights,
    }  # fmt: skip
    told_by = _predictor_config(weights, width, newer) if "predictor.proj.weight" in weights else {}
    if "action_dim" not in told_by and told_by.get("pred_hidden_size", _PREDICTOR_WIDTH) != _PREDICTOR_WIDTH:
        notes.append(f"its predictor is taken to have {_PREDICTOR_HEADS} heads, as the published ones have")
    kind = {"model_type": "vjepa21"} if newer else {"model_type": "vjepa2", "architectures": ["VJEPA2Model"]}
    return {**kind, **common, **told_by}


_FC1 = "layer.0.mlp.fc1"


def _predictor_config(weights: State, width: int, newer: bool) -> dict[str, Any]:
    out, inside = weights["predictor.proj.weight"].shape
    masks = sum(key.startswith("predictor.embeddings.mask_tokens.") for key in weights)
    found: dict[str, Any] = {
        "pred_hidden_size": inside, "pred_num_attention_heads": _PREDICTOR_HEADS,
        "pred_num_hidden_layers": _depth(weights, "predictor"), "pred_num_mask_tokens": masks,
    }  # fmt: skip
    action = weights.get("predictor.action_encoder.weight")
    if action is not None:
        del found["pred_num_mask_tokens"]
        return {**found, "pred_num_attention_heads": _ACTION_HEADS, "action_dim": action.shape[1]}
    if newer:
        first = weights.get("predictor.embeddings.predictor_embed.0.weight")
        levels = 1 if first is None else first.shape[1] // width
        found |= {
            "n_output_distillation": levels,
            "pred_return_all_tokens": "predictor.proj_context.weight" in weights,
            "pred_teacher_embed_dim": None if out == levels * width else out,
        }
    return found


def _depth(weights: State, part: str) -> int:
    numbers = [int(one[1]) for key in weights if (one := re.match(rf"{part}\.layer\.(\d+)\.", key))]
    return max(numbers, default=-1) + 1
