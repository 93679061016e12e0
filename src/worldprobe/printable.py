"""What users name, made fit to print: no character of a name may steer the terminal or pass for a line of ours."""

from __future__ import annotations

import re

# Control characters, line and paragraph separators, what turns the direction of the text around it, and halves of
# characters, which stand for the bytes of file names that are no UTF-8.
_STEERING = r"\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_ANY = re.compile(f"[{_STEERING}]")
_BUT_LINES = re.compile(f"(?!\n)[{_STEERING}]")
_BREAKS = re.compile(r"\s*[\r\n]\s*")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def printable(text: str) -> str:
    """The text with steering characters as Python writes them (``\\x1b``, ``\\u202e``); lines stay lines."""
    return _BUT_LINES.sub(_written, text)


def one_line(text: str) -> str:
    """As ``printable``, on one line: what libraries say on several is joined by spaces."""
    return _ANY.sub(_written, _BREAKS.sub(" ", text.strip()))


def plain_json(text: str) -> str:
    """JSON with steering characters escaped: the same JSON."""
    return _BUT_LINES.sub(lambda found: _units(found[0]), text)


def ascii_json(text: str) -> str:
    """JSON with every other character than ASCII escaped: the same JSON, for an output that has no UTF-8."""
    return _NOT_ASCII.sub(lambda found: _units(found[0]), text)


def escaped(text: str) -> str:
    """Text that is neither Markdown nor HTML and steers nothing, on one line."""
    text = printable(text)
    for character in "\\`*_[]|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())


def _written(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _units(character: str) -> str:
    """JSON's escape, of two halves beyond the first 65,536 characters."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
