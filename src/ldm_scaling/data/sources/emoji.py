"""Source `emoji`: Noto, Twemoji and Fluent 3D emoji with their names as captions."""

from __future__ import annotations

import json
import zipfile
from functools import partial
from pathlib import Path, PurePath

from ...jobs.cli import InputError
from ...study.data import Data
from .records import Record, open_packed

STYLE_WORDS = {
    "noto": "noto emoji style",
    "twemoji": "flat twemoji style",
    "fluent": "3d fluent style",
}

IMAGES = {
    "drop": {"noto": 1911, "twemoji": 1911, "fluent": 1852},
    "keep": {"noto": 3786, "twemoji": 3786, "fluent": 3372},
}
"""images of each style, by skin_tones, in the pinned packages: for plans before they are fetched"""
ARCHIVE_BYTES = 43.25e6
"""bytes of the zip that fetch_emoji writes"""


_TONES = {f"1F3F{letter}" for letter in "BCDEF"}
_VARIANTS = _TONES | {"200D", "2640", "2642", "27A1"} | {f"1F9B{number}" for number in range(4)}
"""skin tones, joiner, signs of gender, facing right, kinds of hair"""
_PERSON, _CHILD, _OLD = "1F9D1", "1F9D2", "1F9D3"
_SAME = {"1F468": _PERSON, "1F469": _PERSON, "1F471": _PERSON, "1F9D4": _PERSON}
_SAME |= {"1F466": _CHILD, "1F467": _CHILD, "1F474": _OLD, "1F475": _OLD}
_SAME |= {"1F936": "1F385", "1F478": "1F934", "1FAC5": "1F934"}
_COUPLES = {"1F46A", "1F46B", "1F46C", "1F46D", "1F46F", "1F48F", "1F491"}


def group_of(hexcode: str) -> str:
    """The hexcode of what several emoji are variants of.

    Such as of a man, a woman and a person at one occupation, of families and couples, of all clock
    faces, and of all keycaps.
    """
    parts = hexcode.split("-")
    if len(parts) == 1 and 0x1F550 <= int(parts[0], 16) <= 0x1F567:
        return "clocks"
    if parts[-1] == "20E3":
        return "keycaps"
    people = [_SAME.get(part, part) for part in parts]
    kept = [part for part in people if part not in _VARIANTS] or parts
    of_people = {_PERSON, _CHILD, "2764", "1F48B", "1F91D"}
    if kept[0] in _COUPLES or (len(kept) > 1 and set(kept) <= of_people):
        return "couples"
    return "-".join(kept)


def records(data: Data, archive_path: Path | None) -> list[Record]:
    """Records of the chosen styles, in the archive's order; the concept is the hexcode.

    Skin tones are left out unless the study keeps them; the concept has none.
    Raises InputError if the archive is not given or unreadable.
    """
    if archive_path is None:
        raise InputError("--archive: source emoji needs the zip that fetch_emoji writes")
    try:
        archive = zipfile.ZipFile(archive_path)
        labels = json.loads(archive.read("labels.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{archive_path} is unusable ({error}); delete it and run again") from None
    result = []
    for member in archive.namelist():
        style, _, file = member.partition("/")
        if style in data.styles:
            hexcode = PurePath(file).stem
            parts = hexcode.split("-")
            concept = "-".join(part for part in parts if part not in _TONES) or hexcode
            if concept != hexcode and data.skin_tones == "drop":
                continue
            caption = f"{labels[hexcode]}, {STYLE_WORDS[style]}"
            open_image = partial(open_packed, archive.read, member)
            result.append(Record(concept, caption, member, open_image, group_of(hexcode)))
    return result
