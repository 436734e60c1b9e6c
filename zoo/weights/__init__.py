# SPDX-License-Identifier: Apache-2.0
"""Weights as files: where they are, how they get here, and whether their bytes are right."""

from zoo.weights.cache import cache_folder, cached_file, find_cached, remove_cached
from zoo.weights.download import (
    add_to_cache,
    download,
    fetch_weights,
    is_offline,
    list_weights,
    weights_addresses,
)
from zoo.weights.fetch import fetch_file
from zoo.weights.files import check_file, find_weights_file, local_files, verify_file
from zoo.weights.mirrors import user_mirrors

__all__ = [
    "add_to_cache",
    "cache_folder",
    "cached_file",
    "check_file",
    "download",
    "fetch_file",
    "fetch_weights",
    "find_cached",
    "find_weights_file",
    "is_offline",
    "list_weights",
    "local_files",
    "remove_cached",
    "user_mirrors",
    "verify_file",
    "weights_addresses",
]
