"""Sphinx configuration: MyST Markdown, furo, every internal link checked (`-n -W`)."""

project = "titer"
author = "the titer authors"
copyright = "the titer authors, Apache-2.0"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "titer"
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4
html_static_path = ["images"]
