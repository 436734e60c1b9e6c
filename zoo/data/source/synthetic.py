# SPDX-License-Identifier: Apache-2.0
"""The mark of a synthetic data set, which stays with the data up to the model card.

A metric on synthetic images says nothing about real ones. ``zoo data sample`` writes the mark to
the raw folder, ``prepare`` copies it to ``dataset.json``, and ``zoo publish`` to the record, the
row and the card.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, parse_json
from zoo.errors import DataError
from zoo.fields import Fields
from zoo.files import write_file

__all__ = ["MARK_NAME", "Synthetic", "mark_sample", "read_mark"]

MARK_NAME = ".zoo_sample.json"
"""Hidden, so that no raw layout has to know of it."""
_SCHEMA = 1
_LIMITS = Limits(size_bytes=2**16, values=100, depth=4)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """Who generated a data set.

    Attributes:
        plugin: Name of the plugin.
        version: Version of the plugin.
        licence: Licence of the generated data: that of the plugin, not of any real data.
        seed: Seed of the generator.
    """

    plugin: str
    version: str
    licence: str
    seed: int

    def __str__(self) -> str:
        """Return a description."""
        return f"a synthetic sample of {self.plugin} {self.version}, seed {self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """Return the values as JSON."""
        return {
            "plugin": self.plugin,
            "version": self.version,
            "licence": self.licence,
            "seed": self.seed,
        }

    @classmethod
    def from_fields(cls, fields: Fields) -> Synthetic:
        """Parse the result of ``to_dict``; raises `DocumentError`.

        Args:
            fields: The object, as read from JSON.
        """
        found = cls(
            plugin=fields.text("plugin"),
            version=fields.text("version"),
            licence=fields.text("licence"),
            seed=fields.whole("seed", least=-(2**63)),
        )
        fields.done()
        return found


def mark_sample(folder: Path, synthetic: Synthetic) -> None:
    """Write the mark to a raw folder that a plugin generated.

    Args:
        folder: The raw folder.
        synthetic: Which plugin generated the data.
    """
    text = json.dumps({"schema": _SCHEMA, **synthetic.to_dict()}, indent=2, ensure_ascii=False)
    write_file(folder / MARK_NAME, f"{text}\n".encode())


def read_mark(data: bytes, where: str) -> Synthetic:
    """Parse a mark.

    Args:
        data: Content of the mark file.
        where: How error messages name the file.

    Raises:
        DataError: It is not a valid mark.
    """
    try:
        fields = Fields(parse_json(data, _LIMITS))
        if fields.take("schema") != _SCHEMA:
            fields.fail("schema", str(_SCHEMA))
        return Synthetic.from_fields(fields)
    except DocumentError as error:
        message = f"cannot read the mark of a synthetic sample: {error}."
        hint = "draw the sample again: zoo data sample NAME --out DIR."
        raise DataError(message, path=where, hint=hint) from error
