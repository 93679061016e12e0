"""Colours of the pages, light and dark, against the contrast that WCAG 2.2 asks for (1.4.3, 1.4.11)."""

import re
from pathlib import Path

import pytest

import worldprobe.report

CSS = (Path(worldprobe.report.__file__).parent / "templates" / "base.css.j2").read_text()
LIGHT, DARK = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", part)) for part in CSS.split("@media")[:2])
THEMES = {"light": LIGHT, "dark": {**LIGHT, **DARK}}
TEXT, GRAPHICS = 4.5, 3.0
MOST = 0.46  # of the accent in a heat map's fullest cell


def parts(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * one for one in colour[1:])
    return [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]


def light(parts):
    """Relative luminance, by WCAG's formula."""
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_formula():
    assert contrast(parts("#000"), parts("#fff")) == pytest.approx(21)
    assert contrast(parts("#767676"), parts("#ffffff")) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_marks_stand_out_from_what_is_behind_them(theme):
    colours = {name: parts(value) for name, value in THEMES[theme].items()}
    for behind in ("paper", "tint", "accent-tint", "alarm-tint"):
        for name in ("ink", "soft", "accent", "other", "alarm"):
            assert contrast(colours[name], colours[behind]) >= TEXT, (name, behind)
    for name in (*(f"s{at}" for at in range(7)), "faint", "alarm-line"):
        assert contrast(colours[name], colours["paper"]) >= GRAPHICS, name
    full = [MOST * one + (1 - MOST) * other for one, other in zip(colours["accent"], colours["tint"], strict=True)]
    assert contrast(colours["ink"], full) >= TEXT


def test_the_fullest_cell_is_as_full_as_is_reckoned_here():
    style = (Path(worldprobe.report.__file__).parent / "templates" / "style.css.j2").read_text()
    assert f"var(--accent) calc(var(--share) * {MOST * 100:.0f}%), var(--tint)" in style
