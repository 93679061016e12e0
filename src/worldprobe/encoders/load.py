"""From a name to an encoder, and to the encoders that it is compared with."""

from __future__ import annotations

from worldprobe.controls import Control
from worldprobe.encoders.named import named
from worldprobe.encoders.wrappers.pairs import PREFIX as PAIRS
from worldprobe.encoders.wrappers.squashed import PREFIX
from worldprobe.errors import ConfigError, NoClassToken, RegistryError
from worldprobe.plugins import registry
from worldprobe.protocols import Encoder
from worldprobe.records import Block, Reduction, in_order

_FLOORS = ("pixels", "flow", "gaussian")


def load_encoder(name: str, *, device: str = "auto", precision: str = "auto") -> Encoder:
    """The encoder of a name: a plug-in, ``module:Class``, or a checkpoint's hub id or local folder.

    Raises:
        RegistryError: no such encoder, or a checkpoint that does not fit.
    """
    if not name.strip():
        raise RegistryError("no encoder is named: give one of `worldprobe list encoders`, or a checkpoint's hub id")
    return named(name, device=device, precision=precision)


def stored_name(name: str) -> str:
    """What embeddings are stored under by the encoder that a user named: what it calls itself.

    Raises:
        RegistryError: a third party's encoder, which alone is loaded to be asked, cannot be.
    """
    inner = name.removeprefix(PAIRS).removeprefix(PREFIX)
    return load_encoder(name).name if registry.foreign("encoders", inner) else name


def twin_of(encoder: Encoder) -> str | None:
    """The name of the same architecture untrained, for ``random-init``; None where there is none.

    An encoder of a third party says so by an attribute ``twin``.
    """
    return getattr(encoder, "twin", None)


def class_tokens_of(encoder: Encoder) -> Encoder:
    """The encoder of another's class tokens, which the same pass gives (``protocols.WithClassTokens``).

    Raises:
        NoClassToken: it has none.
    """
    found: Encoder | None = getattr(encoder, "classes", None)
    if found is None:
        why = getattr(encoder, "no_class", "it has no class token")
        raise NoClassToken(
            f"features 'cls' cannot be had of {encoder.name}: {why}. Leave cls out of the features, such as "
            "--features z,grid"
        )
    return found


def control_encoders(name: str, twin: str | None) -> dict[Control, str]:
    """Which encoder each control of an encoder reads, for those that need embeddings of their own."""
    # What is compared with a squashed view has to see as much.
    view = PREFIX if name.removeprefix(PAIRS).startswith(PREFIX) else ""
    floors: tuple[Control, ...] = () if name.removeprefix(PREFIX) in _FLOORS else ("pixels", "flow")
    needed = {floor: view + floor for floor in floors}
    return {"random-init": twin, **needed} if twin else needed


def parse_blocks(text: str, count: int) -> list[Block]:
    """``last``, ``all``, or a list such as ``0,6,11`` or ``last,sum:last4,join:3+7`` to blocks, as ``in_order``.

    Negative indices count from the end. ``sum:`` and ``join:`` take ``all``, ``lastN``, or indices between ``+``.

    Raises:
        ConfigError: not blocks, or not of an encoder with ``count`` of them.
    """
    found: list[Block] = []
    for part in text.split(","):
        kind, colon, members = part.strip().partition(":")
        if not colon:
            found += _single(kind, text, count)
        elif kind == "sum":
            found.append(Reduction("sum", _members(members, text, count)))
        elif kind == "join":
            found.append(Reduction("join", _members(members, text, count)))
        else:
            raise ConfigError(f"--blocks {text!r}: several blocks are read as one by sum or join, not {kind!r}")
    return in_order(found)


def _single(part: str, text: str, count: int) -> list[int]:
    """One part of a list: an index, ``last`` or ``all``."""
    if part in ("last", "all"):
        return list(range(count)) if part == "all" else [count - 1]
    try:
        block = int(part)
    except ValueError:
        raise ConfigError(
            f"--blocks {text!r}: use last, all, indices such as 0,6,11, sum:last4 or join:3+7"
        ) from None
    if not -count <= block < count:
        raise ConfigError(f"--blocks {text!r}: this encoder has blocks 0 to {count - 1}, not {block}")
    return [block % count]


def _members(members: str, text: str, count: int) -> tuple[int, ...]:
    """The blocks that a sum or a join is of."""
    if (last := members.removeprefix("last")) != members and last.isdecimal():
        if not 1 < int(last) <= count:
            raise ConfigError(f"--blocks {text!r}: last{last} is not 2 or more of this encoder's {count} blocks")
        return tuple(range(count - int(last), count))
    found = {block for part in members.split("+") for block in _single(part, text, count)}
    if len(found) < 2:
        raise ConfigError(
            f"--blocks {text!r}: {members!r} is one block alone; several stand between +, such as sum:3+7"
        )
    return tuple(sorted(found))
