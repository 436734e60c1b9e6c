# SPDX-License-Identifier: Apache-2.0
"""From the manifests of plugins to what their pages say; nothing of a plugin is imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from zoo_gallery.authors import Authors
from zoo_gallery.card_files import CardFolder
from zoo_gallery.links import web_link
from zoo_gallery.models import Model
from zoo_gallery.owners import Contribution, PluginPage
from zoo_gallery.plain_text import line
from zoo_gallery.site_names import page_names
from zoo_gallery.versions import with_versions

if TYPE_CHECKING:
    from zoo.catalog import Catalog, PluginRecord
    from zoo.manifest.rows import AnyWeightsRow, Manifest

__all__ = ["plugin_pages"]

# Fields of rows that a table of their kind shows, after name and summary.
_FACTS = {
    "dataset": ("task", "classes", "labels", "licence"),
    "base": ("part", "task"),
    "config": (),
    "converter": ("version", "proof"),
    "command": ("group",),
    "planner": ("task",),
    "check": ("of", "dataset"),
    "metric": ("direction", "unit"),
    "evaluator": ("direction", "unit"),
}
_MOST_CLASSES = 12
_MOST_REQUIREMENTS = 100


def plugin_pages(catalog: Catalog) -> list[PluginPage]:
    """Return the page of every plugin that zoo found, sorted by name; broken ones too.

    Args:
        catalog: The plugins.
    """
    records: dict[str, list[PluginRecord]] = {}
    for record in catalog.plugins:
        records.setdefault(record.name, []).append(record)
    folders = page_names(sorted(records))
    reader = _Reader(catalog)
    return [reader.page(records[name], f"plugins/{folders[name]}") for name in sorted(records)]


class _Reader:
    """Reads plugins, and knows which names of weights and configs several of them have."""

    def __init__(self, catalog: Catalog) -> None:
        usable = [each for each in catalog.plugins if each.error is None and each.manifest]
        manifests = [each.manifest for each in usable if each.manifest is not None]
        self._owners_of = Counter(name for m in manifests for name in {w.name for w in m.weights})
        configs = [(m.plugin, row) for m in manifests for row in m.configs]
        named = Counter(row.name for _, row in configs)
        self._summaries = {
            row.name: line(row.summary) for _, row in configs if named[row.name] == 1
        }
        self._summaries |= {f"{plugin}.{row.name}": line(row.summary) for plugin, row in configs}
        self._authors = Authors()

    def page(self, records: list[PluginRecord], folder: str) -> PluginPage:
        """Return the page of one plugin, or of several that claim one name."""
        record = records[0]
        problems = tuple(line(each.error.message) for each in records if each.error is not None)
        path = f"{folder}/index.html"
        if record.manifest is None or problems:
            manifest = record.manifest
            summary = "" if manifest is None else line(manifest.summary)
            return PluginPage(line(record.name), path, summary=summary, problems=problems)
        manifest = record.manifest
        cards = CardFolder.of(manifest.folder)
        return PluginPage(
            name=record.name,
            path=path,
            version=line(manifest.version),
            summary=line(manifest.summary),
            licence=line(manifest.license),
            homepage=web_link(manifest.homepage),
            notice=line(manifest.notice),
            authors=self._authors.of(manifest.package, cards.project),
            requires=tuple(line(each) for each in manifest.requires[:_MOST_REQUIREMENTS]),
            kinds=_kinds(manifest),
            models=tuple(self._models(manifest, cards, folder)),
            has_legacy=bool(manifest.legacy_indexes),
            readme=cards.readme() or self._authors.readme_of(manifest.package),
            cards=cards,
        )

    def _models(self, manifest: Manifest, cards: CardFolder, folder: str) -> Iterator[Model]:
        for version in with_versions(manifest.weights, folder):
            row = version.row
            name = row.name if self._owners_of[row.name] == 1 else f"{manifest.plugin}.{row.name}"
            names = (row.name, manifest.plugin)
            yield Model(
                row=row,
                path=version.path,
                called=name if version.is_newest else f"{name}@{row.version}",
                is_newest=version.is_newest,
                owner=manifest.plugin,
                owner_path=f"{folder}/index.html",
                summary=self._summaries.get(row.config, ""),
                classes=_classes(manifest, row),
                notice=line(manifest.notice),
                versions=version.others,
                card=cards.card(row.name) if version.is_newest else None,
                sample_in=cards.sample(names, "in"),
                sample_out=cards.sample(names, "out"),
                cards=cards,
            )


def _classes(manifest: Manifest, row: AnyWeightsRow) -> tuple[str, ...]:
    """Return the classes of a row, or those of the plugin's data sets of its task."""
    if row.classes is not None:
        return tuple(row.classes)
    rows = [each for each in manifest.datasets if each.task == row.task]
    named = [name for each in rows if not isinstance(each.classes, str) for name in each.classes]
    return tuple(dict.fromkeys(named))


def _kinds(manifest: Manifest) -> Mapping[str, tuple[Contribution, ...]]:
    kinds: dict[str, list[Contribution]] = {}
    rows: tuple[Any, ...] = (*manifest.contributions, *manifest.configs, *manifest.bases)
    for row in rows:
        facts = {key: _text(getattr(row, key, None)) for key in _FACTS.get(row.kind, ("target",))}
        options = _options(getattr(row, "options", ()))
        facts |= {"options of zoo data prepare": options} if options else {}
        found = Contribution(line(row.name, 200), line(row.summary), facts)
        kinds.setdefault(row.kind, []).append(found)
    return {kind: tuple(rows) for kind, rows in kinds.items()}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = [each if name == "*" else f"{name}: {each}" for name, each in value.items()]
        return line(", ".join(pairs))
    if isinstance(value, (list, tuple)):
        more = f", … ({len(value)} in all)" if len(value) > _MOST_CLASSES else ""
        return line(", ".join(map(str, value[:_MOST_CLASSES]))) + more
    return line(value)


def _options(rows: Iterable[Any]) -> str:
    return line(", ".join(f"--{row.name}" for row in rows))
