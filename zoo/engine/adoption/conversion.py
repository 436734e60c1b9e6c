# SPDX-License-Identifier: Apache-2.0
"""Convert a source to one ``.safetensors`` that opens like any published model.

Equal input gives equal bytes: the same source, row, config and versions of converter and OpenMMLab.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.catalog import Found, read_catalog
from zoo.engine.adoption.model_record import describe_model
from zoo.engine.adoption.skeleton import build_skeleton
from zoo.engine.checkpoints.checkpoint import load_checkpoint
from zoo.engine.checkpoints.convert import is_parameter
from zoo.engine.checkpoints.fit import find_misfits
from zoo.engine.checkpoints.published import CONVERTED, RECORD
from zoo.engine.checkpoints.source_file import read_source
from zoo.engine.checkpoints.tensor_file import WrittenFile, write_tensors
from zoo.engine.records.checks import check_record
from zoo.errors import ConversionError, ManifestError, ZooError
from zoo.loading import load_target
from zoo.manifest.rows import ConverterRow, LivingRow
from zoo.weights.fetching.sources import FetchedSource

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.engine.records.record import ModelRecord

__all__ = ["Conversion", "convert_source", "find_converter"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """The result of a conversion.

    Attributes:
        file: The ``.safetensors``.
        parameters: Number of parameters, without buffers.
        converter: ``plugin.name`` of the converter, or None.
        version: Its version, or None.
    """

    file: WrittenFile
    parameters: int
    converter: str | None
    version: int | None


def find_converter(found: Found) -> Found | None:
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
    return read_catalog().find("converter", name)


def convert_source(found: Found, row: LivingRow, source: FetchedSource, target: Path) -> Conversion:
    """Write the weights of a source as ``target``, checked against the model that they are for.

    A row with a config gives a file with a record; a backbone, bare tensors and a note.

    Args:
        found: The row and its plugin.
        row: The living row.
        source: The file, its digest and where it came from.
        target: The ``.safetensors`` to write, completely or not at all.

    Raises:
        UnsafeCheckpointError: The source asks for a class or function that is not allowed.
        ConversionError: It is of another architecture than the converter or the config.
        CheckpointError: It cannot be read, or the result cannot be written.
        ConfigError: The row's config cannot be read or built.
        ManifestError: The row states another number of parameters.
        PluginError: The converter or its plugin cannot be used.
    """
    converter = find_converter(found)
    trained: tuple[str, ...] | None = None
    if converter is None:
        checkpoint = load_checkpoint(source.path, mapped=True)
        tensors, trained = checkpoint.state_dict, checkpoint.classes
    else:
        tensors = _converted(converter, read_source(source.path, row.format), source.path)
    provenance = _provenance(row, source, converter)
    if row.config:
        record = describe_model(found, trained=trained, provenance=provenance)
        parameters = _check_model(found, record, tensors, converter)
        note = {RECORD: replace(record, parameters=parameters).to_json()}
    else:
        parameters = row.parameters or sum(
            value.numel() for name, value in tensors.items() if is_parameter(name, value)
        )
        note = {CONVERTED: json.dumps(provenance, sort_keys=True, separators=(",", ":"))}
    written = write_tensors(target, tensors, note)
    named = None if converter is None else _called(converter)
    return Conversion(written, parameters, named, _version(converter))


def _called(converter: Found) -> str:
    return f"{converter.record.name}.{converter.row.name}"


def _version(converter: Found | None) -> int | None:
    row = None if converter is None else converter.row
    return row.version if isinstance(row, ConverterRow) else None


def _provenance(row: LivingRow, source: FetchedSource, converter: Found | None) -> dict[str, Any]:
    """Return how the file came to be, without what differs between machines, as a mirror does."""
    known: dict[str, Any] = {"source_sha256": source.sha256, "source_address": row.urls[0]}
    if converter is not None:
        known |= {"converter": _called(converter), "converter_version": _version(converter)}
    return known if row.source is None else {**known, "facts": row.source}


def _converted(converter: Found, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    import torch

    convert: Any = load_target(converter)
    result = _run(convert, tensors, converter, path)
    if isinstance(result, dict) and result:
        wrong = [
            name
            for name, value in result.items()
            if not isinstance(name, str) or not isinstance(value, torch.Tensor)
        ]
        if not wrong:
            return result
    message = f"cannot convert {path.name!r}: converter {_called(converter)!r} returned no tensors "
    message += "by name."
    raise ConversionError(message, path=path, hint=_blame(converter))


def _run(
    convert: Callable[[Mapping[str, Tensor]], Any],
    tensors: Mapping[str, Tensor],
    converter: Found,
    path: Path,
) -> Any:
    import torch

    try:
        with torch.no_grad():
            return convert(tensors)
    except ConversionError as error:
        error.where = error.where or str(path)
        raise
    except ZooError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or ["no message"])[0].rstrip(".")
        message = f"cannot convert {path.name!r}: converter {_called(converter)!r} failed: "
        message += f"{type(error).__name__}: {reason[:200]}."
        raise ConversionError(message, path=path, hint=_blame(converter)) from error


def _blame(converter: Found) -> str:
    return f"report it to the author of the plugin {converter.record.name}."


def _check_model(
    found: Found, record: ModelRecord, tensors: Mapping[str, Tensor], converter: Found | None
) -> int:
    """Return the number of the model's parameters; raise unless the tensors are all of it."""
    check_record(record, record.name)
    model = build_skeleton(record)
    misfits = find_misfits(model, tensors)
    if misfits is not None:
        by = "the file's weights" if converter is None else f"what {_called(converter)!r} returned"
        message = f"cannot convert {record.name!r}: {by} does not fit the model of the config "
        message += f"{record.trained_with!r}: {misfits}"
        hint = "check that the row's file, converter and config are of one architecture."
        raise ConversionError(
            message,
            missing=misfits.missing,
            unexpected=misfits.unexpected,
            misshaped=[text.partition(" ")[0] for text in misfits.shaped],
            hint=hint,
        )
    parameters = sum(each.numel() for each in model.parameters())
    _check_count(found, record.parameters or parameters, parameters)
    return parameters


def _check_count(found: Found, stated: int, counted: int) -> None:
    if stated == counted:
        return
    message = f"cannot adopt {found.row.name!r}: the row states {stated:,} parameters, the "
    message += f"converted model has {counted:,}."
    hint = f"tell the author of the plugin {found.record.name}."
    record = found.record
    raise ManifestError(message, plugin=record.name, manifest=record.path, hint=hint)
