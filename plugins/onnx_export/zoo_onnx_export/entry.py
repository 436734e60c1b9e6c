# SPDX-License-Identifier: Apache-2.0
"""What the manifest names: the packages of ONNX are looked for, then the rest is imported."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import PluginError

if TYPE_CHECKING:
    import zoo
    from zoo.interfaces import ExportOptions
    from zoo_onnx_export.runner import OnnxModel

__all__ = ["export", "export_int8", "export_qgis", "open_file"]

_TO_EXPORT, _TO_RUN = ("onnx", "onnxruntime", "onnxscript"), ("onnx", "onnxruntime")


def export(model: zoo.Predictor, out: Path, options: ExportOptions) -> Mapping[str, Any]:
    """Write a model as one certified file; the target of the ``[[exporter]]`` row.

    Args:
        model: A semantic or instance model, on the CPU.
        out: The file to write. It appears whole or not at all.
        options: What the command was told.

    Returns:
        The certificate.

    Raises:
        PluginError: A package is missing.
        ExportError: A part of the model cannot be exported, or the file departs from the model.
        DataError: The images of the comparison cannot be read.
    """
    _check(_TO_EXPORT)
    from zoo_onnx_export.exporter import write_export

    return write_export(model, out, options)


def export_int8(model: zoo.Predictor, out: Path, options: ExportOptions) -> Mapping[str, Any]:
    """Write a model in 8 bits as one certified file; the target of an ``[[exporter]]`` row.

    Args:
        model: A semantic model, on the CPU.
        out: The file to write. It appears whole or not at all.
        options: What the command was told; its data are a prepared folder.

    Returns:
        The certificate.

    Raises:
        PluginError: A package is missing.
        ExportError: There are no data, a part of the model cannot be exported, the file departs
            from the model by more than 8 bits may, or it is not faster than one of floats.
        DataError: The data cannot be read.
    """
    _check(_TO_EXPORT)
    from zoo_onnx_export.int8 import write_int8

    return write_int8(model, out, options)


def export_qgis(model: zoo.Predictor, out: Path, options: ExportOptions) -> Mapping[str, Any]:
    """Write a model as one file for Deepness in QGIS; the target of the ``[[exporter]]`` row.

    Args:
        model: A semantic model, on the CPU, or an opened ONNX file of one.
        out: The file to write. It appears whole or not at all.
        options: What the command was told.

    Returns:
        The certificate of the graph in it.

    Raises:
        PluginError: A package is missing.
        ExportError: A part of the model cannot be exported, or the file departs from the model.
        DataError: The images of the comparison cannot be read.
    """
    _check(_TO_EXPORT if model.model.export is None else _TO_RUN)
    from zoo_onnx_export.qgis import write_qgis

    return write_qgis(model, out, options)


def open_file(path: Path) -> OnnxModel:
    """Return an opened export; the ``runner`` of the ``[[exporter]]`` row.

    Args:
        path: The file.

    Raises:
        PluginError: A package is missing.
        FileError: It is no file of format 1, was changed, or cannot be run here.
    """
    _check(_TO_RUN)
    from zoo_onnx_export.runner import OnnxModel

    return OnnxModel(path)


def _check(packages: tuple[str, ...]) -> None:
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        message = f"cannot use ONNX: {', '.join(missing)} is not installed."
        hint = 'pip install "mmzoo-onnx-export[onnx]"'
        raise PluginError(message, plugin="onnx_export", hint=hint)
