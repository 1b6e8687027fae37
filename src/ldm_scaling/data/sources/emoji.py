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

IMAGES = {"noto": 1911, "twemoji": 1911, "fluent": 1852}
"""images of each style in the pinned packages, for plans before they are fetched"""
ARCHIVE_BYTES = 20.8e6
"""bytes of the zip that fetch_emoji writes"""


def records(data: Data, archive_path: Path | None) -> list[Record]:
    """Records of the chosen styles, in the archive's order; the concept is the hexcode.

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
            caption = f"{labels[hexcode]}, {STYLE_WORDS[style]}"
            result.append(
                Record(hexcode, caption, member, partial(open_packed, archive.read, member))
            )
    return result
