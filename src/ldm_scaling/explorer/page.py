"""The explorer as one text: a template, the library that draws, and what it shows as JSON."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

_TEMPLATES = tuple(Path(__file__).with_name(f"page.{kind}") for kind in ("html", "css", "js"))


def page(content: dict[str, Any]) -> str:
    """The page. plotly.js is compressed in it, which makes it 3 MB smaller."""
    template, style, script = (path.read_text(encoding="utf-8") for path in _TEMPLATES)
    library = b64encode(zlib.compress(get_plotlyjs().encode(), 9)).decode()
    # "</" or "<!--" would end or swallow the element
    shown = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {"STYLE": style, "SCRIPT": script, "LIBRARY": library, "CONTENT": shown}
    for name, text in parts.items():
        template = template.replace(f"{{{{{name}}}}}", text, 1)
    return template
