"""What the site needs beside mkdocs: equations as MathML, without scripts, and examples as code."""

from __future__ import annotations

import html
import re
from typing import Any

import griffe
from latex2mathml.converter import convert

_EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Each equation as MathML, wide ones to scroll; a tag becomes a number beside it."""

    def mathml(match: re.Match[str]) -> str:
        latex = re.sub(r"\\tag\{(\d+)\}", r"\\qquad (\1)", html.unescape(match[2]))
        if match[1] == "span":
            return convert(latex)
        return f'<div style="overflow-x: auto">{convert(latex, display="block")}</div>'

    return _EQUATION.sub(mathml, content)


class ExampleSections(griffe.Extension):
    """The docstrings' "Example:" is griffe's "Examples:"."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section."""
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE
            )
