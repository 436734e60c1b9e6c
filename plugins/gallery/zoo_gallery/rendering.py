# SPDX-License-Identifier: Apache-2.0
"""Render every page of the site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import zoo
from zoo_gallery.card_files import CardFolder, SitePicture
from zoo_gallery.markdown_cards import card_html
from zoo_gallery.models import RUN_TASKS, Model
from zoo_gallery.owners import PluginPage, SourcePage
from zoo_gallery.plain_text import breakable, exact, line
from zoo_gallery.search_index import search_index
from zoo_gallery.site_names import relative

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = ["Site", "render_site"]

ROWS_A_PAGE = 120
_MOST_ITEMS = 300  # of weights, on the page of a plugin or a source
_MOST_ROWS = 500  # of a table
_ASSETS = ("gallery.css", "gallery.js")


@dataclass(frozen=True)
class Site:
    """Everything that the site shows.

    Attributes:
        plugins: Pages of plugins.
        sources: Pages of sources.
    """

    plugins: tuple[PluginPage, ...]
    sources: tuple[SourcePage, ...]

    @cached_property
    def rows(self) -> tuple[Model, ...]:
        """Return the rows of weights of all plugins and sources, in every version."""
        of_plugins = [model for plugin in self.plugins for model in plugin.models]
        return (*of_plugins, *(model for source in self.sources for model in source.models))

    @cached_property
    def models(self) -> tuple[Model, ...]:
        """Return the models of the list: whole models first, then parts, each by name."""
        found = [model for model in self.rows if model.is_newest]
        places = {task: place for place, task in enumerate(RUN_TASKS)}

        def place_of(model: Model) -> tuple[int, str, str, str]:
            place = places.get(model.task, len(places) + (model.task == "backbone"))
            return (place, model.name.lower(), model.name, model.owner)

        return tuple(sorted(found, key=place_of))


def render_site(site: Site) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of each file of the site.

    Args:
        site: What to show.
    """
    pages = _Pages(site)
    yield from pages.lists()
    for model in site.rows:
        yield model.path, pages.model(model)
    for plugin in site.plugins:
        yield plugin.path, pages.plugin(plugin)
    for source in site.sources:
        yield source.path, pages.source(source)
    yield from sorted(pages.pictures.items())
    folder = files("zoo_gallery") / "templates"
    for name in _ASSETS:
        yield f"assets/{name}", (folder / name).read_bytes()
    yield "assets/models.js", search_index(site.models)


class _Pages:
    """Renders pages, and keeps the pictures that they show."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._environment = _environment()
        self._authors = {plugin.path: plugin.authors for plugin in site.plugins}
        self.pictures: dict[str, bytes] = {}

    def lists(self) -> Iterator[tuple[str, bytes]]:
        """Yield the pages of the list: the first is the index."""
        models = self._site.models
        starts = range(0, max(1, len(models)), ROWS_A_PAGE)
        paths = ["index.html", *(f"list-{number}.html" for number in range(2, len(starts) + 1))]
        for number, start in enumerate(starts):
            shown = models[start : start + ROWS_A_PAGE]
            for model in shown:
                self._keep(model.sample_out)
            facts = {"models": shown, "number": number, "paths": paths, "site": self._site}
            yield paths[number], self._render("index.html", paths[number], **facts)

    def model(self, model: Model) -> bytes:
        """Return the page of a row of weights."""
        card = self._card(model.card, model.cards, model.path, of="cards")
        for picture in (model.sample_in, model.sample_out):
            self._keep(picture)
        authors = self._authors.get(model.owner_path, ())
        return self._render("model.html", model.path, model=model, card=card, authors=authors)

    def plugin(self, plugin: PluginPage) -> bytes:
        """Return the page of a plugin."""
        card = self._card(plugin.readme, plugin.cards, plugin.path, of=".")
        columns = {
            kind: list(
                dict.fromkeys(name for row in rows for name, text in row.facts.items() if text)
            )
            for kind, rows in plugin.kinds.items()
        }
        return self._render("plugin.html", plugin.path, plugin=plugin, card=card, columns=columns)

    def source(self, source: SourcePage) -> bytes:
        """Return the page of a source."""
        return self._render("source.html", source.path, source=source)

    def _keep(self, picture: SitePicture | None) -> None:
        if picture is not None:
            self.pictures[picture.path] = picture.data

    def _card(
        self, text: str | None, cards: CardFolder | None, page: str, of: str
    ) -> Markup | None:
        if text is None:
            return None

        def find_picture(named: str) -> str | None:
            found = None if cards is None else cards.picture(unquote(named), of)
            self._keep(found)
            return None if found is None else relative(found.path, page)

        return card_html(text, find_picture)

    def _render(self, template: str, page: str, **facts: Any) -> bytes:
        made = self._environment.get_template(template).render(
            to=lambda path: relative(path, page),
            version=zoo.__version__,
            most=_MOST_ITEMS,
            most_rows=_MOST_ROWS,
            **facts,
        )
        return made.encode("utf-8", "backslashreplace")


def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("zoo_gallery") / "templates"
    environment = Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    environment.filters["line"] = line
    environment.filters["exact"] = exact
    return environment
