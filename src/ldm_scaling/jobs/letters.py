"""Letters that the figures' font lacks, such as Chinese, Japanese, Korean and emoji in captions.

Each is drawn in a font of the system that has it. Without such a font its name or number stands
there instead, so that no caption is a row of boxes. Colours of emoji are not drawn.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata

FAMILY = "DejaVu Sans"
"""ships with matplotlib, so that figures are the same everywhere"""
FALLBACKS = (
    *(f"Noto Sans CJK {region}" for region in ("JP", "SC", "KR", "TC", "HK")),
    *(f"Noto Sans {region}" for region in ("JP", "SC", "KR", "TC")),
    *("Source Han Sans", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "IPAGothic", "NanumGothic"),
    *("Droid Sans Fallback", "Noto Emoji", "Symbola", "Unifont"),
)
"""families that are used where a system has them, in this order"""
_INVISIBLE = ("Cf", "Mn")  # categories of joiners and variation selectors


def families(text: str) -> list[str]:
    """The font families that draw a text: FAMILY, and others where it has letters beyond it."""
    if text.isascii():
        return [FAMILY]
    needed = dict.fromkeys(filter(None, map(_family_of, text)))
    return list(dict.fromkeys([FAMILY, *needed]))


def spelled(text: str) -> str:
    """The text with a substitute for each letter that no font has.

    A symbol is called by its name in Unicode, [fox face]; other letters by their numbers, [U+732B].
    """
    if text.isascii():
        return text
    parts = []
    for known, run in itertools.groupby(text, lambda letter: _family_of(letter) is not None):
        letters = "".join(run)
        parts.append(letters if known else _substitute(letters))
    return "".join(parts)


def _substitute(letters: str) -> str:
    words = []
    for letter in letters:
        kind, name = unicodedata.category(letter), unicodedata.name(letter, "")
        if kind not in _INVISIBLE:
            words.append(name.lower() if kind[0] == "S" and name else f"U+{ord(letter):04X}")
    return f"[{' '.join(words)}]" if words else ""


def font_file(family: str) -> str:
    """The file of a family that `families` gives."""
    from matplotlib.font_manager import FontProperties, findfont

    return str(findfont(FontProperties(family=[family])))


@functools.cache
def _family_of(letter: str) -> str | None:
    """The family that draws a letter, if there is one."""
    if letter.isspace():
        return FAMILY
    return next((name for name in _installed() if ord(letter) in _letters(name)), None)


@functools.cache
def _installed() -> list[str]:
    from matplotlib.font_manager import fontManager

    names = {entry.name for entry in fontManager.ttflist}
    return [FAMILY, *(name for name in FALLBACKS if name in names)]


@functools.cache
def _letters(family: str) -> frozenset[int]:
    """Code points that a family has, also in bold."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = [findfont(FontProperties(family=[family], weight=w)) for w in ("normal", "bold")]
    return frozenset.intersection(*(frozenset(get_font(font).get_charmap()) for font in fonts))
