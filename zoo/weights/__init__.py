# SPDX-License-Identifier: Apache-2.0
"""Weights as files: where they are, how they get here, and whether their bytes are right.

The names below are imported when they are first used: a listing needs none that can download.
`zoo.weights.download.download` is not among them: its module has that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.weights.by_address import fetch_address
    from zoo.weights.by_name import find_weights
    from zoo.weights.cache import CachedFile, cache_folder, cached_file, find_cached, remove_cached
    from zoo.weights.download import (
        Plan,
        add_to_cache,
        fetch_weights,
        is_offline,
        list_weights,
        plan_download,
        weights_addresses,
    )
    from zoo.weights.fetching.addresses import user_mirrors
    from zoo.weights.fetching.all_tries import fetch_file
    from zoo.weights.files import check_file, find_weights_file, local_files, verify_file

__all__ = [
    "CachedFile",
    "Plan",
    "add_to_cache",
    "cache_folder",
    "cached_file",
    "check_file",
    "fetch_address",
    "fetch_file",
    "fetch_weights",
    "find_cached",
    "find_weights",
    "find_weights_file",
    "is_offline",
    "list_weights",
    "local_files",
    "plan_download",
    "remove_cached",
    "user_mirrors",
    "verify_file",
    "weights_addresses",
]

_HOMES = {
    "CachedFile": "zoo.weights.cache",
    "Plan": "zoo.weights.download",
    "add_to_cache": "zoo.weights.download",
    "cache_folder": "zoo.weights.cache",
    "cached_file": "zoo.weights.cache",
    "check_file": "zoo.weights.files",
    "fetch_address": "zoo.weights.by_address",
    "fetch_file": "zoo.weights.fetching.all_tries",
    "fetch_weights": "zoo.weights.download",
    "find_cached": "zoo.weights.cache",
    "find_weights": "zoo.weights.by_name",
    "find_weights_file": "zoo.weights.files",
    "is_offline": "zoo.weights.download",
    "list_weights": "zoo.weights.download",
    "local_files": "zoo.weights.files",
    "plan_download": "zoo.weights.download",
    "remove_cached": "zoo.weights.cache",
    "user_mirrors": "zoo.weights.fetching.addresses",
    "verify_file": "zoo.weights.files",
    "weights_addresses": "zoo.weights.download",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module 'zoo.weights' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
