# SPDX-License-Identifier: Apache-2.0
"""A plugin-based model zoo registry for image segmentation on OpenMMLab.

Importing zoo costs nothing but the standard library. It makes ``mmcv._ext`` importable where no
compiled mmcv is installed; the names below are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo._extension import install as _install
from zoo.version import __version__

if TYPE_CHECKING:  # what __getattr__ brings at run time
    from zoo.catalog import read_catalog
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.prediction.predictor import load
    from zoo.errors import ZooError
    from zoo.loading import load_contribution
    from zoo.weights.download import download, list_weights

__all__ = [
    "ZooError",
    "__version__",
    "download",
    "list_weights",
    "load",
    "load_checkpoint",
    "load_contribution",
    "read_catalog",
]

_install()

_HOMES = {
    "ZooError": "zoo.errors",
    "download": "zoo.weights.download",
    "list_weights": "zoo.weights.download",
    "load": "zoo.engine.prediction.predictor",
    "load_checkpoint": "zoo.engine.checkpoints.checkpoint",
    "load_contribution": "zoo.loading",
    "read_catalog": "zoo.catalog",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module 'zoo' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
