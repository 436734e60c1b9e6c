# SPDX-License-Identifier: Apache-2.0
"""The pages of a hostile zoo: whole, harmless, linked, and with everything that manifests say."""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from itertools import pairwise
from typing import Any

import pytest
from hostile_zoo import HOSTILE, NAMES, PNG, WEB

pytestmark = pytest.mark.slow

Site = Any
ELEMENTS = {
    *("html", "head", "meta", "title", "link", "script", "body", "header", "nav", "main", "footer"),
    *("section", "aside", "div", "span", "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li"),
    *("dl", "dt", "dd", "a", "b", "bdi", "br", "wbr", "code", "pre", "em", "strong", "hr", "img"),
    *("figure", "figcaption", "table", "thead", "tbody", "tr", "th", "td", "blockquote"),
    *("details", "summary", "form", "label", "input", "select", "option", "button"),
}
ATTRIBUTES = {
    *("lang", "charset", "name", "content", "http-equiv", "rel", "href", "src", "alt", "class"),
    *(
        "id",
        "hidden",
        "role",
        "type",
        "autocomplete",
        "spellcheck",
        "placeholder",
        "value",
        "scope",
    ),
    *("tabindex", "loading", "width", "height", "defer", "title"),
}


def test_every_page_has_only_harmless_elements_and_attributes(site: Site) -> None:
    """Nothing of a manifest or a card became an element, a handler, a style or a script."""
    for name, page in site.pages.items():
        assert {each.tag for each in page.elements} <= ELEMENTS, name
        for element in page.elements:
            found = {key for key in element.attrs if not key.startswith("aria-")}
            assert found <= ATTRIBUTES, (name, element)
        scripts = list(page.all("script"))
        assert all(each.text == "" and "src" in each.attrs for each in scripts), name
        assert len(scripts) == (2 if "/" not in name else 1)


def test_every_address_leads_into_the_site_or_to_the_web_as_a_row_says(site: Site) -> None:
    """Relative ones lead to a file, with its anchor; others are those of manifests and cards."""
    own = re.compile(
        r"https://example\.org/files/[A-Za-z0-9_.-]+\.safetensors|https://huggingface\.co/org/repo/.*"
    )
    outside = set()
    for name, page in site.pages.items():
        ids = [each.attrs["id"] for each in page.elements if "id" in each.attrs]
        assert len(ids) == len(set(ids)), name
        for element in page.elements:
            for key in {"href", "src"} & set(element.attrs):
                address = element.attrs[key]
                if re.match(r"[a-z][a-z0-9+.-]*:|//", address, re.IGNORECASE):
                    assert (element.tag, key) == ("a", "href"), (name, element)
                    assert address in WEB or own.fullmatch(address), (name, address)
                    assert "noopener" in element.attrs["rel"]
                    outside.add(address)
                    continue
                path, fragment = site.target(name, address)
                assert path.is_relative_to(site.folder), (name, address)
                assert path.is_file(), (name, address)
                if fragment:
                    target = site.pages[path.relative_to(site.folder).as_posix()]
                    assert fragment in {each.attrs.get("id") for each in target.elements}
    assert outside >= WEB


def test_policy_of_every_page_allows_nothing_from_elsewhere(site: Site) -> None:
    """The policy stands before whatever it governs, and names no host and no inline script."""
    for name, page in site.pages.items():
        tags = [each.tag for each in page.elements]
        (policy,) = [each for each in page.all("meta") if "http-equiv" in each.attrs]
        rules = dict(each.strip().split(" ", 1) for each in policy.attrs["content"].split(";"))
        assert (
            rules.pop("default-src")
            == rules.pop("base-uri")
            == rules.pop("form-action")
            == "'none'"
        )
        assert set(rules) == {"img-src", "style-src", "script-src"}
        assert set(rules.values()) == {"'self' file:"}, name
        assert page.elements.index(policy) < min(tags.index("link"), tags.index("script"))


def test_hostile_texts_are_shown_as_they_are_and_never_lost(site: Site) -> None:
    """A reader sees what the manifest says; characters that cannot be seen are spelt out."""
    for number, text in enumerate(HOSTILE):
        page = site.pages[f"plugins/hostile/hostile_{number}.html"]
        shown = (
            " ".join(text.encode("unicode_escape").decode().split())
            if not text.isprintable()
            else text
        )
        wanted = text if text.isprintable() else None
        licence = next(each for each in page.all("dd"))
        if wanted is not None:
            assert licence.text.startswith(" ".join(wanted.split())), (text, licence.text, shown)
        assert page.text.count("cell") >= 1
    escaped = site.pages["plugins/hostile/hostile_6.html"].text
    assert "\\u202egpj.exe\\u202c\\u2066abc" in escaped


def test_no_page_holds_a_character_that_controls_how_text_is_shown(site: Site) -> None:
    """Neither as itself nor as a reference: controls, and marks that turn the direction."""
    for name, page in site.pages.items():
        for character in set(unescape(page.source)) - {"\n", "\u200c", "\u200d"}:
            assert unicodedata.category(character) not in ("Cc", "Cf", "Cs"), (name, character)


def test_pages_are_small_have_titles_and_describe_their_pictures(site: Site) -> None:
    """No page is of megabytes; each has one h1 and headings that skip no level; images have alt."""
    for name, page in site.pages.items():
        assert len(page.source) < 200_000, name
        levels = [int(each.tag[1]) for each in page.elements if re.fullmatch("h[1-6]", each.tag)]
        assert levels.count(1) <= 1, name
        assert levels[0] <= 2, name
        assert all(after - before <= 1 for before, after in pairwise(levels)), name
        assert next(page.all("title")).text, name
        assert all("alt" in each.attrs for each in page.all("img")), name
        assert next(page.all("html")).attrs["lang"] == "en"
        labelled = {each.attrs.get("for") for each in page.all("label")}
        for field in (*page.all("input"), *page.all("select")):
            assert "label" in field.parents or field.attrs.get("id") in labelled


def test_index_lists_every_model_plugin_and_source(site: Site) -> None:
    """What zoo finds is in the list: broken plugins and those without weights, too."""
    index = site.pages["index.html"]

    assert all(name in index.text for name in ("hostile", "broken", "nothing", "signed", "loose"))
    assert "cannot be used" in index.text
    linked = {site.target("index.html", each.attrs["href"])[0] for each in index.all("a")}
    pages = {path.parent for path in site.folder.glob("*/*/index.html")}
    assert {path.parent for path in linked if path.name == "index.html"} >= pages
    models = [each for each in index.all("li") if each.attrs.get("class") == "model"]
    newest = 1 + len(HOSTILE) + 7 + len(NAMES) + 1 + 2 * 2
    assert len(models) == newest
    assert f"({newest} models, 9 plugins, 2 sources)" in site.stdout


def test_page_of_a_model_says_how_to_use_it_and_what_it_is(site: Site) -> None:
    """Metrics with split and protocol, licences, digest, size, parameters, lines to copy."""
    page = site.pages["plugins/plain/unet_ponds.html"]
    code = [each.text for each in page.all("pre")]

    for text in ("a U-Net", "mIoU 0.8123 Ponds test true docs", "Apache-2.0", "CC0-1.0", "7.3 MB"):
        assert text in page.text, text
    for text in ("7,290,312", "1,814,610", "U-Net", "Ada", "unet_small"):
        assert text in page.text, text
    assert any('zoo.load("plain.unet_ponds", task="semantic")' in each for each in code)
    assert "zoo predict plain.unet_ponds image.png --out predictions" in code
    assert re.search("[0-9a-f]{64}", page.text)


@pytest.mark.parametrize(
    ("page", "said", "unsaid"),
    [
        ("road", ["version 1", "version 3 (withdrawn)", "zoo predict road image"], ["Withdrawn:"]),
        ("road@1", ["version 2", "zoo predict road@1 image"], []),
        ("road@3", ["Withdrawn: it was trained on its test"], []),
        ("to_pin", ["zoo download to_pin --pin", "md5 begins with", "abcdef12"], ["--accept"]),
        ("nc", ["non-commercial", "--accept-licence", "result.counts"], ["--pin"]),
        ("part", ["zoo download part", "--pretrained part"], ["zoo.load", "zoo predict"]),
        ("boxes", ["zoo download boxes"], ["zoo.load", "zoo predict"]),
        ("data_nc", ["data non-commercial"], ["--accept-licence"]),
        ("hub", [f"hf://org/repo@{'a' * 40}/model.safetensors", "pond", "Lake"], []),
    ],
)
def test_page_of_a_model_follows_its_row(
    site: Site, page: str, said: list[str], unsaid: list[str]
) -> None:
    """Versions, withdrawals, decisions before a download, and tasks that zoo does not run."""
    text = site.pages[f"plugins/versions/{page}.html"].text

    assert [each for each in said if each not in text] == []
    assert [each for each in unsaid if each in text] == []


def test_page_of_a_source_says_whether_it_is_signed_and_how_to_add_it(site: Site) -> None:
    """Rows have their scope; a path of this machine is in no page."""
    signed, loose = (site.pages[f"sources/{name}/index.html"] for name in ("signed", "loose"))

    assert "sha256:" in signed.text
    assert "not signed" in loose.text
    assert "not signed" not in signed.text
    assert "mmzoo-lakes" in signed.text
    assert (
        "zoo predict signed/unet_ponds image.png"
        in site.pages["sources/signed/unet_ponds.html"].text
    )
    assert "version 1" in site.pages["sources/signed/old.html"].text
    for name, page in site.pages.items():
        assert str(site.root.parent) not in page.source, name


def test_page_of_a_broken_plugin_says_why(site: Site) -> None:
    """The manifest's error, without the place of the file on this machine."""
    page = site.pages["plugins/broken/index.html"]

    assert "cannot be used here" in page.text
    assert "its manifest is not valid TOML" in page.text


def test_pages_have_names_that_every_file_system_tells_apart(site: Site) -> None:
    """Whatever the case, and though Windows keeps some names for devices."""
    files = [path.relative_to(site.folder).as_posix().lower() for path in site.folder.rglob("*")]

    assert len(files) == len(set(files))
    for path in site.folder.rglob("*.html"):
        assert len(path.name) <= 120
        assert path.stem.partition(".")[0].lower() not in ("con", "prn", "aux", "nul")
    texts = {
        next(each.all("h1")).text for each in site.pages.values() if "/" in each.path.as_posix()
    }
    assert {name for name in NAMES if name not in texts} == set()


@pytest.mark.parametrize(("name", "others"), [("unet_ponds", 2), ("index", 1)])
def test_card_keeps_its_text_and_its_own_pictures_alone(site: Site, name: str, others: int) -> None:
    """Pictures from elsewhere are links or words; so is one that leads out of the plugin."""
    page = site.pages[f"plugins/plain/{name}.html"]
    (card,) = [each for each in page.all("section") if each.attrs.get("class") == "card"]
    pictures = [each for each in page.all("img") if "figure" not in each.parents]

    assert "<script>alert(1)</script>" in card.text
    assert "run data file here top web" in card.text
    assert "{{ 7 * 7 }}" in card.text
    assert "theirs up svg link a picture of the card" in card.text.replace("  ", " ")
    # Beside a model's name in a list, a picture has nothing to add.
    assert [each.attrs["alt"] for each in pictures if each.attrs["alt"]] == ["mine"]
    assert len(list(page.all("img"))) == 1 + others
    kept = [path.read_bytes() for path in (site.folder / "pictures").iterdir()]
    assert sorted(each.removeprefix(PNG) for each in kept) == [b"", b"in", b"out"]


def test_sample_of_a_model_is_shown_where_there_is_one(site: Site) -> None:
    """In and out on its page, and what comes out beside it in the list."""
    page, index = site.pages["plugins/plain/unet_ponds.html"], site.pages["index.html"]
    shown = [each.attrs for each in page.all("img") if "figure" in each.parents]

    files = [site.target("plugins/plain/unet_ponds.html", each["src"])[0] for each in shown]
    assert [file.read_bytes().removeprefix(PNG) for file in files] == [b"in", b"out"]
    assert all(each["alt"] for each in shown)
    assert len(list(index.all("img"))) == 1
