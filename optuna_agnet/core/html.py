"""Tables as HTML, for reports and for values that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def html_table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Rows as an HTML table; whatever they hold is shown as text.

    Args:
        rows: One sequence of cells a row.
        header: Headings of the columns; none where all are empty.

    Example:
        >>> html_table([("a < b", 1)])
        '<table><tr><td>a &lt; b</td><td>1</td></tr></table>'
    """
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    shown = f"<tr>{head}</tr>" if any(header) else ""
    lines = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
    return "<table>" + shown + "\n".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def in_notebook(content: str) -> str:
    """HTML for a notebook, which would otherwise push the text of tables to the right."""
    style = "<style>.agnet td, .agnet th { text-align: left !important }</style>"
    return f"{style}<div class='agnet'>{content}</div>"


def html_value(title: str, rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """A table under a title, as a notebook shows a value."""
    return in_notebook(f"<strong>{escape(title)}</strong>{html_table(rows, header)}")
