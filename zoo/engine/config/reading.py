# SPDX-License-Identifier: Apache-2.0
"""``read_config``: from what a user typed to a config that can be built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.config.building import explaining
from zoo.engine.config.data_folder import bind_data
from zoo.engine.config.generations import check_generation
from zoo.engine.config.options import merge_cfg_options, parse_cfg_options
from zoo.engine.config.parts import family_of
from zoo.engine.config.pretrained import map_pretrained
from zoo.engine.config.values import check_shape
from zoo.engine.config_files.files import find_config_file, parse_config_file
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["read_config"]

_SCOPES = {"semantic": "mmseg", "instance": "mmdet"}


def read_config(
    name_or_path: str | Path,
    *,
    cfg_options: Mapping[str, Any] | Sequence[str] | None = None,
    data: str | Path | None = None,
    pretrained: str | Path | None = None,
    work_dir: str | Path | None = None,
    fetch: Callable[[str, str], Path] | None = None,
) -> Config:
    """Return a config with its data, options, pretrained weights and work dir set.

    The order is: file and its bases, ``data``, ``cfg_options`` (so that an explicit option wins),
    ``pretrained``, ``work_dir``. Nothing is built or installed, and nothing fetched but by
    ``fetch``.

    Args:
        name_or_path: A file, a name in the catalog, or ``mmseg::unet/x.py``.
        cfg_options: Dotted key -> value, or ``key=value`` strings in OpenMMLab's syntax.
        data: A folder that ``zoo data prepare`` wrote.
        pretrained: A weights file, a folder of them, an address with its digest, or ``"none"``,
            for the remote weights that the config starts from.
        work_dir: Where runs go; default the config's own, else ``work_dirs/<config name>``.
        fetch: What returns the file of the address and the sha256 that ``pretrained`` names, as
            `zoo.weights.fetch_address` does; None refuses an address.

    Raises:
        UnknownNameError: No such config; near names are offered.
        ConfigError: It cannot be read, is of an old generation, or asks for weights that the user
            did not name.
        DownloadError: ``fetch`` cannot get the weights.
        DataError: ``data`` is not a prepared folder.
    """
    path = find_config_file(name_or_path)
    config = parse_config_file(path)
    with explaining(config, path, doing="use the config"):
        _complete(config, path, data, cfg_options, pretrained, fetch)
        if work_dir is not None:
            config.work_dir = str(work_dir)
    return config


def _complete(
    config: Config,
    path: Path,
    data: str | Path | None,
    cfg_options: Mapping[str, Any] | Sequence[str] | None,
    pretrained: str | Path | None,
    fetch: Callable[[str, str], Path] | None,
) -> None:
    check_generation(config, path)
    tree = config._cfg_dict
    if tree.get("model") is None:
        message = f"cannot use {path.name!r}: it has no model, expected a config that trains."
        raise ConfigError(message, where=path, hint="configs in _base_ are parts of others.")
    check_shape(tree)
    if data is not None:
        bind_data(tree, Path(data))
    if cfg_options:
        if not isinstance(cfg_options, Mapping):
            cfg_options = parse_cfg_options(cfg_options)
        merge_cfg_options(config, cfg_options)
        check_shape(config._cfg_dict)
    tree = config._cfg_dict
    map_pretrained(tree, pretrained, fetch)
    if tree.get("work_dir") is None:
        config.work_dir = str(Path("work_dirs") / path.stem)
    if tree.get("default_scope") is None:
        config.default_scope = _SCOPES.get(family_of(tree) or "", "mmengine")
