"""Skin tones that captions do not name: which of the drawings a study has."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from .records import Record

YELLOW = 0
"""tone of a drawing without one, beside others of its concept that have one"""
LIGHT, DARK, OTHER = (1, 2), (4, 5), (YELLOW, 3)
CLASSES = {"light": LIGHT, "dark": DARK, "other": OTHER}
"""tones of each class of drawings, as many of each"""
DRAWN = 2
"""drawings of each caption that a study has, of four: as many whatever the share"""


def is_light(tone: int) -> bool:
    """Whether a tone is one of the light ones."""
    return tone in LIGHT


def class_of(tone: int) -> int:
    """The place of a tone's class in `CLASSES`."""
    return next(place for place, own in enumerate(CLASSES.values()) if tone in own)


def drawn(records: Sequence[Record], share: float, seed: int) -> list[Record]:
    """The records without those tones that are not drawn, in their order.

    Two of the four drawings of each caption with tones are kept. Light ones have the share of all
    that are kept, rounded to a whole number; captions have as many of them as others, or one more.
    """
    captions: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.tone is not None:
            captions[record.concept, record.caption].append(record)
    generator, keys = random.Random(seed), sorted(captions)
    generator.shuffle(keys)
    least, more = divmod(round(share * DRAWN * len(keys)), max(1, len(keys)))
    kept = set()
    for number, key in enumerate(keys):
        light = least + (number < more)
        for tones, count in ((LIGHT, light), (DARK, DRAWN - light)):
            own = sorted(record.name for record in captions[key] if record.tone in tones)
            kept.update(generator.sample(own, count))
    return [record for record in records if record.tone is None or record.name in kept]
