"""timm:NAME: image models of timm (extra ``[timm]``), by a name of its registry, a hub id or a folder.

Tokens are those of ``forward_features``, which is the last block; of networks whose blocks have one grid the others
are taken too, through the final norm. Networks of stages are read at one of them: the last, or ``?stage=2``.
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worldprobe.encoders import checkpoint
from worldprobe.encoders.pixels import Fit, Pixels
from worldprobe.encoders.quantized import refuse_broken, refuse_quantized
from worldprobe.encoders.vision.spec import spec_of
from worldprobe.encoders.vision.timm_forward import TimmForward, shapes_of
from worldprobe.encoders.vision.tower import Tower, computed
from worldprobe.errors import RegistryError
from worldprobe.io import hub

TWIN_SEED = 1
_FILE = "model.safetensors"
_EXTRA = "pip install 'worldprobe[timm]', with the torchvision that fits your torch"


def timm_model(argument: str | None = None, *, device: str = "auto", precision: str = "auto") -> Tower:
    """timm:NAME: an image model of timm, read strictly; a name of its registry, a hub id or a folder.

    Raises:
        RegistryError: timm is not here, has no such model, or its weights or settings are not read.
    """
    return _tower(argument, trained=True, device=device, precision=precision)


def untrained(argument: str, *, device: str = "auto", precision: str = "auto") -> Tower:
    """The untrained twin of ``timm:ARGUMENT``; of a name of timm's registry it needs no network."""
    return _tower(argument, trained=False, device=device, precision=precision)


def _tower(argument: str | None, *, trained: bool, device: str, precision: str) -> Tower:
    import torch

    name = f"timm:{argument or ''}"
    timm = _timm(name)
    spec = spec_of(argument or "")
    built, source = _found(timm, spec.source, trained=trained, name=name)
    with torch.device("meta"):
        model = _build(timm, built, name=name, num_classes=0)
    pixels = pixels_of(model.pretrained_cfg, name=name)
    resized = spec.size or pixels.size
    if resized != (own := pixels.size):
        pixels = pixels.sized(*resized)
        with torch.device("meta"):
            _resize(model, pixels, name=name)
    shapes = shapes_of(model.eval(), pixels, spec, name=name)
    origin: dict[str, Any] = {"timm": timm.__version__}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(TWIN_SEED)
        model = _build(timm, built, name=name, **({} if trained else {"num_classes": 0}))
    if trained:
        _load(model, source, name=name)
        model.reset_classifier(0)
        revision, origin = checkpoint.revision(source), origin | checkpoint.origin(source)
    else:
        weights = {key: tuple(value.shape) for key, value in model.state_dict().items()}
        revision = f"untrained seed {TWIN_SEED} timm {timm.__version__} {type(model).__name__} {weights}"
        origin |= {"checkpoint": f"none: untrained, seed {TWIN_SEED}"}
    if resized != own:
        _resize(model, pixels, name=name)
    where, numbers = computed(device, precision)
    return Tower(
        TimmForward(model, shapes, pixels, spec, device=where, precision=numbers),
        pixels,
        name=name if trained else f"random:{name}",
        revision=f"{revision} stage {spec.stage}",
        status="trained" if trained else "untrained",
        cls=spec.cls,
        origin=origin,
    )


def _timm(name: str) -> Any:
    try:
        import timm
    except ImportError as error:
        raise RegistryError(f"{name} needs timm, which is an extra: {_EXTRA}") from error
    except RuntimeError as error:  # a torchvision that was built for another torch
        raise RegistryError(
            f"{name}: timm cannot be imported ({checkpoint.first_line(error)}): {_EXTRA}"
        ) from error
    return timm


def _found(timm: Any, source: str, *, trained: bool, name: str) -> tuple[str, str]:
    """What timm builds a model by, and the folder or hub id of its weights.

    Raises:
        RegistryError: there is no such model, or none of its weights.
    """
    if not source:
        raise RegistryError("timm: which model? For instance timm:vit_small_patch14_dinov2.lvd142m")
    if Path(source).is_dir() or hub.is_id(source):
        if "architecture" not in checkpoint.written_config(source):
            raise RegistryError(f"{name}: its config.json names no architecture of timm")
        return f"local-dir:{checkpoint.folder_with(source, 'config.json')}", source
    try:
        known = timm.get_pretrained_cfg(source)
    except RuntimeError:
        known = None
    if known is None and not timm.is_model(source):
        near = difflib.get_close_matches(source, [*timm.list_pretrained(), *timm.list_models()], n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ". timm.list_pretrained() names them"
        raise RegistryError(f"timm {timm.__version__} has no model {source!r}{meant}")
    repository = getattr(known, "hf_hub_id", None)
    if trained:
        if not repository:
            raise RegistryError(f"{name}: timm names no weights of it on the hub; random:{name} is it untrained")
        checkpoint.written_config(repository)  # fetches it, or says what to fetch
    return source, repository or ""


def _build(timm: Any, built: str, *, name: str, **options: Any) -> Any:
    try:
        return timm.create_model(built, pretrained=False, **options)
    # Of hundreds of networks each fails in its own way.
    except Exception as error:
        raise RegistryError(f"{name}: timm does not build it: {checkpoint.first_line(error)}") from error


def _load(model: Any, source: str, *, name: str) -> None:
    """Put all weights of a checkpoint into a model; its classifier's may be absent, and are of no use.

    Raises:
        RegistryError: there are none, or any that are missing, too many, or of another shape or type.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = checkpoint.folder_with(source, _FILE)
    refuse_quantized(folder, name=name)
    try:
        weights = load_file(folder / _FILE)
    except (OSError, SafetensorError) as error:
        raise RegistryError(f"cannot load the weights of {name}: {checkpoint.first_line(error)}") from error
    # Layouts of the models' authors, which timm renames as it loads; what has its own shape already is not resized.
    renamed = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    report = _report(model, weights)
    if renamed is not None and report["unexpected_keys"] and not report["mismatched_keys"]:
        weights = renamed(weights, model)
        report = _report(model, weights)
    heads = model.pretrained_cfg.get("classifier") or ()
    apart = tuple(f"{head}." for head in ((heads,) if isinstance(heads, str) else heads))
    checkpoint.check(report, name=name, part="encoder", apart=apart)
    refuse_broken(((key, one) for key, one in weights.items() if key not in report["unexpected_keys"]), name=name)
    model.load_state_dict({k: v for k, v in weights.items() if k not in report["mismatched_keys"]}, strict=False)


def _report(model: Any, weights: Mapping[str, Any]) -> dict[str, Any]:
    shapes = model.state_dict()
    return {
        "missing_keys": shapes.keys() - weights.keys(),
        "unexpected_keys": weights.keys() - shapes.keys(),
        "mismatched_keys": {key for key in shapes.keys() & weights if shapes[key].shape != weights[key].shape},
    }


def _resize(model: Any, pixels: Pixels, *, name: str) -> None:
    """Bring a model's positions to another size, as timm does. Raises RegistryError where it cannot."""
    width, height = pixels.size
    try:
        if hasattr(model, "set_input_size"):
            model.set_input_size((height, width))
            return
    # Of hundreds of networks each fails in its own way.
    except Exception as error:
        raise RegistryError(
            f"{name} does not take {width} x {height} px: {checkpoint.first_line(error)}"
        ) from error
    if model.pretrained_cfg.get("fixed_input_size"):
        side = model.pretrained_cfg["input_size"][-1]
        raise RegistryError(f"{name} knows its own size alone, {side} px: leave ?size= out")


def pixels_of(written: Mapping[str, Any], *, name: str) -> Pixels:
    """A model's ``pretrained_cfg`` as what timm's own evaluations do with a picture.

    Raises:
        RegistryError: settings that are not read.
    """
    channels, height, width = written.get("input_size", (3, 224, 224))
    resample, mode = written.get("interpolation", "bicubic"), written.get("crop_mode") or "center"
    share = float(written.get("crop_pct") or 1.0)
    if channels != 3:
        raise RegistryError(f"{name} takes {channels} channels, not red, green and blue")
    if resample not in ("bilinear", "bicubic"):
        raise RegistryError(f"{name}: its pictures are resized by {resample!r}; read are bilinear and bicubic")
    if not (mode == "squash" and share == 1.0) and not (mode == "center" and height == width):
        raise RegistryError(
            f"{name}: its crop_mode {mode!r} of {share} at {width} x {height} px is not read: read are center of a "
            "square and squash of 1.0"
        )
    fit: Fit = "squash" if mode == "squash" else "crop"
    short = math.floor(height / share) if fit == "crop" else 0
    mean, std = (tuple(float(one) for one in written[key]) for key in ("mean", "std"))
    return Pixels((width, height), fit, short, bicubic=resample == "bicubic", mean=mean, std=std)  # type: ignore[arg-type]
