"""A report's parts and how they are written: Markdown, and one HTML page that opens offline."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from optuna_agnet.analysis.figures.style import on_any_page
from optuna_agnet.core.html import html_table, in_notebook

if TYPE_CHECKING:
    import plotly.graph_objects as go

_STYLE = """
:root { color-scheme: light dark; --ink: #202020; --paper: #fff; --line: #d0d0d0; --quiet: #606060 }
@media (prefers-color-scheme: dark) { :root { --ink: #e0e0e0; --paper: #181818; --line: #484848; --quiet: #a0a0a0 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1000px;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse } th, td { padding: .25rem .8rem .25rem 0; text-align: left;
  border-bottom: 1px solid var(--line); vertical-align: top } td:last-child { overflow-wrap: anywhere }
p.note { color: var(--quiet) } .wide { overflow-x: auto; margin-top: .8rem }
.wide > * { min-width: 640px; border-radius: 6px }
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: a table with a heading, what to keep in mind about it, and a picture as SVG text."""

    title: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    note: str = ""
    picture: str = ""


@dataclass(frozen=True)
class Report:
    """A study's report. ``print`` gives its Markdown without pictures; a notebook shows all of it.

    Args:
        title: Its heading.
        sections: Tables, notes and pictures.
        figures: Plotly figures by name, for the HTML form; empty without plotly.
    """

    title: str
    sections: tuple[Section, ...]
    figures: dict[str, go.Figure] = field(default_factory=dict)

    def __str__(self) -> str:
        return self._markdown({})

    @property
    def markdown(self) -> str:
        """GitHub's Markdown, with pictures as data links, which GitHub itself does not show; `save` does better."""
        data = {
            section.title: base64.b64encode(section.picture.encode()).decode()
            for section in self._pictured
        }
        return self._markdown({k: f"data:image/svg+xml;base64,{v}" for k, v in data.items()})

    @property
    def _pictured(self) -> list[Section]:
        return [section for section in self.sections if section.picture]

    def _markdown(self, links: Mapping[str, str]) -> str:
        parts = [f"# {plain(self.title)}"]
        for section in self.sections:
            parts.append(f"## {section.title}")
            if section.rows:
                parts.append(_markdown_table(section))
            if section.note:
                parts.append(plain(section.note))
            if section.title in links:
                parts.append(f"![{section.title}]({links[section.title]})")
        return "\n\n".join(parts) + "\n"

    @property
    def html(self) -> str:
        """One page that opens offline; light or dark as the reader's system is."""
        parts = [
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
            "<meta name='viewport' content='width=device-width'>",
            f"<title>{html.escape(self.title)}</title><style>{_STYLE}</style></head><body>",
            *self._html_sections(),
            *self._html_figures(),
            "</body></html>",
        ]
        return "\n".join(parts)

    def _html_sections(self) -> list[str]:
        parts = [f"<h1>{html.escape(self.title)}</h1>"]
        for section in self.sections:
            parts.append(f"<h2>{html.escape(section.title)}</h2>")
            if section.rows:
                parts.append(html_table(section.rows, section.header))
            if section.note:
                parts.append(f"<p class='note'>{html.escape(section.note)}</p>")
            if section.picture:
                parts.append(f"<div class='wide'>{section.picture}</div>")
        return parts

    def _html_figures(self) -> list[str]:
        parts = ["<h2>Figures</h2>"] if self.figures else []
        for number, figure in enumerate(self.figures.values()):
            shown = on_any_page(type(figure)(figure)).to_html(
                full_html=False,
                include_plotlyjs=number == 0,  # once; 4 MB, and then no network is needed
                config={"displayModeBar": False, "responsive": True},
            )
            parts.append(f"<div class='wide'>{shown}</div>")
        return parts

    def _repr_html_(self) -> str:
        return in_notebook("\n".join(self._html_sections()))

    def _ipython_display_(self) -> None:
        """In a notebook, the tables and pictures and then the figures, for which plotly loads its own script once."""
        from IPython import get_ipython
        from IPython.display import HTML, display

        if getattr(get_ipython(), "kernel", None) is None:  # IPython in a terminal
            print(self)
            return
        display(HTML(self._repr_html_()))
        for figure in self.figures.values():
            display(on_any_page(type(figure)(figure)))

    def save(self, path: str | Path) -> None:
        """Write it to a file: HTML for ``.html``; Markdown for ``.md``, with pictures beside it as ``.svg``.

        Raises:
            ValueError: The file's name ends otherwise.
        """
        path = Path(path)
        if path.suffix == ".html":
            path.write_text(self.html, encoding="utf-8")
        elif path.suffix == ".md":
            links = {}
            for number, section in enumerate(self._pictured):
                picture = path.with_name(f"{path.stem}-{number}.svg")
                picture.write_text(section.picture, encoding="utf-8")
                links[section.title] = picture.name
            path.write_text(self._markdown(links), encoding="utf-8")
        else:
            raise ValueError(f"'{path}' must end in .html or .md")


def plain(text: str) -> str:
    """Text that means nothing special in a Markdown table, and is no HTML tag there."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _markdown_table(section: Section) -> str:
    lines = [section.header, tuple("---" for _ in section.header), *section.rows]
    return "\n".join("| " + " | ".join(map(plain, line)) + " |" for line in lines)
