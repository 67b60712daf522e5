"""HTML of a page: one file that needs no network and no server; all text is escaped."""

from __future__ import annotations

import base64
import gzip
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
    names = ("style.css", "table.js", "difference.js", "slider.js", "page.js")
    style, *scripts = ((FOLDER / name).read_text(encoding="utf-8") for name in names)
    script = "\n".join(scripts)
    charts, plotly = _charts() if any(section.has_charts for section in page.sections) else ("", "")
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    if plotly:
        # Plotly's text is packed as data: charts.js puts it into a script, which runs because its hash is here. Plotly
        # makes styles of its own (`unsafe-inline`), and a blob of the picture that a reader saves; nothing is loaded.
        policy = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        policy += f"script-src '{_hash(script)}' '{_hash(charts)}' '{_hash(plotly)}'"
    return environment.get_template("page.html.jinja").render(
        page=page,
        policy=policy,
        style=Markup(style),  # our own files: the only text that is not escaped
        script=Markup(script),
        data=lambda png: f"data:image/png;base64,{_base64(png)}",
        charts=Markup(charts),
        plotly=gzip.compress(plotly.encode(), mtime=0) if plotly else b"",
        base64=_base64,
    )


def _charts() -> tuple[str, str]:
    """The script that draws charts, and Plotly's."""
    from plotly.offline import get_plotlyjs

    return (FOLDER / "charts.js").read_text(encoding="utf-8"), get_plotlyjs()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
