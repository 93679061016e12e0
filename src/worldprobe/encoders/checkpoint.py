"""V-JEPA 2 and 2.1 checkpoints: configuration, encoder and predictor, each loaded strictly or not at all."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worldprobe.encoders import known, layouts
from worldprobe.encoders.forward import is_21, takes_actions
from worldprobe.encoders.quantized import refuse_broken
from worldprobe.errors import RegistryError
from worldprobe.io import hub
from worldprobe.io.files import sha256
from worldprobe.io.hub import fetched
from worldprobe.io.lfs import lfs_pointer
from worldprobe.quiet import no_loading_bars, no_loading_report

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import VJEPA2Config

# A checkpoint fine-tuned for classification carries a head that nothing here uses.
_CONFIG = "config.json"
_HEADS = ("pooler.", "classifier.")
_NO_PREDICTOR = (
    "{} holds no predictor: its checkpoint is an encoder alone, which cannot tell the future. "
    "Use a checkpoint with both, such as vjepa2-tiny or facebook/vjepa2-vitl-fpc64-256."
)


def load_model(source: str, config: VJEPA2Config, *, name: str) -> Any:
    """The model at a hub id or folder, of which only the encoder is promised to be whole.

    Returns:
        ``vjepa2.Model`` or ``vjepa21.Model``, of whose predictor there are shapes alone.

    Raises:
        RegistryError: weights of the encoder that are missing, too many or of another shape.
    """
    return _read_part(source, config, "encoder", name=name)


def load_predictor(source: str, config: VJEPA2Config, *, name: str) -> Any:
    """The predictor at a hub id or folder, in fp32 on the CPU: ``vjepa2.Predictor``, or 2.1's.

    Raises:
        RegistryError: the checkpoint holds none, or one that does not fit, or that speaks in its teacher's space.
    """
    _refuse_others(config, name)
    return _read_part(source, config, "predictor", name=name).predictor.float()


def fresh(config: VJEPA2Config, *, seed: int) -> Any:
    """A model with random weights; the global generator is left as it was."""
    import torch

    from worldprobe.encoders.networks import vjepa2, vjepa21

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return vjepa21.fresh(config) if is_21(config) else vjepa2.fresh(config)


def fresh_predictor(config: VJEPA2Config, *, seed: int, name: str) -> Any:
    """A predictor with random weights, the same for the same seed.

    Raises:
        RegistryError: the trained one would speak in its teacher's space.
    """
    _refuse_others(config, name)
    return fresh(_without_encoder(config), seed=seed).predictor


def bare(config: VJEPA2Config) -> Any:
    """A model of the shapes alone, on torch's ``meta`` device."""
    import torch

    from worldprobe.encoders.networks import vjepa2, vjepa21

    with torch.device("meta"):
        return vjepa21.Model(config) if is_21(config) else vjepa2.Model(config)


def architecture(config: VJEPA2Config) -> str:
    """What makes two untrained encoders equal, as JSON."""
    kept = (
        "crop_size", "patch_size", "tubelet_size", "hidden_size", "num_hidden_layers",
        "num_attention_heads", "mlp_ratio", "layer_norm_eps", "qkv_bias", "hidden_act",
        *(("hierarchical_layers",) if is_21(config) else ()),
    )  # fmt: skip
    return json.dumps({key: getattr(config, key) for key in kept}, sort_keys=True)


def load_config(name: str) -> VJEPA2Config:
    """The configuration in a folder, or of a repository on the hub, which is asked of names that may be its alone.

    Raises:
        RegistryError: there is no checkpoint, or one of another model.
    """
    return layouts.read_config(written_config(name), name=name)


def written_config(name: str) -> dict[str, Any]:
    """What the config in a folder, or of a repository on the hub, says; of whatever model.

    Raises:
        RegistryError: there is no checkpoint.
    """
    from transformers import PretrainedConfig

    known.require_place(name)
    try:
        written, _ = PretrainedConfig.get_config_dict(name, local_files_only=_here_only(name))
    except (OSError, ValueError, RegistryError) as error:
        raise RegistryError(
            f"no encoder {name!r}: no known name, and no checkpoint is found under it as a folder or hub id "
            f"({_pointer_in(name) or first_line(error)}){_without_network(name)}{known.instead(name)}"
        ) from error
    return dict(written)


def _without_network(name: str) -> str:
    """Words on how a checkpoint of the hub gets here, where the hub does not answer; none where it does."""
    try:
        if Path(name).is_dir() or hub.answers(name):
            return ""
    except RegistryError:  # it does, that there is none
        return ""
    return (
        f"; the hub does not answer here: `hf download {name}` where it does, with --local-dir for a folder to "
        "bring and name instead"
    )


def _here_only(source: str) -> bool:
    """Whether only the local cache can be asked: the hub does not answer, or need not be asked."""
    return Path(source).is_dir() or not hub.answers(source)


def revision(name: str) -> str:
    """The hub's commit, or for a folder the hash of its config and weights."""
    folder = Path(name)
    if not folder.is_dir():
        return f"{name}@{fetched(name, _CONFIG)[0]}"
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(bytes.fromhex(_sha256(path)))
    return digest.hexdigest()


def origin(name: str) -> dict[str, Any]:
    """Which checkpoint it is, as whoever reads a result may check it: ``sha256sum`` and hubs give the same hashes.

    ``checkpoint`` is "hub id@commit", or "folder"; ``weights`` has the sha256 of each file that was loaded.
    """
    folder = Path(name)
    if folder.is_dir():
        return {"checkpoint": "folder", "weights": _weights(folder)}
    commit, folder = fetched(name, _CONFIG)
    return {"checkpoint": f"{name}@{commit}", "weights": _weights(folder)}


def _weights(folder: Path) -> dict[str, str]:
    return {path.name: _sha256(path) for path in _files(folder) if path.suffix == ".safetensors"}


def _files(folder: Path) -> list[Path]:
    return sorted([*folder.glob(_CONFIG), *folder.glob("*.safetensors")])


def _sha256(path: Path) -> str:
    """Of a file's content; one that was read a moment ago is not read again."""
    found = path.stat()
    return _sha256_of(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256_of(path: Path, size: int, changed: int) -> str:
    return sha256(path)


def first_line(error: Exception) -> str:
    """An error's message without what follows its first line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _pointer_in(source: str) -> str:
    """The words that a folder holds Git LFS pointers where weights or their config should be; none where not."""
    found = (lfs_pointer(path) for path in (_files(Path(source)) if Path(source).is_dir() else []))
    return next(filter(None, found), "")


def _without_encoder(config: VJEPA2Config) -> VJEPA2Config:
    # The encoder's blocks are nearly all of the weights: a model without them costs next to nothing.
    small = copy.deepcopy(config)
    small.num_hidden_layers = 0
    return small


def _refuse_others(config: VJEPA2Config, name: str) -> None:
    """Raises RegistryError for predictors whose answers cannot be had from tokens alone, or not be compared."""
    if takes_actions(config):
        raise RegistryError(
            f"{name} is V-JEPA 2-AC's: its predictor tells the next frame from actions and states, which plain "
            "prediction has not. `worldprobe predict --actions TABLE` has: it measures the energy of actions"
        )
    if teacher := getattr(config, "teacher_embed_dim", None):
        raise RegistryError(
            f"{name} was distilled: its predictor speaks in the {teacher} dimensions of its teacher, its encoder "
            f"in {config.hidden_size}, so what it tells cannot be held against the encoder's own tokens. "
            "Of V-JEPA 2.1 only g and G have a predictor of their own tokens."
        )


def _read_part(source: str, config: VJEPA2Config, part: str, *, name: str) -> Any:
    """A model with the weights of its encoder or predictor; the other half stays on the ``meta`` device."""
    import torch

    from worldprobe.encoders.networks import vjepa2, vjepa21

    folder = weights_folder(source)
    if pointer := _pointer_in(str(folder)):
        raise RegistryError(f"cannot load the weights of {name}: {pointer}")
    weights = layouts.read_part(folder, part, name=name, of_21=is_21(config))
    if part == "predictor" and not weights:
        raise RegistryError(_NO_PREDICTOR.format(name))
    with torch.device("meta"):
        if is_21(config):
            last = len(config.hierarchical_layers) - 1
            model: Any = vjepa21.Model(config, tuple({*layouts.norms_in(weights), last}))
        else:
            model = vjepa2.Model(config)
    require_whole(weights, model.state_dict(), config, name=name, part=part)
    refuse_broken(weights.items(), name=name)
    model.load_state_dict(weights, strict=False, assign=True)
    return model


def require_whole(
    weights: Mapping[str, Tensor], shapes: Mapping[str, Tensor], config: VJEPA2Config, *, name: str, part: str
) -> None:
    """Raises RegistryError unless weights have all of a part that ``shapes`` has, nothing else, and its shapes."""
    other = "predictor." if part == "encoder" else "encoder."
    wanted, given = ({key: one for key, one in of.items() if not key.startswith(other)} for of in (shapes, weights))
    report = {
        "missing_keys": wanted.keys() - given.keys(),
        "unexpected_keys": given.keys() - wanted.keys(),
        "mismatched_keys": {key for key in wanted.keys() & given if wanted[key].shape != given[key].shape},
    }
    check(report, name=name, part=part, apart=(), of_21=is_21(config))


def weights_folder(source: str) -> Path:
    """Where the safetensors lie; raises as ``folder_with``."""
    return folder_with(source, "*.safetensors")


def folder_with(source: str, pattern: str) -> Path:
    """A checkpoint's folder; files of the hub that match are fetched, of the commit that the config is of.

    Raises:
        RegistryError: they cannot be fetched.
    """
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import snapshot_download

    commit, folder = fetched(source, _CONFIG)
    try:
        snapshot_download(source, revision=commit, allow_patterns=[pattern], local_files_only=_here_only(source))
    # No network in any of its forms: each version of the client has its own errors for them.
    except Exception as error:
        raise RegistryError(f"cannot fetch {pattern} of {source}: {first_line(error)}") from error
    return folder


def read(kind: Any, source: str, config: Any, *, name: str, **made: Any) -> tuple[Any, dict[str, Any]]:
    """A model of one of transformers' classes, and its report on weights that do not fit, which ``check`` takes.

    Args:
        source: hub id or folder.
        made: further arguments of the class.

    Raises:
        RegistryError: there are no weights that can be read.
    """
    from safetensors import SafetensorError

    try:
        with no_loading_bars(), no_loading_report():
            # Other shapes are refused by the part that they concern, with the others that do not fit.
            model, report = kind.from_pretrained(
                source,
                config=config,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                # Of the commit that the config is of, whatever the hub has got in the meantime.
                revision="main" if Path(source).is_dir() else fetched(source, _CONFIG)[0],
                use_safetensors=True,  # the other format is a pickle
                local_files_only=_here_only(source),
                **made,
            )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        why = _pointer_in(source) or first_line(error)
        raise RegistryError(f"cannot load the weights of {name}: {why}") from error
    return model, report


def check(
    report: dict[str, Any], *, name: str, part: str, apart: tuple[str, ...], of_21: bool | None = None
) -> None:
    """Refuse a part that is not whole; keys that begin with one of ``apart`` are of other parts.

    Args:
        of_21: whether the config says V-JEPA 2.1, where it says V-JEPA 2 or 2.1.
    """
    missing, unexpected, mismatched = (
        sorted(key for key in map(_key, report.get(kind, ())) if not key.startswith(apart))
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
    )
    if of_21 is not None and (mixed := layouts.mixed_up(unexpected, missing, of_21=of_21)):
        raise RegistryError(f"{name}: {mixed}")
    if missing or unexpected or mismatched:
        raise RegistryError(
            f"{name}: its {part} does not fit its own config: {len(missing)} weights missing {missing[:3]}, "
            f"{len(unexpected)} unexpected {unexpected[:3]}, {len(mismatched)} of another shape {mismatched[:3]}. "
            "The checkpoint is incomplete or of another model."
        )


def _key(entry: Any) -> str:
    """A weight's name; where shapes differ transformers gives them along with it."""
    return str(entry[0] if isinstance(entry, tuple | list) else entry)
