# SPDX-License-Identifier: Apache-2.0
"""Cards in Markdown as HTML that cannot do anything: no raw HTML, no script, nothing of others."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from zoo_gallery.links import web_link
from zoo_gallery.plain_text import line, without_controls

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["FindPicture", "card_html"]

FindPicture = Callable[[str], str | None]
"""Returns the address of a picture in the site, from the page, or None if it has none."""

_MOST_CHARACTERS = 60_000
_MOST_OF_PAGE = 300_000
_HIGHEST_HEADING = 3  # the page's own sections are h2


def card_html(text: str, find_picture: FindPicture) -> Markup:
    """Return a card as HTML.

    Raw HTML is shown as text. Links lead to the web, or are plain text; pictures are those of the
    plugin itself, and others are links. Its first heading is left out, since the page has one.

    Args:
        text: CommonMark with tables.
        find_picture: Looks up the picture that an image names.
    """
    given = without_controls(text)
    shown = given[:_MOST_CHARACTERS]
    reader = _reader()
    tokens = _without_title(reader.parse(shown))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + _HIGHEST_HEADING - 1)}"
        if token.children:
            token.children = _harmless(token.children, find_picture)
        if token.type in ("th_open", "td_open"):
            token.attrs = _aligned(token)
    made = reader.renderer.render(tokens, reader.options, {})
    if len(made) > _MOST_OF_PAGE:  # such as a table that fills up a thousand empty columns
        made = f'<pre class="code" tabindex="0">{html.escape(shown)}</pre>\n'
    if len(given) > _MOST_CHARACTERS:
        made += "<p>The card is longer than this page shows.</p>\n"
    return Markup(made)  # noqa: S704 - the renderer escapes all text, and links were chosen above


def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.validateLink = lambda url: True  # type: ignore[method-assign]
    rules: dict[str, Any] = reader.renderer.rules  # type: ignore[attr-defined]
    region = '<div class="scroll" tabindex="0" role="region" aria-label="Table of the card">'
    rules["table_open"] = lambda *_: f"{region}<table>\n"
    rules["table_close"] = lambda *_: "</table></div>\n"
    rules["fence"] = rules["code_block"] = _code
    rules["image"] = _image
    return reader


def _code(tokens: Sequence[Token], index: int, *_: Any) -> str:
    text = html.escape(tokens[index].content.rstrip("\n"))
    return f'<pre class="code" tabindex="0"><code>{text}</code></pre>\n'


def _image(tokens: Sequence[Token], index: int, *_: Any) -> str:
    token = tokens[index]
    source, alt = html.escape(str(token.attrs["src"])), html.escape(token.content)
    return f'<img src="{source}" alt="{alt}" loading="lazy">'


def _aligned(token: Token) -> dict[str, str | int | float]:
    """Return the class of a cell in place of its style, which the policy of the page refuses."""
    side = str(token.attrs.get("style", "")).removeprefix("text-align:")
    return {"class": side} if side in ("center", "right") else {}


def _without_title(tokens: list[Token]) -> list[Token]:
    is_title = len(tokens) > 2 and tokens[0].type == "heading_open" and tokens[0].tag == "h1"
    return tokens[3:] if is_title else tokens


def _harmless(tokens: Sequence[Token], find_picture: FindPicture) -> list[Token]:
    """Return the parts of a paragraph without links that lead elsewhere than to the web."""
    kept: list[Token] = []
    is_open: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            address = web_link(str(token.attrs.get("href", "")))
            is_open.append(address is not None)
            if address is not None:
                token.attrs = {"href": address, "rel": "noopener noreferrer nofollow"}
                kept.append(token)
        elif token.type == "link_close":
            if is_open and is_open.pop():
                kept.append(token)
        elif token.type == "image":
            kept += _picture(token, find_picture, is_in_link=any(is_open))
        else:
            kept.append(token)
    return kept


def _picture(token: Token, find_picture: FindPicture, *, is_in_link: bool) -> list[Token]:
    """Return a picture of the plugin itself, a link to one of others, or its description."""
    from markdown_it.token import Token

    source = str(token.attrs.get("src", ""))
    alt = line(token.content) or "a picture of the card"
    held = find_picture(source)
    if held is not None:
        return [Token("image", "img", 0, attrs={"src": held}, content=alt)]
    text = Token("text", "", 0, content=alt)
    address = web_link(source)
    if address is None or is_in_link:
        return [text]
    attrs: dict[str, str | int | float] = {"href": address, "rel": "noopener noreferrer nofollow"}
    return [Token("link_open", "a", 1, attrs=attrs), text, Token("link_close", "a", -1)]
