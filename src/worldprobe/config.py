"""An experiment as a TOML file, or as the options of a command; both are checked here, once."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from worldprobe.controls import CONTROLS
from worldprobe.errors import ConfigError
from worldprobe.io.files import StrPath

DEFAULT_TASKS = ("xy", "size", "class", "motion", "velocity")
# Of simulated robots (``robots:N``), whose truth has all of them.
SIMULATED_TASKS = (
    "depth", "pose", "xyz", "xyz-velocity", "joints", "gripper", "contact", "grasped", "time-to-contact",
    "camera-motion", "relative-action",
)  # fmt: skip
TASKS = (
    *DEFAULT_TASKS, "motion8", "direction", "approach", "count", "visible", "state", "action", "task",
    *SIMULATED_TASKS,
)  # fmt: skip
FEATURES = ("z", "grid", "cls", "delta", "z+delta", "tokens")
DEFAULT_FEATURES = ("z", "grid")
_Input = Literal["native", "still", "shuffled", "reversed"]
INPUTS: tuple[_Input, ...] = get_args(_Input)
# The order in which runs compute and record them.
DEFAULT_CONTROLS = tuple(reversed(CONTROLS))
Evidence = Literal["code", "learning", "unlabelled"]
EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)
# What ``protocol = "original"`` says where a file does not; the second ones are the protocol and cannot be changed.
ORIGINAL_TASKS = ("xy", "size", "class", "motion")
_ORIGINAL = {"tasks": list(ORIGINAL_TASKS), "frames": 8, "classes": "original", "seed": 42, "samples": 10_000}
_ORIGINAL_FIXED = {"features": ["z"], "input": "still", "pool": "space", "blocks": "last", "subject": "main"}
_EXPANDED = ("videos", "labeller", "encoder")
_VARIABLE = re.compile(r"(?P<dollars>\$+)\{(?P<name>[^}]*)\}?")


class Predict(BaseModel):
    """Telling the future: the table ``[predict]`` of an experiment file. Context and horizon count tubelets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    context: int = Field(default=4, ge=1, le=4096)
    horizon: int = Field(default=4, ge=1, le=4096)
    mode: Literal["joint", "rolling"] = "joint"
    windows: int | None = Field(default=None, ge=1)
    videos: int | None = Field(default=None, ge=1)
    twin: bool = True
    pairs: int = Field(default=0, ge=0)
    robot_pairs: int = Field(default=0, ge=0)
    decoder: str | None = None


DECODE_CONTROLS = ("mean-image", "bicubic", "shuffled", "random-init", "pixels")


class Decode(BaseModel):
    """``[decode]``: which decoders to train on the embeddings, and how. What is None is the decoder's own.

    ``blocks`` that are several are joined, side by side. ``options`` go to each decoder by its name:
    ``options = { flow = { latent = "folder" } }``. Controls are trained with the first decoder named.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    decoders: list[str] = Field(default=["cnn"], min_length=1)
    controls: list[str] = list(DECODE_CONTROLS)
    blocks: str = "last"
    size: int | None = Field(default=None, ge=16, le=1024)
    steps: int | None = Field(default=None, ge=1)
    batch: int | None = Field(default=None, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    patience: int | None = Field(default=None, ge=1)
    samples: int = Field(default=8, ge=2, le=64)
    most_tested: int = Field(default=400, ge=1)
    videos: int | None = Field(default=None, ge=1)
    ladder: bool = False
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @field_validator("controls")
    @classmethod
    def _known_controls(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in DECODE_CONTROLS:
                raise ValueError(_unknown(name, DECODE_CONTROLS))
        return names


class Experiment(BaseModel):
    """What to run. Every key of an experiment file, with its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Literal["sound", "original"] = "sound"
    videos: list[str] = Field(min_length=1)
    samples: int | None = Field(default=None, ge=20)
    encoder: str = "vjepa2-tiny"
    labeller: str = "moving"
    confidence: float | None = Field(default=None, gt=0, lt=1)
    every: int | None = Field(default=None, ge=1)
    tracker: Literal["own", "overlap", "bytetrack", "ocsort", "sort"] = "own"
    camera: Literal["kept", "subtracted"] = "kept"
    classes: str | dict[str, list[str]] = "own"
    subject: Literal["main", "all"] = "main"
    tasks: list[str] = list(DEFAULT_TASKS)
    features: list[str] = list(DEFAULT_FEATURES)
    probes: list[str] = Field(default=["linear"], min_length=1)
    controls: list[str] = list(DEFAULT_CONTROLS)
    evidence: list[Evidence] = list(EVIDENCE)
    split: Literal["grouped", "blocked", "random", "video"] = "grouped"
    hold_out: str | None = Field(default=None, min_length=1)
    moments_per_clip: int | None = Field(default=None, ge=1)
    blocks: str = "last"
    pca: int | None = Field(default=None, ge=1)
    pool: Literal["none", "space"] = "none"
    input: str | list[str] = "native"
    frames: int = Field(default=16, ge=1, le=256)
    stride: int = Field(default=1, ge=1, le=1000)
    seed: int = Field(default=0, ge=0)
    device: str = Field(default="auto", pattern=r"^(auto|[a-z]+(:\d{1,3})?)$")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    strict: bool = False
    predict: Predict | None = None
    decode: Decode | None = None

    @field_validator("tasks", "features", "controls")
    @classmethod
    def _known(cls, names: list[str], info: Any) -> list[str]:
        known = {"tasks": TASKS, "features": FEATURES, "controls": DEFAULT_CONTROLS}[info.field_name]
        for name in names:
            if name not in known:
                raise ValueError(_unknown(name, known))
        if not names:
            raise ValueError(f"empty; choose from {', '.join(known)}")
        if again := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"{again[0]!r} stands there twice: name each once")
        return names

    @field_validator("input")
    @classmethod
    def _known_input(cls, written: str | list[str]) -> str | list[str]:
        names = [written] if isinstance(written, str) else written
        for name in names:
            if name not in INPUTS:
                raise ValueError(_unknown(name, INPUTS))
        if not names or len(set(names)) < len(names):
            raise ValueError(f"each once, of {', '.join(INPUTS)}")
        return written

    @model_validator(mode="before")
    @classmethod
    def _of_protocol(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("protocol") != "original":
            return values
        return {**_ORIGINAL, **_ORIGINAL_FIXED, **values}

    @model_validator(mode="after")
    def _consistent(self) -> Experiment:
        if self.protocol == "original":
            self._check_original()
        elif self.samples is not None:
            raise ValueError('samples is only for protocol = "original", which takes so many frames of each video')
        for kind in ("grid", "tokens"):
            if self.pool == "space" and kind in self.features:
                raise ValueError(f'features {kind!r} need tokens: set pool = "none", or features = ["z"]')
        if self.hold_out is not None and (self.split != "grouped" or self.protocol != "sound"):
            raise ValueError('hold_out stands beside split = "grouped", in which whole groups have one value of it')
        if self.moments_per_clip is not None and (self.hold_out is not None or self.protocol != "sound"):
            raise ValueError("moments_per_clip is of sound runs, in which no value is held out")
        if self.moments_per_clip is not None and "still" in self.inputs:
            raise ValueError("moments_per_clip counts a native clip's moments; a still has one: leave either out")
        if self.decode and (self.pool == "space" or self.inputs != ("native",) or self.split == "random"):
            raise ValueError('[decode] needs pool = "none", input = "native", and a split that is not random')
        return self

    def _check_original(self) -> None:
        for key, value in _ORIGINAL_FIXED.items():
            if getattr(self, key) != value:
                raise ValueError(f'{key} is {value!r} in protocol = "original", got {getattr(self, key)!r}')
        for task in self.tasks:
            if task not in ORIGINAL_TASKS:
                raise ValueError(f'protocol = "original" has the tasks {", ".join(ORIGINAL_TASKS)}, not {task!r}')
        if self.pca is not None:
            raise ValueError('pca is of sound runs: leave it out of a file with protocol = "original"')
        if self.predict or self.decode:
            raise ValueError(
                '[predict] and [decode] are parts of sound runs: give them a file without protocol = "original"'
            )
        if self.split == "random":
            raise ValueError(
                'split is what the sound end of protocol = "original" uses, and random is its leaky beginning: '
                "use grouped, blocked or video"
            )

    @property
    def inputs(self) -> tuple[_Input, ...]:
        """What ``input`` names, one or several."""
        names = [self.input] if isinstance(self.input, str) else self.input
        return tuple(INPUTS[INPUTS.index(name)] for name in names)


def read_experiment(path: StrPath) -> Experiment:
    """Read an experiment file.

    Raises:
        ConfigError: no such file, not TOML, an unknown key (the nearest known one is named), a bad value, an
            environment variable that is not set.

    In videos, labeller and encoder, ``${NAME}`` stands for an environment variable and ``${NAME:-text}`` for the
    text where there is none; ``$${`` stands for ``${`` itself.
    """
    return _made(_written(path), path)


def read_encoders(path: StrPath, *, wanted: str | None = None) -> dict[str, Experiment]:
    """Read an experiment file that may name several encoders: an experiment for each, by the name of its run.

    Its table ``[encoders]`` has an encoder for each name, or such tables of its own, of which the ``wanted`` one is
    taken, else the first. A file without it is one experiment, whose name is empty.

    Raises:
        ConfigError: as ``read_experiment``; no such table, or a name that no folder may have.
    """
    written = _written(path)
    table = written.pop("encoders", None)
    if table is None:
        if wanted is not None:
            raise ConfigError(f"{path} has no table [encoders.{wanted}]: it is about one encoder")
        return {"": _made(written, path)}
    if "encoder" in written:
        raise ConfigError(f"{path} has both encoder and [encoders]: leave one of them out")
    chosen = _chosen(table, wanted, path)
    if wrong := [name for name in chosen if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)]:
        raise ConfigError(f"{path}: {wrong[0]!r} in [encoders] names a folder: letters, digits, '.', '_' and '-'")
    return {name: _made({**written, "encoder": encoder}, path) for name, encoder in chosen.items()}


def _chosen(table: Any, wanted: str | None, path: StrPath) -> dict[str, Any]:
    """The names and encoders of a table, or of one of those in it."""
    sets = {key: one for key, one in table.items() if isinstance(one, dict)} if isinstance(table, dict) else {}
    if not isinstance(table, dict) or not table or (sets and len(sets) < len(table)):
        raise ConfigError(f'{path}: [encoders] has NAME = "encoder", or tables of these such as [encoders.small]')
    if wanted is not None and wanted not in sets:
        there = ", ".join(sets) or "none"
        raise ConfigError(f"{path} has no table [encoders.{wanted}]; there are {there}")
    found: dict[str, Any] = sets[wanted or next(iter(sets))] if sets else table
    if not found:
        raise ConfigError(f"{path}: [encoders.{wanted or next(iter(sets))}] is empty")
    return found


def _written(path: StrPath) -> dict[str, Any]:
    path = Path(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no experiment file at {path}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not a TOML file: {error}") from error


def _made(written: dict[str, Any], path: StrPath) -> Experiment:
    path = Path(path)
    expanded = {key: _expanded(value, key, path) if key in _EXPANDED else value for key, value in written.items()}
    return make_experiment(expanded, source=str(path))


def make_experiment(values: dict[str, Any], *, source: str = "the options") -> Experiment:
    """Check values from anywhere. Raises ConfigError naming each one that does not fit."""
    try:
        return Experiment(**values)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                problems.append(_unknown(key, _keys()))
            else:
                problems.append(f"{key}: " * bool(key) + item["msg"].removeprefix("Value error, "))
        raise ConfigError(f"{source}: " + "; ".join(problems)) from error


def unexpanded(value: Any) -> Any:
    """What a key that knows variables holds in a file that ``to_toml`` wrote, read without them."""
    if isinstance(value, list):
        return [unexpanded(one) for one in value]
    return re.sub(r"\$(\$+\{)", r"\1", value) if isinstance(value, str) else value


def _literal(value: Any) -> Any:
    """A string, or the strings of a list, in which no variable is left."""
    if isinstance(value, list):
        return [_literal(one) for one in value]
    return re.sub(r"(\$+\{)", r"$\1", value) if isinstance(value, str) else value


def _expanded(value: Any, key: str, path: Path) -> Any:
    """A string, or the strings of a list, with environment variables in place."""
    if isinstance(value, list):
        return [_expanded(one, key, path) for one in value]
    if not isinstance(value, str):
        return value

    def of(match: re.Match[str]) -> str:
        if match["dollars"] != "$":
            return match[0][1:]
        name, dash, otherwise = match["name"].partition(":-")
        if not match[0].endswith("}") or not name.isidentifier():
            raise ConfigError(f"{path}: {key} holds {match[0]!r}: write ${{NAME}} or ${{NAME:-text}}")
        found = os.environ.get(name) or (otherwise if dash else None)
        if found is None:
            raise ConfigError(f"{path}: {key} names ${{{name}}}, which is not set. Set it: export {name}=...")
        return found

    return _VARIABLE.sub(of, value)


def to_toml(experiment: Experiment) -> str:
    """The experiment as TOML, every key written out, a line each; tables of stages last.

    What stands for no variable here stands for none when it is read: ``${`` of a file's name is written ``$${``.
    """
    import tomli_w

    def one(value: object) -> str:
        return tomli_w.dumps({"_": value}).removeprefix("_ = ").rstrip("\n")

    def written(value: object) -> str:
        # TOML has no null: what is None is left out, and is None again when read.
        if isinstance(value, dict):
            pairs = [f"{one(str(key))} = {written(inner)}" for key, inner in value.items() if inner is not None]
            return "{ " + ", ".join(pairs) + " }"
        if isinstance(value, list | tuple):
            return "[" + ", ".join(written(inner) for inner in value if inner is not None) + "]"
        return one(value)

    def lines(table: BaseModel) -> str:
        plain = [(key, value) for key, value in table if value is not None and not isinstance(value, BaseModel)]
        return "".join(
            f"{key} = {written(_literal(value) if key in _EXPANDED else value)}\n" for key, value in plain
        )

    tables = [(key, value) for key, value in experiment if isinstance(value, BaseModel)]
    return lines(experiment) + "".join(f"\n[{key}]\n{lines(value)}" for key, value in tables)


def _keys() -> tuple[str, ...]:
    """Every key of an experiment file, those of tables as ``table.key``."""
    keys: list[str] = []
    for key, field in Experiment.model_fields.items():
        keys.append(key)
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                keys += [f"{key}.{inner}" for inner in kind.model_fields]
    return tuple(keys)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"unknown {name!r}; {hint}"
