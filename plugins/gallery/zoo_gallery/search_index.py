# SPDX-License-Identifier: Apache-2.0
"""The list of models as data for the search in the page, small for thousands of rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo_gallery.models import Model
from zoo_gallery.plain_text import line

__all__ = ["search_index"]

_MOST_CLASSES = 200


@dataclass(slots=True)
class _Shared:
    """Texts that many rows have, each once."""

    texts: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        return self.texts.setdefault(text, len(self.texts))


def search_index(models: Sequence[Model]) -> bytes:
    """Return a script that gives the models to the script of the page.

    A page in a folder may read no other file than a script, so this is one.

    Args:
        models: In the order of the list.
    """
    shared = _Shared()
    rows = [_row(model, shared) for model in models]
    document = {"texts": list(shared.texts), "rows": rows}
    # JSON in ASCII is a valid expression of JavaScript.
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"))
    return f"window.zooGallery={text};\n".encode("ascii")


def _usual_path(model: Model) -> str:
    """Return the path that the script of the page makes of owner and name."""
    kind = "sources" if model.is_of_source else "plugins"
    return f"{kind}/{model.owner}/{model.name.removeprefix(f'{model.owner}/')}.html"


def _row(model: Model, shared: _Shared) -> list[Any]:
    """Return the values of a row in the order in which the script of the page reads them."""
    best = model.metrics[:1]
    number = shared.number
    return [
        model.name,
        "" if model.path == _usual_path(model) else model.path,
        number(model.owner),
        number(model.task),
        number(line(model.row.licence, 120)),
        [number(each) for each in model.datasets],
        [number(each) for each in model.architectures],
        number(line(model.summary, 160)),
        model.is_non_commercial
        | (model.is_of_source << 4)
        | (model.is_data_non_commercial << 1)
        | ((model.row.yanked is not None) << 2)
        | (bool(model.restriction) << 3)
        | ((model.row.successor is not None) << 5),
        number(f"{best[0].name}\n{best[0].value}\n{best[0].dataset}") if best else -1,
        model.row.size_bytes or 0,
        model.row.parameters or 0,
        number(line(" ".join(model.classes[:_MOST_CLASSES]), 4_000)),
        number(" ".join((*model.row.aliases, *model.row.replaces))[:400]),
        "" if model.sample_out is None else model.sample_out.path,
    ]
