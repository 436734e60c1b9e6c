# SPDX-License-Identifier: Apache-2.0
"""Files of weights: where they are, how to fetch them, and how to verify them.

The names below are imported on first use, because a listing needs none that download.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.weights.by_address import fetch_address, fetch_pinned
    from zoo.weights.by_name import find_weights
    from zoo.weights.cache import CachedFile, cache_folder, cached_file, find_cached, remove_cached
    from zoo.weights.download import (
        Plan,
        add_to_cache,
        fetch_weights,
        list_weights,
        plan_download,
        weights_addresses,
    )
    from zoo.weights.fetching.addresses import is_offline, user_mirrors
    from zoo.weights.fetching.all_tries import fetch_file
    from zoo.weights.files import check_file, find_weights_file, local_files, verify_file
else:
    from zoo.faces import lazy_names as _lazy_names

    __getattr__, __dir__ = _lazy_names(
        __name__,
        {
            "zoo.weights.by_address": ["fetch_address", "fetch_pinned"],
            "zoo.weights.by_name": ["find_weights"],
            "zoo.weights.cache": [
                "CachedFile",
                "cache_folder",
                "cached_file",
                "find_cached",
                "remove_cached",
            ],
            "zoo.weights.download": [
                "Plan",
                "add_to_cache",
                "fetch_weights",
                "list_weights",
                "plan_download",
                "weights_addresses",
            ],
            "zoo.weights.fetching.addresses": ["is_offline", "user_mirrors"],
            "zoo.weights.fetching.all_tries": ["fetch_file"],
            "zoo.weights.files": ["check_file", "find_weights_file", "local_files", "verify_file"],
        },
    )

__all__ = [
    "CachedFile",
    "Plan",
    "add_to_cache",
    "cache_folder",
    "cached_file",
    "check_file",
    "fetch_address",
    "fetch_file",
    "fetch_pinned",
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
