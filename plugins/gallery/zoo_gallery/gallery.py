# SPDX-License-Identifier: Apache-2.0
"""Write the gallery: read manifests, sources and cards, render the pages, exchange the folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import zoo
from zoo_gallery.plugin_pages import plugin_pages
from zoo_gallery.rendering import Site, render_site
from zoo_gallery.site_folder import write_site
from zoo_gallery.source_pages import source_pages

__all__ = ["Made", "write_gallery"]


@dataclass(frozen=True, slots=True)
class Made:
    """What was written.

    Attributes:
        index: The page to open.
        models: Number of models in the list.
        plugins: Number of plugins.
        sources: Number of sources.
    """

    index: Path
    models: int
    plugins: int
    sources: int


def write_gallery(out: str | os.PathLike[str]) -> Made:
    """Write the models and plugins of this zoo as a static site.

    Made from manifests and cards alone: no plugin is imported and nothing is downloaded. Equal
    manifests give equal bytes.

    Args:
        out: Folder of the site: absent, empty, or an earlier gallery, which is replaced.

    Raises:
        DataError: The folder holds what no gallery wrote, or it cannot be written.
        SourceError: The list of sources cannot be read.
    """
    site = Site(tuple(plugin_pages(zoo.read_catalog())), tuple(source_pages(zoo.read_sources())))
    write_site(Path(out), render_site(site))
    return Made(Path(out) / "index.html", len(site.models), len(site.plugins), len(site.sources))
