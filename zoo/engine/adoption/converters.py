# SPDX-License-Identifier: Apache-2.0
"""The converter that a living row names, and a run of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.catalog import Found, read_catalog
from zoo.errors import ConversionError, ZooError
from zoo.loading import load_target
from zoo.manifest.rows import ConverterRow, LivingRow

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FoundConverter", "find_converter"]


@dataclass(frozen=True, slots=True)
class FoundConverter:
    """A converter in the catalog.

    Attributes:
        found: Its row and plugin.
        version: Its version.
    """

    found: Found
    version: int

    @property
    def name(self) -> str:
        """Return ``plugin.name``."""
        return f"{self.found.record.name}.{self.found.row.name}"

    def load(self) -> Any:
        """Return the function, whose module is imported.

        Raises:
            PluginError: Its plugin cannot be used.
        """
        return load_target(self.found)

    def run(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """Return what the converter makes of tensors.

        Args:
            tensors: Tensors by the names of the other library.
            path: The file that they are from, for messages.

        Raises:
            ConversionError: They are of another architecture, or the converter fails.
            PluginError: Its plugin cannot be used.
        """
        import torch

        convert = self.load()
        try:
            with torch.no_grad():
                result = convert(tensors)
        except ZooError as error:
            error.where = error.where or str(path)
            raise
        except Exception as error:
            reason = (str(error).strip().splitlines() or ["no message"])[0].rstrip(".")
            raise self._fault(path, f"failed: {type(error).__name__}: {reason[:200]}") from error
        if not isinstance(result, dict) or not result:
            raise self._fault(path, "returned no tensors by name")
        for name, value in result.items():
            if not isinstance(name, str) or not isinstance(value, torch.Tensor):
                kind = type(value).__name__
                raise self._fault(path, f"returned a {kind} as {name!r:.80}, expected a tensor")
            is_plain = type(value) in (torch.Tensor, torch.nn.Parameter)
            if not is_plain or value.layout != torch.strided or value.is_meta:
                what = f"returned as {name!r:.80} a tensor that is not plain and dense"
                raise self._fault(path, what)
        if not any(value.is_floating_point() and value.numel() for value in result.values()):
            raise self._fault(path, "returned no parameters")
        return result

    def _fault(self, path: Path, what: str) -> ConversionError:
        message = f"cannot convert {path.name!r}: converter {self.name!r} {what}."
        hint = f"report it to the author of the plugin {self.found.record.name}."
        return ConversionError(message, path=path, hint=hint)


def find_converter(found: Found) -> FoundConverter | None:
    """Return the converter of a living row, of its own plugin first; None if it needs none.

    Args:
        found: A living row and its plugin.

    Raises:
        UnknownNameError: There is no such converter.
        PluginError: Its plugin cannot be used.
    """
    row = found.row
    name = row.converter if isinstance(row, LivingRow) else None
    if name is None:
        return None
    own = [each for each in found.record.checked().contributions if each.kind == "converter"]
    if any(each.name == name for each in own):
        name = f"{found.record.name}.{name}"
    converter = read_catalog().find("converter", name)
    version = converter.row.version if isinstance(converter.row, ConverterRow) else 1
    return FoundConverter(converter, version)
