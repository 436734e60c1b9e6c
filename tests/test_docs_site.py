# SPDX-License-Identifier: Apache-2.0
"""The site of the docs is whole, works from a folder without network, and stops at a bad link."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/*.md")])
LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "srcset"}

pytest.importorskip("sphinx")
pytestmark = pytest.mark.skipif(
    not any(ROOT.glob("plugins/*/pyproject.toml")),
    reason="the docs are those of the whole checkout, with its plugins",
)


class Resources(HTMLParser):
    """What a page loads when it is opened, and where its links lead."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: Counter[str] = Counter()
        self.silent: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags[tag] += 1
        if tag == "img" and not values.get("alt"):
            self.silent.append(str(values.get("src")))
        self.anchors |= {values.get("id") or "", values.get("name") or ""}
        found = values.get(LOADED.get(tag, ""))
        if found:
            self.loaded.append(found)
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))


def build(root: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "tools" / "docs_site.py", "--root", root, "--out", out]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site that `make docs` built of these pages, or build it."""
    sources = [*PAGES, *ROOT.glob("docs/**/*"), ROOT / "tools" / "docs_site.py"]
    built = ROOT / "build" / "site" / "index.html"  # written last
    if built.is_file() and built.stat().st_mtime > max(one.stat().st_mtime for one in sources):
        return built.parent
    out = tmp_path_factory.mktemp("docs") / "site"
    done = build(ROOT, out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
def test_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """No page, style sheet or script fetches a font, a script or a picture of another host."""
    far = re.compile(r"(?:https?:)?//")
    styles = r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^)\"']+)"
    loaded = {
        str(page.relative_to(site)): [one for one in Resources(page).loaded if far.match(one)]
        for page in site.rglob("*.html")
    }
    styled = [
        (page.name, found)
        for page in site.rglob("*.css")
        for found in re.findall(styles, page.read_text("utf-8"))
    ]

    assert len(loaded) > 50
    assert {page: found for page, found in loaded.items() if found} == {}
    assert styled == []


@pytest.mark.slow
def test_site_has_every_page_and_its_links_lead_somewhere(site: Path) -> None:
    """Each Markdown file but the map is a page, and each link of the site finds file and anchor."""
    wanted = {page.relative_to(ROOT).with_suffix(".html") for page in PAGES}
    found = {page.relative_to(site): Resources(page) for page in site.rglob("*.html")}

    broken = []
    for page, resources in found.items():
        for link in [*resources.links, *resources.loaded]:
            path, _, anchor = link.partition("#")
            path = path.partition("?")[0]
            if re.match(r"[a-z]+:|//", link):
                continue
            target = (site / page.parent / path).resolve() if path else site / page
            name = target.relative_to(site)
            known = found[name].anchors if name in found else {anchor}
            if not target.is_file() or (anchor and anchor not in known):
                broken.append((str(page), link))

    assert sorted(wanted - set(found)) == [Path("docs/README.html")]
    assert broken == []


@pytest.mark.slow
def test_page_has_one_title_and_a_text_for_each_picture(site: Path) -> None:
    """What a screen reader starts with; those that Sphinx makes itself are not ours."""
    pages = {page: Resources(page) for page in site.rglob("*.html")}
    made = [site / f"{name}.html" for name in ("index", "search", "genindex")]

    assert [page for page, found in pages.items() if found.silent] == []
    assert [
        page for page, found in pages.items() if found.tags["h1"] != 1 and page not in made
    ] == []
    assert sum(found.tags["img"] for found in pages.values()) >= 5


@pytest.mark.slow
def test_code_stands_out_from_its_ground_on_light_and_on_dark(site: Path) -> None:
    """Each colour of the highlighting has the contrast of 4.5 that WCAG 2 asks of text."""
    text = (site / "_static" / "pygments.css").read_text("utf-8")
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", text)
    for is_dark in (False, True):
        colours = [
            (selector.strip(), dict(re.findall(r"([a-z-]+): *(#[0-9a-fA-F]+)", body)))
            for selector, body in rules
            if ("data-theme" in selector) == is_dark
        ]
        ground = next(each["background"] for _, each in colours if "background" in each)
        found = {
            selector: _contrast(each["color"], each.get("background-color", ground))
            for selector, each in colours
            if "color" in each and not selector.endswith((" .w", ".normal", ".linenos", ".special"))
        }
        assert len(found) > 30
        assert {selector: ratio for selector, ratio in found.items() if ratio < 4.5} == {}


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colours by WCAG 2, from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.slow
def test_search_knows_words_of_the_pages_without_a_server(site: Path) -> None:
    """The index is a script, which a browser also loads from a folder."""
    text = (site / "searchindex.js").read_text("utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))

    names = [index["docnames"][number] for number in _pages_with(index, "tverski")]
    assert "docs/guide/write-a-plugin" in names
    assert 'src="searchindex.js"' in (site / "search.html").read_text("utf-8")
    assert "README.html" in (site / "index.html").read_text("utf-8")


def _pages_with(index: dict[str, dict[str, int | list[int]]], term: str) -> list[int]:
    numbers = index["terms"][term]
    return numbers if isinstance(numbers, list) else [numbers]


@pytest.mark.slow
def test_site_stops_at_a_broken_link_and_at_a_page_that_nobody_links(tmp_path: Path) -> None:
    """Each is named, with its page, and the exit code says so; without them it is built."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("conf.py", "site.css"):
        shutil.copy(ROOT / "docs" / name, docs)
    (tmp_path / "README.md").write_text("# Small\n\n[a](docs/a.md#part) [b](docs/b)\n")
    (docs / "README.md").write_text("# Map\n\n## Start\n\n- [Small](../README.md)\n- [A](a.md)\n")
    (docs / "a.md").write_text("# A\n\n## Part\n\n[code](conf.py)\n")
    (docs / "b").mkdir()
    (docs / "b" / "README.md").write_text("# B\n")
    with (docs / "README.md").open("a") as stream:
        stream.write("- [B](b/README.md)\n")

    whole = build(tmp_path, tmp_path / "site")
    (docs / "a.md").write_text("# A\n\n[x](nowhere.md) [y](../README.md#none)\n\n## Part\n")
    (docs / "lonely.md").write_text("# Lonely\n")
    done = build(tmp_path, tmp_path / "site")

    assert whole.returncode == 0, whole.stderr
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert any(re.search(r"a\.md:3: WARNING: .*nowhere\.md", line) for line in lines)
    assert any(re.search(r"a\.md:3: WARNING: .*none", line) for line in lines)
    assert any(re.search(r"lonely\.md: WARNING: .*toctree", line) for line in lines)
    assert len(lines) == 3
