# SPDX-License-Identifier: Apache-2.0
"""A row of weights as a card: what it is, its metrics, what its licence permits, how to use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zoo.cli.options.metric_filter import metric_text

__all__ = ["weights_card"]

_MOST_CLASSES = 12
_PERMITTED = {
    True: "not permitted: the licence is non-commercial",
    False: "permitted",
    None: "see the licence",
}


def weights_card(facts: Mapping[str, Any]) -> list[str]:
    """Return the lines of a card.

    Args:
        facts: Facts of ``zoo info`` about a row of weights.
    """
    name = facts["name"]
    return [
        f"{name} ({'source' if '/' in name else 'plugin'} {facts['plugin']})",
        *_warnings(facts),
        *_pairs(facts),
        *_metrics(facts),
        *_digests(facts),
        "use:",
        *(f"  {line}" for line in _use(facts)),
    ]


def _warnings(facts: Mapping[str, Any]) -> Iterator[str]:
    successor = facts.get("successor")
    if facts.get("state", "ok") != "ok":
        yield f"warning: the index of this source is {facts['state']}"
    if facts.get("yanked"):
        yield f"yanked: {facts['yanked']}"
    if successor:
        yield f"successor: {successor}"
    for each in facts.get("differs_from_its_file", ()):
        yield f"differs from its file: {each['key']}: row {each['row']}, file {each['file']}"


def _pairs(facts: Mapping[str, Any]) -> Iterator[str]:
    parameters = facts.get("parameters")
    pairs = {
        "task": facts["task"],
        "summary": facts.get("summary"),
        "config": facts.get("config"),
        "classes": _classes(facts.get("classes") or ()),
        "parameters": f"{parameters:,}" if parameters else None,
        "licence": facts["licence"],
        "commercial use": _PERMITTED[facts.get("non_commercial")],
        "data licence": facts["data_licence"],
        "size": facts.get("size"),
        "file": facts.get("file"),
        "path": facts.get("path"),
        "replaces": ", ".join(facts.get("replaces") or ()),
        "versions": _versions(facts),
        "aliases": ", ".join(facts.get("aliases") or ()),
        "converter": facts.get("converter"),
        "facts seen in": facts.get("source"),
        "manifest": facts.get("manifest"),
    }
    yield from (f"{key}: {value}" for key, value in pairs.items() if value)


def _versions(facts: Mapping[str, Any]) -> str | None:
    """Return the version of a row and the others that there are, unless it is the only one."""
    others = [number for number in facts.get("versions") or () if number != facts["version"]]
    if not others:
        return None
    return f"{facts['version']}, also {', '.join(map(str, others))}: NAME@{others[0]}"


def _classes(names: Any) -> str:
    shown = ", ".join(names[:_MOST_CLASSES])
    more = f", ... ({len(names)} in total; --json lists all)" if len(names) > _MOST_CLASSES else ""
    return shown + more


def _metrics(facts: Mapping[str, Any]) -> Iterator[str]:
    metrics = facts.get("metrics") or ()
    yield "metrics:" if metrics else "metrics: none stated"
    for one in metrics:
        published = one.get("published")
        how = f"published in {published}" if published else f"measured, {one['protocol']}"
        text = metric_text({**one, "published": None})
        labels = "" if one["labels"] == "true" else f", {one['labels']} labels"
        yield f"  {text}{labels}; {how}"


def _digests(facts: Mapping[str, Any]) -> Iterator[str]:
    digest = facts.get("digest")
    if isinstance(digest, Mapping):
        value = f"{digest['kind'].replace('_', ' ')} {digest['value']}".strip()
        yield f"digest: {value}"
    elif facts.get("sha256"):
        yield f"sha256: {facts['sha256']}"
    for url in facts.get("urls") or ():
        yield f"address: {url}"


def _use(facts: Mapping[str, Any]) -> Iterator[str]:
    name = facts["name"]
    to_pin, held = facts.get("file") == "to pin", facts.get("non_commercial") is True
    if to_pin or (held and facts.get("file") == "to fetch"):
        words = [*(["--pin"] if to_pin else []), *(["--accept-licence"] if held else [])]
        yield f"zoo download {name} {' '.join(words)}"
    if facts["task"] != "backbone":
        yield f"zoo predict {name} IMAGE --out out"
    yield f"zoo train CONFIG --data DATA --pretrained {name}"
