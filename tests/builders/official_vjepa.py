"""Small checkpoints as V-JEPA 2 and 2.1 are published, with weights that follow from their names."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from worldprobe.encoders.official import convert

WIDTH, HEADS, DEPTH, PATCH, CROP = 96, 2, 12, 16, 64
INSIDE, PREDICTOR_DEPTH, MASKS, TEACHER = 144, 4, 3, 160
ACTING, ACTION = 192, 7  # width of V-JEPA 2-AC's predictor, and numbers of an action

State = dict[str, torch.Tensor]


def weight(name: str, *shape: int) -> torch.Tensor:
    """Large enough for attention to be uneven and for every bias, norm and embedding to show."""
    values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    if re.search(r"norm\w*(\.\d+)?\.weight", name):
        return torch.from_numpy(1 + 0.2 * values)
    spread = 0.2 if "qkv" in name or len(shape) == 1 else 0.5 if "mod_embed" in name or "mask" in name else 0.05
    return torch.from_numpy(spread * values)


def blocks(mark: str, width: int, depth: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(depth):
        for name, out, into in (
            ("attn.qkv", 3 * width, width),
            ("attn.proj", width, width),
            ("mlp.fc1", 4 * width, width),
            ("mlp.fc2", width, 4 * width),
        ):
            shapes |= {f"{mark}.{number}.{name}.weight": (out, into), f"{mark}.{number}.{name}.bias": (out,)}
        for norm in ("norm1", "norm2"):
            shapes |= {f"{mark}.{number}.{norm}.{one}": (width,) for one in ("weight", "bias")}
    return shapes


def encoder(version: str) -> State:
    """An encoder's weights as the authors name them."""
    shapes = {"patch_embed.proj.weight": (WIDTH, 3, 2, PATCH, PATCH), "patch_embed.proj.bias": (WIDTH,)}
    shapes |= blocks("blocks", WIDTH, DEPTH)
    if version == "2":
        shapes |= {
            "norm.weight": (WIDTH,),
            "norm.bias": (WIDTH,),
            "pos_embed": (1, 32 * (CROP // PATCH) ** 2, WIDTH),
        }
    else:
        shapes |= {
            "patch_embed_img.proj.weight": (WIDTH, 3, 1, PATCH, PATCH),
            "patch_embed_img.proj.bias": (WIDTH,),
        }
        shapes |= {f"{kind}_mod_embed": (1, 1, WIDTH) for kind in ("img", "video")}
        shapes |= {f"norms_block.{level}.{one}": (WIDTH,) for level in range(4) for one in ("weight", "bias")}
    return {name: weight(name, *shape) for name, shape in shapes.items()}


def predictor(version: str, levels: int = 4, teacher: int | None = None) -> State:
    """A predictor's weights as the authors name them."""
    shapes: dict[str, tuple[int, ...]] = {"predictor_norm.weight": (INSIDE,), "predictor_norm.bias": (INSIDE,)}
    shapes |= blocks("predictor_blocks", INSIDE, PREDICTOR_DEPTH)
    shapes |= {f"mask_tokens.{number}": (1, 1, INSIDE) for number in range(MASKS)}
    out = teacher or levels * WIDTH
    ends = {"predictor_embed": (INSIDE, WIDTH), "predictor_proj": (out, INSIDE)}
    if version == "2":
        shapes["predictor_pos_embed"] = (1, 32 * (CROP // PATCH) ** 2, INSIDE)
    else:
        ends["predictor_proj_context"] = (out, INSIDE)
        shapes |= {f"{kind}_mod_embed": (1, 1, INSIDE) for kind in ("img", "video")}
    if levels > 1:
        del ends["predictor_embed"]
        ends |= {"predictor_embed.0": (WIDTH, levels * WIDTH), "predictor_embed.2": (INSIDE, WIDTH)}
    for name, shape in ends.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return {name: weight("predictor " + name, *shape) for name, shape in shapes.items()}


def action_predictor() -> State:
    """The weights of V-JEPA 2-AC's predictor as the authors name them."""
    shapes: dict[str, tuple[int, ...]] = {"predictor_norm.weight": (ACTING,), "predictor_norm.bias": (ACTING,)}
    shapes |= blocks("predictor_blocks", ACTING, 3)
    ends = {"predictor_embed": (ACTING, WIDTH), "predictor_proj": (WIDTH, ACTING)}
    ends |= {f"{one}_encoder": (ACTING, ACTION) for one in ("action", "state")}
    ends["extrinsics_encoder"] = (ACTING, ACTION - 1)
    for name, shape in ends.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return {name: weight("acting " + name, *shape) for name, shape in shapes.items()}


def official(
    path: Path, version: str, *, levels: int | None = None, teacher: int | None = None, **more: Any
) -> Path:
    """A ``.pt`` as it is published, with what training leaves beside the weights."""
    levels = levels or (1 if version == "2" else 4)
    mark = "module.backbone."
    key = "ema_encoder" if teacher else "target_encoder"
    held = {
        "encoder": {mark + name: one + 1 for name, one in encoder(version).items()},
        key: {mark + name: one for name, one in encoder(version).items()},
        "predictor": {mark + name: one for name, one in predictor(version, levels, teacher).items()},
        "opt": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]},
        "epoch": 7,
        **more,
    }
    torch.save({name: one for name, one in held.items() if one is not None}, path)
    return path


def acting(folder: Path, **more: Any) -> Path:
    """A V-JEPA 2-AC as a folder: both encoders alike, as it was trained, and a predictor that takes actions."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = "module."
    own = {mark + name: one for name, one in encoder("2").items()}
    held = {"encoder": own, "predictor": {mark + name: one for name, one in action_predictor().items()}}
    torch.save({**held, "target_encoder": own, "opt": {"lr": 0.1}, **more}, folder / "official.pt")
    return convert(folder / "official.pt", folder / "encoder", heads=HEADS, crop=CROP).folder


def converted(folder: Path, version: str, **options: Any) -> Path:
    """The same as a folder that is an encoder."""
    folder.mkdir(parents=True, exist_ok=True)
    source = official(folder / "official.pt", version, **options)
    return convert(source, folder / "encoder", heads=HEADS, crop=CROP).folder


def as_transformers(source: Path, out: Path, weights: State) -> Path:
    """A converted V-JEPA 2.1 as transformers' pull request has it: with the norms that its predictor reads."""
    written = json.loads((source / "config.json").read_text())
    levels = written.pop("n_output_distillation")
    fields = {
        "model_type": "vjepa2", "hierarchical_layers": [2, 5, 8, 11], "use_rope_interleave": True,
        "interpolate_rope": True, "use_modality_embeddings": True, "use_image_patch_embedder": True,
        "use_context_projection": written.pop("pred_return_all_tokens"), "num_distillation_outputs": levels,
        "teacher_embed_dim": written.pop("pred_teacher_embed_dim"),
    }  # fmt: skip
    found = {}
    for name, one in weights.items():
        if level := re.match(r"encoder\.norms_block\.(\d)", name):
            if int(level[1]) < 4 - levels:
                continue
            name = name.replace(level[0], f"encoder.distillation_norms.{int(level[1]) - (4 - levels)}")
        found[name.replace("predictor_embed.", "predictor_embeddings.")] = one
    mark = "predictor.embeddings.mask_tokens"
    found[mark] = torch.stack([found.pop(f"{mark}.{number}") for number in range(MASKS)])
    out.mkdir()
    (out / "config.json").write_text(json.dumps({**written, **fields}))
    save_file(found, out / "model.safetensors", metadata={"format": "pt"})
    return out
