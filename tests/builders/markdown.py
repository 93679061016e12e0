"""Code blocks of a Markdown page."""

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", flags=re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    before: str  # what the page says up to the block


def blocks(page):
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [Block(match[1], match[2], text[: match.start()]) for match in _FENCE.finditer(text)]
