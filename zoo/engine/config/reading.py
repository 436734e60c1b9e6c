# SPDX-License-Identifier: Apache-2.0
"""``read_config``: turn what a user typed into a config that can be built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zoo.engine.config.building import explaining
from zoo.engine.config.data_folder import bind_data
from zoo.engine.config.generations import check_generation
from zoo.engine.config.options import merge_cfg_options, parse_cfg_options
from zoo.engine.config.pretrained import map_pretrained
from zoo.engine.config.values import check_shape
from zoo.engine.config_files.files import find_config_file, parse_config_file
from zoo.engine.config_parts.parts import family_of
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["Adjust", "read_config"]

Adjust: TypeAlias = "Callable[[Config, Mapping[str, Any], str], None]"
_ONLY_A_PART = "a base is only a part: name it in the _base_ of a config, beside a model."
_SCOPES = {"semantic": "mmseg", "instance": "mmdet"}


def read_config(
    name_or_path: str | Path,
    *,
    cfg_options: Mapping[str, Any] | Sequence[str] | None = None,
    data: str | Path | None = None,
    pretrained: str | Path | None = None,
    work_dir: str | Path | None = None,
    fetch: Callable[[str, str], Path] | None = None,
    obtain: Callable[[str], Path] | None = None,
    adjust: Adjust | None = None,
) -> Config:
    """Return a config with its data, options, pretrained weights and work dir set.

    The order is: file and its bases, ``data``, ``adjust``, ``cfg_options`` (so that an explicit
    option wins), ``pretrained``, ``work_dir``. Nothing is built or installed, and only ``adjust``,
    ``fetch`` and ``obtain`` download.

    Args:
        name_or_path: A file, a catalog name, or ``mmseg::unet/x.py``.
        cfg_options: Dotted key -> value, or ``key=value`` strings in OpenMMLab's syntax.
        data: A folder that ``zoo data prepare`` wrote.
        pretrained: A weights file or name, a folder of files, a URL with its digest, or
            ``"none"``, for the remote weights that the config starts from.
        work_dir: Output folder of runs; default the config's own, else
            ``work_dirs/<config name>``.
        fetch: Returns the file of the URL and the sha256 that ``pretrained`` names, like
            `zoo.weights.fetch_address`; None refuses a URL.
        obtain: Returns the file of the weights whose name ``pretrained`` is, adopted first if need
            be; None takes only weights that need no adoption.
        adjust: Changes the config in place; called with it, with ``cfg_options`` as dotted key ->
            value, and with the default scope of its types.

    Raises:
        UnknownNameError: No config has that name; near names are offered.
        ConfigError: It cannot be read, is of an old generation, or asks for weights that the user
            did not name.
        DownloadError: ``fetch`` or ``obtain`` cannot get the weights.
        DataError: ``data`` is not a prepared folder.
    """
    path = find_config_file(name_or_path)
    config = parse_config_file(path)
    with explaining(config, path, doing="use the config"):
        _check_whole(config, path)
        if not isinstance(cfg_options, Mapping):
            cfg_options = parse_cfg_options(cfg_options or ())
        _lay_over(config, data, adjust, cfg_options)
        map_pretrained(config._cfg_dict, pretrained, fetch, obtain)
        if config.get("work_dir") is None:
            config.work_dir = str(Path("work_dirs") / path.stem)
        if config.get("default_scope") is None:
            config.default_scope = _scope_of(config)
        if work_dir is not None:
            config.work_dir = str(work_dir)
    return config


def _check_whole(config: Config, path: Path) -> None:
    check_generation(config, path)
    if config._cfg_dict.get("model") is None:
        message = f"cannot use {path.name!r}: it has no model, expected a trainable config."
        raise ConfigError(
            message,
            where=path,
            hint=_ONLY_A_PART,
        )
    check_shape(config._cfg_dict)


def _lay_over(
    config: Config,
    data: str | Path | None,
    adjust: Adjust | None,
    cfg_options: Mapping[str, Any],
) -> None:
    if data is not None:
        bind_data(config._cfg_dict, Path(data))
    if adjust is not None:
        adjust(config, cfg_options, _scope_of(config))
    if cfg_options:
        merge_cfg_options(config, cfg_options)
        check_shape(config._cfg_dict)


def _scope_of(config: Config) -> str:
    return config.get("default_scope") or _SCOPES.get(family_of(config._cfg_dict) or "", "mmengine")
