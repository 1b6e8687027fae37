"""Source `emoji`: Noto, Twemoji and Fluent 3D emoji with their names as captions."""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath

from ...jobs.cli import InputError
from ...study.data import Data
from .records import Record, open_packed
from .tones import CLASSES, DARK, DRAWN, LIGHT, YELLOW

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
_TONED = {"noto": 323, "twemoji": 323, "fluent": 304}
"""concepts of each style that are drawn with all tones; those of fewer are among those of more"""
ARCHIVE_BYTES = 43.25e6
"""bytes of the zip that fetch_emoji writes"""


Files = list[tuple[str, str, str]]
"""style, hexcode and member of the archive of each drawing"""
_TONES = {f"1F3F{letter}": number for number, letter in enumerate("BCDEF", start=1)}
_VARIANTS = (
    set(_TONES) | {"200D", "2640", "2642", "27A1"} | {f"1F9B{number}" for number in range(4)}
)
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


def count(data: Data) -> int:
    """Images of the pinned packages, before exact copies are dropped."""
    if data.tones is None:
        return sum(IMAGES[str(data.skin_tones)][style] for style in data.styles)
    toned = min(_TONED[style] for style in data.styles)
    return sum(IMAGES["drop"][style] + (DRAWN - 1) * toned for style in data.styles)


def toned(data: Data) -> int:
    """Drawings of every tone in the pinned packages, at most."""
    tones = sum(map(len, CLASSES.values()))
    every = tones * len(data.styles) * min(_TONED[style] for style in data.styles)
    return min(every, (data.max_images or every) * tones // DRAWN)


def tone_of(hexcode: str) -> int | None:
    """The skin tone, 1 (light) to 5 (dark), of everybody in a drawing; None if there is none."""
    found = {_TONES[part] for part in hexcode.split("-") if part in _TONES}
    return found.pop() if len(found) == 1 else None


def records(data: Data, archive_path: Path | None) -> list[Record]:
    """Records of the chosen styles, in the archive's order; the concept is the hexcode.

    Skin tones are left out unless the study keeps them; the concept has none. With a share of
    tones, concepts that are drawn with all five in all styles have every light and dark drawing,
    which `tones.drawn` takes some of, and neither the yellow one nor tone 3.
    Raises InputError if the archive is not given or unreadable.
    """
    archive, labels, files = _opened(data, archive_path)
    toned = _toned(files, data.styles) if data.tones else set()
    result = []
    for style, hexcode, member in files:
        concept, tone = _without_tones(hexcode), tone_of(hexcode)
        if concept in toned:
            if tone not in (*LIGHT, *DARK):
                continue
        elif concept != hexcode and data.skin_tones != "keep":
            continue
        shown = tone if concept in toned else None
        label = labels[concept if shown else hexcode]
        result.append(_record(archive, style, hexcode, member, label, shown))
    return result


def in_every_tone(data: Data, archive_path: Path | None) -> list[Record]:
    """Every drawing of the concepts that are drawn with all five tones in all styles.

    In the archive's order; also those that `records` leaves out: yellow ones, of tone `YELLOW`, and
    those of tone 3. Those in which people have several tones are left out here too.
    Raises InputError if the archive is not given or unreadable.
    """
    archive, labels, files = _opened(data, archive_path)
    toned, result = _toned(files, data.styles), []
    for style, hexcode, member in files:
        concept = _without_tones(hexcode)
        tone = YELLOW if concept == hexcode else tone_of(hexcode)
        if concept in toned and tone is not None:
            result.append(_record(archive, style, hexcode, member, labels[concept], tone))
    return result


def _opened(data: Data, archive_path: Path | None) -> tuple[zipfile.ZipFile, dict[str, str], Files]:
    """The archive, names by hexcode, and the drawings of the chosen styles."""
    if archive_path is None:
        raise InputError("--archive: source emoji needs the zip that fetch_emoji writes")
    try:
        archive = zipfile.ZipFile(archive_path)
        labels = json.loads(archive.read("labels.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{archive_path} is unusable ({error}); delete it and run again") from None
    files = [
        (style, PurePath(file).stem, member)
        for member in archive.namelist()
        for style, _, file in [member.partition("/")]
        if style in data.styles
    ]
    return archive, labels, files


def _record(
    archive: zipfile.ZipFile, style: str, hexcode: str, member: str, label: str, tone: int | None
) -> Record:
    caption = f"{label}, {STYLE_WORDS[style]}"
    open_image = partial(open_packed, archive.read, member)
    group = group_of(hexcode)
    return Record(_without_tones(hexcode), caption, member, open_image, group, tone)


def _without_tones(hexcode: str) -> str:
    return "-".join(part for part in hexcode.split("-") if part not in _TONES) or hexcode


def _toned(files: Files, styles: Sequence[str]) -> set[str]:
    """The concepts that are drawn with each of the five tones in each of the styles."""
    found: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for style, hexcode, _ in files:
        if tone := tone_of(hexcode):
            found[_without_tones(hexcode)].add((style, tone))
    return {concept for concept, drawn in found.items() if len(drawn) == len(styles) * len(_TONES)}
