# SPDX-License-Identifier: Apache-2.0
"""Convert a source to one ``.safetensors`` that opens like any published model.

Equal input gives equal bytes: the same source, row, config and versions of converter and OpenMMLab.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.catalog import Found
from zoo.engine.adoption.converters import FoundConverter, find_converter
from zoo.engine.adoption.model_record import describe_model
from zoo.engine.adoption.skeleton import build_skeleton
from zoo.engine.checkpoints.checkpoint import Checkpoint, load_checkpoint
from zoo.engine.checkpoints.convert import is_parameter
from zoo.engine.checkpoints.fit import find_misfits, fits_renamed
from zoo.engine.checkpoints.published import CONVERTED, RECORD
from zoo.engine.checkpoints.source_file import read_source
from zoo.engine.checkpoints.tensor_file import WrittenFile, write_tensors
from zoo.engine.records.checks import check_record
from zoo.errors import ConversionError, ManifestError
from zoo.manifest.rows import LivingRow
from zoo.weights.fetching.addresses import shown_address
from zoo.weights.fetching.sources import FetchedSource

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.engine.records.record import ModelRecord

__all__ = ["Conversion", "convert_source"]


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


def convert_source(found: Found, row: LivingRow, source: FetchedSource, target: Path) -> Conversion:
    """Write the weights of a source as ``target``, checked against the model that they are for.

    A row with a config gives a file with a record; a backbone, bare tensors and a note.

    Args:
        found: The row and its plugin.
        row: The living row.
        source: The file and its digest.
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
    trained: Checkpoint | None = None
    tensors: Mapping[str, Tensor]
    if converter is None:
        trained = load_checkpoint(source.path, mapped=True)
        tensors = trained.state_dict
    else:
        tensors = converter.run(read_source(source.path, row.format), source.path)
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
    if converter is None:
        return Conversion(written, parameters, None, None)
    return Conversion(written, parameters, converter.name, converter.version)


def _provenance(
    row: LivingRow, source: FetchedSource, converter: FoundConverter | None
) -> dict[str, Any]:
    """Return how the file came to be, without what differs between machines, as a mirror does."""
    address = shown_address(row.urls[0])
    known: dict[str, Any] = {"source_sha256": source.sha256, "source_address": address}
    if converter is not None:
        known |= {"converter": converter.name, "converter_version": converter.version}
    return known if row.source is None else {**known, "facts": row.source}


def _check_model(
    found: Found,
    record: ModelRecord,
    tensors: Mapping[str, Tensor],
    converter: FoundConverter | None,
) -> int:
    """Return the number of the model's parameters; raise unless the tensors are all of it."""
    check_record(record, record.name)
    model = build_skeleton(record)
    misfits = find_misfits(model, tensors)
    # Modules of OpenMMLab rename names of their older versions while they load.
    is_older = converter is None and misfits is not None and not misfits.shaped
    if misfits is not None and not (is_older and fits_renamed(model, tensors)):
        by = "the file's weights do" if converter is None else f"what {converter.name!r} made does"
        message = f"cannot convert {record.name!r}: {by} not fit the model of the config "
        message += f"{record.trained_with!r}: {misfits}"
        raise ConversionError(
            message,
            missing=misfits.missing,
            unexpected=misfits.unexpected,
            misshaped=[text.partition(" ")[0] for text in misfits.shaped],
            path=found.record.path,
            hint=f"tell the author of the plugin {found.record.name}: file, converter and config "
            "of that row are not of one architecture.",
        )
    parameters = sum(each.numel() for each in model.parameters())
    if record.parameters not in (0, parameters):
        message = f"cannot adopt {record.name!r}: the row states {record.parameters:,} parameters, "
        message += f"the converted model has {parameters:,}."
        hint = f"tell the author of the plugin {found.record.name}."
        plugin, manifest = found.record.name, found.record.path
        raise ManifestError(message, plugin=plugin, manifest=manifest, hint=hint)
    return parameters
