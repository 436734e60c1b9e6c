# SPDX-License-Identifier: Apache-2.0
"""Model cards: describe a published file in Markdown, from its own record alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoo.engine.cleaning.postprocess import Postprocess
from zoo.texts import printable, unit_text

if TYPE_CHECKING:
    from zoo.engine.publishing.row import Published

__all__ = ["card_text"]


def card_text(published: Published) -> str:
    """Return the card of a published file; equal records give equal cards.

    Args:
        published: The file, with its record.
    """
    record = published.record
    provenance = dict(record.provenance)
    data = provenance.pop("data", None) or {}
    sections = [
        [f"# {record.name}", "", *_summary(published)],
        ["## Metrics", "", *_metrics(record.metrics)],
        ["## Data", "", *_data(data, record.labels, record.data_licence)],
        ["## Use", "", *_use(published)],
        ["## How it was made", "", *_origin(provenance)],
        ["## Row for a manifest", "", "```toml", *published.manifest_row().splitlines(), "```"],
    ]
    # Names from outside must neither end a line nor reverse its letters.
    return "\n\n".join("\n".join(map(printable, section)) for section in sections) + "\n"


def _summary(published: Published) -> Iterator[str]:
    record = published.record
    yield from _table(
        ("", ""),
        [
            ("task", record.task),
            ("classes", ", ".join(record.classes)),
            ("config", f"`{record.trained_with}`"),
            ("parameters", f"{record.parameters:,}"),
            ("file", f"`{published.path.name}`, {published.size_bytes:,} bytes"),
            ("sha256", f"`{published.sha256}`"),
            *_postprocess(record.postprocess),
            ("licence of the weights", record.licence),
            *_commercial_use(record.non_commercial),
            ("licence of the data", record.data_licence),
        ],
    )


def _postprocess(stated: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    return [] if stated is None else [("after prediction", str(Postprocess(**stated)))]


def _commercial_use(non_commercial: bool | None) -> list[tuple[str, str]]:
    if non_commercial is None:
        return []
    return [("commercial use", "not permitted" if non_commercial else "permitted")]


def _metrics(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    keys = ("name", "value", "dataset", "split", "labels", "protocol")
    shown = [{**row, "value": f"{row['value']:.6g}{unit_text(row.get('unit'))}"} for row in rows]
    yield from _table(keys, [[row[key] for key in keys] for row in shown])
    measured = {
        (row["dataset"], row["split"], row["images"], f"`{row['images_sha256']}`"): None
        for row in rows
        if "images" in row
    }
    if measured:
        yield ""
        yield from _table(("measured on", "split", "images", "sha256 of their list"), [*measured])


def _data(data: Mapping[str, Any], labels: str, licence: str) -> Iterator[str]:
    yield f"Trained on {data.get('name', 'data that is not recorded')}. Labels are {labels}. "
    yield f"Licence: {licence}"
    splits = data.get("splits")
    if not splits:
        return
    yield ""
    rows = [
        (name, split["count"], split["groups"], f"`{split['digest']}`")
        for name, split in splits.items()
    ]
    yield from _table(("split", "images", "groups", "sha256 of its list"), rows)
    yield ""
    yield f"Digest of the prepared folder: `{data['digest']}`, "
    yield f"made by the plugin {data['plugin']} {data['version']}."


def _use(published: Published) -> Iterator[str]:
    name = published.path.name
    if published.record.notice:
        yield from (published.record.notice, "")
    yield from ("```", f"zoo predict {name} IMAGE --out predictions", "```", "")
    yield f"With the row below in an installed plugin, `{published.record.name}` does for the file."
    yield "Loading runs nothing: the file holds tensors and a record of plain values."


def _origin(provenance: Mapping[str, Any]) -> Iterator[str]:
    versions, origins = provenance.get("versions") or {}, provenance.get("started_from") or ()
    apart = ("versions", "started_from")
    rows = [(key, _value(value)) for key, value in provenance.items() if key not in apart]
    rows += [("started from", f"{one['name']}, {one['licence']}") for one in origins]
    rows += [(f"version of {key}", _value(value)) for key, value in versions.items()]
    yield from _table(("", ""), sorted(rows))


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    yield _line(head)
    yield _line(["---"] * len(head))
    yield from map(_line, rows)


def _line(cells: Sequence[Any]) -> str:
    # A bar or a line break would end the cell.
    texts = [printable(str(cell).replace("\n", " ")).replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(texts)} |"


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
