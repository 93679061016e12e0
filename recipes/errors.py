"""All messages of errors on one page, to be read in one go: ``python -m recipes.errors > errors.md``.

A message says what was asked, what was found and what to do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src" / "worldprobe"


def messages() -> Iterator[tuple[str, int, str, str]]:
    """Yield where each error of this package is raised (file, line), its class and its message as it is written."""
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in ERRORS and node.args:
                yield path.relative_to(SOURCES).as_posix(), node.lineno, name, written(node.args[0])


def written(node: ast.expr) -> str:
    """Write a message's expression as text, with what is filled in between braces."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(written(part) for part in parts)
        case ast.FormattedValue(value=value):
            return "{" + ast.unparse(value) + "}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return written(left) + written(right)
        case _:
            return "{" + ast.unparse(node) + "}"


def _errors() -> frozenset[str]:
    """Names of the classes of errors that users are meant to read."""
    tree = ast.parse((SOURCES / "errors.py").read_text(encoding="utf-8"))
    return frozenset(
        [node.name for node in tree.body if isinstance(node, ast.ClassDef)] + ["BadParameter", "InputError"]
    )


ERRORS = _errors()


def page() -> str:
    """Write the page: a heading a file, a line a message."""
    lines, before, count = [], "", 0
    for path, line, name, message in messages():
        if path != before:
            lines += ["", f"## {path}", ""]
            before = path
        lines.append(f"- {line} {name}: {message}")
        count += 1
    return f"# {count} messages\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
