"""Captions in letters that the figures' font lacks: read as text, and never as boxes."""

import numpy as np
import pytest

from ldm_scaling.cells.sheet import draw_sheet
from ldm_scaling.figures import samples
from ldm_scaling.jobs import letters

CACHES = (letters._installed, letters._family_of)


@pytest.fixture
def only_own_font(monkeypatch):
    """As on a system without further fonts."""
    monkeypatch.setattr(letters, "FALLBACKS", ())
    for cached in CACHES:
        cached.cache_clear()
    yield
    for cached in CACHES:
        cached.cache_clear()


@pytest.mark.parametrize("text", ["a wolf, $3", "Åland, “naïve” … Ελλάδα", "😀 ✂ ☀", ""])
def test_what_the_font_has_stays_as_it_is(text):
    assert letters.spelled(text) == text
    assert letters.families(text) == [letters.FAMILY]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a cat 猫 asleep", "a cat [U+732B] asleep"),
        ("ねこ", "[U+306D U+3053]"),
        ("고양이 sleeps", "[U+ACE0 U+C591 U+C774] sleeps"),
        ("a 🦊!", "a [fox face]!"),
    ],
)
def test_without_a_font_letters_have_their_names_or_numbers(only_own_font, text, shown):
    assert letters.spelled(text) == shown
    assert letters.spelled(shown) == shown


def test_a_font_of_the_system_that_has_a_letter_draws_it(monkeypatch, only_own_font):
    known = {
        letters.FAMILY: frozenset(map(ord, "a ")),
        "Noto Sans CJK JP": frozenset(map(ord, "猫")),
    }
    monkeypatch.setattr(letters, "_installed", lambda: list(known))
    monkeypatch.setattr(letters, "_letters", known.__getitem__)
    assert letters.families("a 猫") == list(known)
    assert letters.spelled("a 猫") == "a 猫"


def _texts(caption: str) -> str:
    tiles = [[np.zeros((3, 8, 8), np.uint8)] * 2]
    block = samples.Block(tiles, [caption, "b"], [caption], caption)
    figure = samples.draw_blocks([block], caption)
    return "".join(text.get_text() for text in figure.axes[0].texts)


def test_figures_of_samples_and_contact_sheets_have_no_boxes(only_own_font, recwarn):
    assert "猫" not in _texts("a cat 猫 🦊")
    assert "[fox face]" in _texts("🦊").replace("\n", " ")
    image = np.zeros((1, 3, 8, 8), np.uint8)
    sheets = [draw_sheet(image, [caption]) for caption in ("ねこ", "[U+306D U+3053]", "Åå", "Ää")]
    assert len({sheet.tobytes() for sheet in sheets}) == 4  # boxes would look alike
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
