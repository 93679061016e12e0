"""Draw ``docs/modules.svg`` from import-linter's contracts: ``python -m recipes.draw_modules``."""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "modules.svg"
_ROW, _GAP, _LETTER, _PAD, _WIDTH = 34, 8, 7.2, 12, 880
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1c1f23}.title{font-weight:600;font-size:14px}"
    "rect{fill:#e9f1f9;stroke:#0b5fa5}svg{background:#fff}"
)


def draw() -> str:
    """The picture: a block a contract, a row a layer, a box a module or package."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    parts: list[str] = []
    y = 16.0
    for contract in (one for one in tool["contracts"] if one["type"] == "layers"):
        package = contract.get("containers", [""])[0]
        parts.append(_text(_PAD, y + 10, contract["name"], "title"))
        y += 24
        for layer in contract["layers"]:
            y = _row(parts, y, [f"{package}.{name.strip()}".strip(".") for name in layer.split("|")])
        y += 18
    size = f'viewBox="0 0 {_WIDTH} {y:.0f}" width="{_WIDTH}" height="{y:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    said = "<title>Packages by layer: each imports only from rows below its own</title>"
    return "\n".join([head, said, f"<style>{_STYLE}</style>", *parts, "</svg>", ""])


def _row(parts: list[str], y: float, modules: list[str]) -> float:
    """A layer, on as many lines as it needs; where the next one begins."""
    x = float(_PAD)
    for module in modules:
        name = module.rpartition(".")[2]
        width = 2 * _PAD + _LETTER * len(name)
        if x + width > _WIDTH - _PAD:
            x, y = float(_PAD), y + _ROW
        parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_ROW - _GAP}" rx="4"/>')
        parts.append(_text(x + _PAD, y + 17, name))
        x += width + _GAP
    return y + _ROW


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    look = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{look}>{escape(text)}</text>'


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
