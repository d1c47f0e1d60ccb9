"""Dossiers for people: a verified dossier -> `report` (words, tables, figures) -> HTML or PDF.

Nothing but the verified file is shown, and all of it as text: a dossier is a stranger's.
"""

from __future__ import annotations

from titer.console.render.html import to_html
from titer.console.render.pdf import to_pdf
from titer.console.render.report import report

__all__ = ["report", "to_html", "to_pdf"]
