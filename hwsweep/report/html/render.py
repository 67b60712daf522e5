"""HTML of a page: one file that needs no network and no server; all text is escaped."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hwsweep.report.html.page import Page

FOLDER = Path(__file__).parent


def render(page: Page) -> str:
    """The text of the HTML file. Its content security policy allows only the style and the script of this folder."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("style.css", "sort.js"))
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    return environment.get_template("page.html.jinja").render(
        page=page,
        policy=policy,
        style=Markup(style),  # our own files: the only text that is not escaped
        script=Markup(script),
        data=lambda png: f"data:image/png;base64,{base64.b64encode(png).decode()}",
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
