"""The layouts in which V-JEPA 2.1 is published, read as one; and what tells its weights from V-JEPA 2's.

transformers' (its pull request 45497): model type ``vjepa2`` with fields of its own; ``vjepa21`` and ``vjepa2_1``,
which come with code that is not run. The names of ``vjepa21`` are this package's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worldprobe.encoders.forward import is_21
from worldprobe.encoders.quantized import refuse_quantized
from worldprobe.errors import RegistryError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import VJEPA2Config

# Fields of transformers' layout that are true of every V-JEPA 2.1, and of no V-JEPA 2.
_ALWAYS = ("use_rope_interleave", "interpolate_rope", "use_modality_embeddings", "use_image_patch_embedder")
_TYPES = ("vjepa21", "vjepa2_1")
MODEL_TYPES = ("vjepa2", *_TYPES)
"""Of a config of V-JEPA 2 or 2.1."""
LEVELS = {
    4: [0, 1, 2, 3], 8: [1, 3, 5, 7], 12: [2, 5, 8, 11], 20: [4, 9, 14, 19], 24: [5, 11, 17, 23],
    40: [9, 19, 29, 39], 48: [11, 23, 37, 47],
}  # fmt: skip
# Names as they are published: a pattern, and what it is here.
_NAMES = (
    (r"^(?:model\.|vjepa2\.|vjepa21\.|vjepa2_1\.)(encoder|predictor)\.", r"\1."),
    (r"^predictor\.embeddings\.predictor_embeddings\.", "predictor.embeddings.predictor_embed."),
    (r"^predictor\.((?:img|video)_mod_embed)$", r"predictor.embeddings.\1"),
)
_OF_21 = re.compile(r"norms_block|distillation_norms|patch_embeddings_img|_mod_embed|proj_context")
_OF_2 = re.compile(r"^encoder\.layernorm\.")
_HEADS = ("pooler.", "classifier.")


def read_config(written: Mapping[str, Any], *, name: str) -> VJEPA2Config:
    """A configuration of V-JEPA 2, or of 2.1 in any layout, in the fields of transformers' own.

    Raises:
        RegistryError: of another model, or of neither of the two.
    """
    from transformers import VJEPA2Config

    kind = written.get("model_type")
    if kind not in MODEL_TYPES:
        raise RegistryError(f"{name} holds a model of type {kind!r}, which is no V-JEPA 2 or 2.1")
    config: VJEPA2Config = VJEPA2Config.from_dict(dict(written) if kind == "vjepa2" else _renamed(written))
    if problem := _problem(config):
        raise RegistryError(f"{name}: {problem}")
    return config


def _renamed(written: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of ``vjepa21`` and ``vjepa2_1`` by transformers' names, with those types' defaults."""
    depth = written.get("num_hidden_layers", 24)
    modalities = bool(written.get("modality_embedding", True))
    images = written.get("img_temporal_dim_size", 1) is not None
    context = "pred_return_all_tokens" if written["model_type"] == "vjepa21" else "pred_has_context_proj"
    return {
        "crop_size": 384,
        "pred_num_mask_tokens": 8,
        **written,
        "model_type": "vjepa2",
        "hierarchical_layers": LEVELS.get(depth, []),
        "use_rope_interleave": True,
        "interpolate_rope": bool(written.get("interpolate_rope", True)),
        "use_modality_embeddings": modalities,
        "use_image_patch_embedder": images,
        "num_distillation_outputs": written.get("n_output_distillation", 4),
        "teacher_embed_dim": written.get("pred_teacher_embed_dim", written.get("teacher_embed_dim")),
        "use_context_projection": bool(written.get(context, context == "pred_has_context_proj")),
    }


def _problem(config: Any) -> str:
    """Why a configuration is that of neither model, or of one that is not read; empty where it is."""
    has = [field for field in _ALWAYS if getattr(config, field, False)]
    if not has and not is_21(config):
        return ""
    if not is_21(config) or len(has) < len(_ALWAYS):
        lacking = [field for field in ("hierarchical_layers", *_ALWAYS) if not getattr(config, field, None)]
        return f"its config is V-JEPA 2.1's without {', '.join(lacking)}, which is neither V-JEPA 2 nor 2.1"
    config.num_distillation_outputs = getattr(config, "num_distillation_outputs", None) or 1
    config.teacher_embed_dim = getattr(config, "teacher_embed_dim", None)
    config.use_context_projection = bool(getattr(config, "use_context_projection", False))
    levels, depth, patch = config.hierarchical_layers, config.num_hidden_layers, config.patch_size
    if levels[-1] != depth - 1 or levels != sorted(set(levels)) or levels[0] < 0:
        return f"its levels {levels} do not increase to the last of {depth} blocks"
    if not 1 <= config.num_distillation_outputs <= len(levels):
        return f"its predictor reads {config.num_distillation_outputs} levels, and there are {len(levels)}"
    if patch not in (14, 16) or config.crop_size < 2 * patch:
        return f"V-JEPA 2.1 has patches of 14 or 16 px, two or more a side, not {patch} px of {config.crop_size}"
    if getattr(config, "n_registers", 0) or getattr(config, "has_cls_first", False):
        return "its config has class or register tokens, which no released V-JEPA 2.1 has, and which are not read"
    if getattr(config, "pretrained_crop_size", 256) != 256:
        return f"its positions are scaled to {config.pretrained_crop_size} px, and those of V-JEPA 2.1 to 256"
    if config.hidden_act == "silu":
        return "its config has SwiGLU blocks, which no released V-JEPA 2.1 has, and which are not read"
    return ""


def read_part(folder: Path, part: str, *, name: str, of_21: bool = True) -> dict[str, Tensor]:
    """The weights of an encoder or predictor in a folder's safetensors: V-JEPA 2.1's by this package's names,
    V-JEPA 2's by transformers'.

    Raises:
        RegistryError: no safetensors, broken ones, or weights that are not floats.
    """
    from safetensors import SafetensorError, safe_open

    found: dict[str, Tensor] = {}
    other = "predictor." if part == "encoder" else "encoder."
    refuse_quantized(folder, name=name, apart=of_a_head)
    try:
        for path in _files(folder, name):
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118 (no dict)
                    # What is of no part that is known is too much in any.
                    known = named(key) if of_21 else re.sub(*_NAMES[0], key)
                    if not known.startswith((other, *_HEADS)):
                        _add(found, known, file.get_tensor(key), name=name, of_21=of_21)
    except (OSError, SafetensorError) as error:
        raise RegistryError(f"cannot load the weights of {name}: {str(error).splitlines()[0]}") from error
    return _by_level(found) if of_21 else found


def named(key: str) -> str:
    """This package's name of a weight."""
    for pattern, here in _NAMES:
        key = re.sub(pattern, here, key)
    return key


def norms_in(keys: Iterable[str]) -> tuple[int, ...]:
    """The levels of which there are norms."""
    found = (re.match(r"encoder\.norms_block\.(\d+)\.", key) for key in keys)
    return tuple(sorted({int(one[1]) for one in found if one}))


def of_a_head(key: str) -> bool:
    """Whether a weight, by its published name, is of a head, which nothing here uses."""
    return named(key).startswith(_HEADS)


def mixed_up(unexpected: Iterable[str], missing: Iterable[str], *, of_21: bool) -> str:
    """Says that weights are of the one version and their config of the other; empty where nothing speaks for it."""
    foreign, lacking = (_OF_2, _OF_21) if of_21 else (_OF_21, _OF_2)
    found = sorted(filter(foreign.search, unexpected))
    if not found or not any(map(lacking.search, missing)):
        return ""
    of_weights, of_config = ("2", "2.1") if of_21 else ("2.1", "2")
    return (
        f"its weights are V-JEPA {of_weights}'s ({found[0]}), its config.json says V-JEPA {of_config}. They turn "
        "positions otherwise, and one under the other's code gives other features without an error. Use the "
        "config.json that came with the weights, or `worldprobe convert` on the official .pt."
    )


def _files(folder: Path, name: str) -> list[Path]:
    if not (found := sorted(folder.glob("*.safetensors"))):
        official = sorted(folder.glob("*.pt"))
        how = f"`worldprobe convert {official[0]} OUT` makes them" if official else "save_pretrained writes them"
        raise RegistryError(f"{name} holds no *.safetensors, and nothing else is read: {how}")
    return found


def _add(found: dict[str, Tensor], key: str, tensor: Tensor, *, name: str, of_21: bool) -> None:
    """Add a weight; ``vjepa2_1`` has some twice, which have to be equal, and its mask tokens as one."""
    import torch

    if of_21 and key == "predictor.embeddings.mask_tokens":
        found |= {f"{key}.{number}": token for number, token in enumerate(tensor)}
    elif key not in found:
        found[key] = tensor
    elif not torch.equal(found[key], tensor):
        raise RegistryError(f"{name} holds {key} twice, and they differ")


def _by_level(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """transformers numbers the norms of those levels that the predictor reads, which are the last of the four."""
    mark = "encoder.distillation_norms."
    numbers = {int(key.removeprefix(mark).partition(".")[0]) for key in found if key.startswith(mark)}
    first = 4 - len(numbers)
    return {
        re.sub(rf"^{re.escape(mark)}(\d+)", lambda m: f"encoder.norms_block.{first + int(m[1])}", key): tensor
        for key, tensor in found.items()
    }
