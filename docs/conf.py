# SPDX-License-Identifier: Apache-2.0
"""The site of these pages: Sphinx reads the Markdown where it lies. `make docs` builds it.

The navigation is ``docs/README.md``: each of its sections becomes one of the sidebar. A page that
it does not link is an error, and so is a link that leads nowhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
MAP = ROOT / "docs" / "README.md"

project = "zoo"
project_copyright = ""
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/*/*.md", "plugins/*/*.md"]
exclude_patterns = [
    "docs/README.md",
    "build",
    ".venv",
    "demo*",
    "data",
    "work_dirs",
    "**/tests/**",
    "**/.*",
]
myst_heading_anchors = 4
highlight_language = "none"
nitpicky = True

html_theme = "furo"
html_title = "zoo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "sidebar_hide_name": False,
    "light_css_variables": {"color-brand-primary": "#0b5f8a", "color-brand-content": "#0b5f8a"},
    "dark_css_variables": {"color-brand-primary": "#7cc4e8", "color-brand-content": "#7cc4e8"},
}
pygments_style = "a11y-light"
pygments_dark_style = "github-dark"

_LINK = re.compile(r"\]\(([^)#\s:]+\.md)\)")


def _toctrees(text: str) -> str:
    """Return a hidden tree for each section of the map."""
    trees = []
    for section in text.split("\n## ")[1:]:
        caption, _, body = section.partition("\n")
        pages = [(MAP.parent / link).resolve() for link in _LINK.findall(body)]
        listed = dict.fromkeys(page.relative_to(ROOT).as_posix() for page in pages)
        start = ["self" if page == f"{root_doc}.md" else page for page in listed]
        trees.append(_tree(start, caption=caption))
    return "".join(trees)


def _tree(pages: list[str], *, caption: str | None = None) -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "", "```{toctree}", *options, "", *pages, "```", ""])


def read_page(app: Sphinx, name: str, content: list[str]) -> None:
    """Add what Sphinx needs and GitHub does not: trees of pages, and files for linked folders."""
    path = ROOT / f"{name}.md"
    content[0] = re.sub(r"\]\(([^)#\s:]+)\)", lambda link: _page_of_folder(path, link), content[0])
    if name == root_doc:
        content[0] += _toctrees(MAP.read_text(encoding="utf-8"))
    elif path == ROOT / "docs" / "plugins.md":
        cards = sorted(ROOT.glob("plugins/*/README.md"))
        content[0] += _tree([f"../{card.relative_to(ROOT).as_posix()}" for card in cards])
    elif path.name == "README.md":
        others = sorted(page.name for page in path.parent.glob("*.md") if page != path)
        content[0] += _tree(others) if others else ""


def _page_of_folder(path: Path, link: re.Match[str]) -> str:
    """Return a link to a folder as one to its README, which GitHub shows there."""
    folder = path.parent / link[1]
    is_shown = folder.is_dir() and (folder / "README.md").is_file()
    return f"]({link[1].rstrip('/')}/README.md)" if is_shown else link[0]


def setup(app: Sphinx) -> None:
    """Connect `read_page`."""
    app.connect("source-read", read_page)
