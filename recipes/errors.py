"""All messages of errors on one page, to be read in one go: ``python -m recipes.errors > errors.md``.

A message says what was asked, what was found and what to do.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src" / "worldprobe"


def messages(sources: Path = SOURCES) -> Iterator[tuple[str, int, str, str]]:
    """Yield where each error for users is made (file, line), its class, and its message as it is written."""
    for path in sorted(sources.rglob("*.py")):
        calls = [one for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(one, ast.Call)]
        for call in sorted(calls, key=lambda one: one.lineno):
            name = ast.unparse(call.func).rpartition(".")[2]
            if name in ERRORS and call.args:
                yield path.relative_to(sources).as_posix(), call.lineno, name, written(call.args[0])


def written(node: ast.expr) -> str:
    """Write a message's expression as text, with what is filled in between braces."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(written(part) for part in parts)
        case ast.FormattedValue(value=value):
            return "{" + ast.unparse(value) + "}"
        case _:
            return "{" + ast.unparse(node) + "}"


def _errors() -> frozenset[str]:
    """Names of the classes of errors that users are meant to read."""
    tree = ast.parse((SOURCES / "errors.py").read_text(encoding="utf-8"))
    return frozenset(
        [node.name for node in tree.body if isinstance(node, ast.ClassDef)] + ["BadParameter", "InputError"]
    )


ERRORS = _errors()


def page(sources: Path = SOURCES) -> str:
    """Write the page: a heading a file, a line a message."""
    found = list(messages(sources))
    lines = [f"# {len(found)} messages"]
    for path, group in itertools.groupby(found, key=lambda one: one[0]):
        lines += ["", f"## {path}", "", *(f"- {line} {name}: {message}" for _, line, name, message in group)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
