# SPDX-License-Identifier: Apache-2.0
"""Map the weights that a config takes from the internet to files that the user has.

Upstream configs start from ``torchvision://resnet50`` (needs torchvision), ``open-mmlab://...``
(a host that no longer exists) or a plain URL. None of these is fetched. If plugins have living
weights for all of them, those are used, and a line says so. Otherwise the user names a file, a
folder of files (such as torch's own cache), a URL with its digest, weights of the catalog, or none.
``user://resnet50`` in a user's own config only says which weights would fit.
A plugin's initializer may bring weights
itself, as its manifest says; none leaves those out too.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zoo.catalog import read_catalog
from zoo.engine.config.pretrained_url import is_url, read_url
from zoo.engine.config_parts.tree import iterate_dicts, join_key
from zoo.errors import ConfigError, DownloadError, ZooError
from zoo.files import expand_home
from zoo.manifest.rows import BACKBONE, InitializerRow

__all__ = ["Wanted", "find_wanted", "map_pretrained"]

_REMOTE = re.compile(
    r"^(user|torchvision|open-mmlab|openmmlab|mmcls|modelzoo|https?|s3|petrel|pavi|ftp)(://|:s3://)"
)
_LOG = logging.getLogger("zoo")
_KEYS = ("checkpoint", "pretrained", "load_from", "teacher_ckpt")
_INITIALIZER = re.compile(r"(^|\.)init_cfg(\.\d+)?$")
_WEIGHT_SUFFIXES = (".pth", ".pt", ".pkl", ".bin", ".safetensors")

Fetch = Callable[[str, str], Path]
Obtain = Callable[[str], Path]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key of a config that asks for weights from elsewhere.

    Attributes:
        key: Dotted key of the string.
        address: Its value, e.g. ``open-mmlab://resnet50_v1c``.
    """

    key: str
    address: str


def find_wanted(config: dict[str, Any]) -> list[Wanted]:
    """Return every remote address of weights: ``checkpoint``, ``load_from``, ...

    Args:
        config: The whole config as a dict.
    """
    return [
        Wanted(join_key(key, name), node[name])
        for key, node in iterate_dicts(config)
        for name in _KEYS
        if isinstance(node.get(name), str) and _REMOTE.match(node[name])
    ]


def map_pretrained(
    config: dict[str, Any],
    choice: str | Path | None,
    fetch: Fetch | None = None,
    obtain: Obtain | None = None,
) -> None:
    """Replace each remote address by a file, or remove it; only what the user named is downloaded.

    Args:
        config: The whole config, changed in place.
        choice: A weights file (only if the config needs one set of weights), a name of
            :func:`zoo.list_weights`, a URL as `zoo.engine.config.pretrained_url.read_url` takes
            it, a folder that contains them under their upstream names, ``"none"`` for random
            weights, also instead of those of plugins' initializers, or None if the user said
            nothing. If the config needs no remote weights, a file becomes its ``load_from``; and a
            name of a whole model does so always, in place of the weights of its parts.
        fetch: Returns the file of a URL and a sha256; None refuses URLs.
        obtain: Returns the file of weights by name, adopted first if need be; None takes only
            weights that need no adoption, downloaded only if ``fetch`` is given.

    Raises:
        ConfigError: Weights are needed and ``choice`` is None, does not exist, does not contain
            them, or is a URL without a digest.
        DownloadError: ``fetch`` or ``obtain`` cannot get them.
    """
    wanted = find_wanted(config)
    is_whole = False
    if isinstance(choice, str) and _is_name(choice):
        is_whole = _is_whole_model(choice)
        choice = obtain(choice) if obtain else _of_catalog(choice, may_fetch=fetch is not None)
    if is_url(choice):
        choice = _fetched(wanted, str(choice), fetch)
    if str(choice) == "none":
        _start_at_random(config, wanted)
    elif is_whole and choice is not None:
        _start_whole(config, wanted, choice)
    elif choice is not None:
        for item in reversed(wanted):
            _replace(config, item, _choose(wanted, item, choice))
        if not wanted:
            _start_from(config, choice)
    elif wanted:
        _map_living(config, wanted, obtain or partial(_of_catalog, may_fetch=fetch is not None))


def _map_living(config: dict[str, Any], wanted: list[Wanted], obtain: Obtain) -> None:
    """Replace upstream's addresses by living weights, if there are some for each of them."""
    from zoo.weights.replacing import find_replacing, full_name

    catalog = read_catalog()
    found = {item.address: find_replacing(catalog, item.address) for item in wanted}
    living = {address: full_name(each) for address, each in found.items() if each is not None}
    if len(living) < len(found):
        raise _unmapped(wanted)
    try:
        files = {address: str(obtain(name)) for address, name in living.items()}
    except DownloadError as error:
        hint = f"{(error.hint or 'get them').rstrip('.')}; or --pretrained none for random weights."
        raise DownloadError(error.message, where=error.where, hint=hint) from error
    for item in reversed(wanted):
        _replace(config, item, files[item.address])
    for address, name in living.items():
        _LOG.warning("pretrained weights: %s in place of %s", name, address)


def _fetched(wanted: list[Wanted], choice: str, fetch: Fetch | None) -> Path:
    url = read_url(choice)
    _check_same(wanted)
    if fetch is None:
        message = f"cannot take pretrained weights from {url.shown!r}: reading a config "
        message += "downloads nothing, expected a file."
        raise ConfigError(message, where="--pretrained", hint="download it and pass the file.")
    return fetch(url.address, url.sha256)


def _is_name(choice: str) -> bool:
    """Return whether weights are given by a catalog name, as in `zoo list`."""
    from zoo.weights.sources.lookup import is_scoped

    path = expand_home(choice)
    if not (choice == "none" or os.path.exists(path)) and is_scoped(choice):
        return True
    is_path = path.suffix in _WEIGHT_SUFFIXES or len(path.parts) != 1 or os.path.exists(path)
    return not (choice == "none" or is_url(choice) or is_path)


def _of_catalog(name: str, *, may_fetch: bool) -> Path:
    """Return the verified file of weights that need no adoption."""
    from zoo.weights import fetch_weights, find_weights, find_weights_file

    found = find_weights(name)
    return fetch_weights(found) if may_fetch else find_weights_file(found)


def _is_whole_model(name: str) -> bool:
    """Return whether a name is that of weights of a whole model, rather than of a backbone."""
    from zoo.weights import find_weights

    return getattr(find_weights(name).row, "task", None) != BACKBONE


def _start_whole(config: dict[str, Any], wanted: list[Wanted], file: str | Path) -> None:
    """Start the whole model from a file; its parts need no weights of their own then."""
    others = [item for item in wanted if item.key.rpartition(".")[2] == "teacher_ckpt"]
    if others:
        raise _unmapped(others)
    for item in reversed(wanted):
        _replace(config, item, None)
    _start_from(config, file)


def _start_at_random(config: dict[str, Any], wanted: list[Wanted]) -> None:
    # Backwards, so that removing from a list does not shift remaining indices.
    for item in reversed(wanted):
        _replace(config, item, None)
    for key, node in reversed(list(iterate_dicts(config))):
        if _INITIALIZER.search(key) and _brings_weights(node.get("type")):
            _remove(config, key)


def _brings_weights(name: Any) -> bool:
    """Return whether a type is a plugin's initializer with weights from elsewhere."""
    if not isinstance(name, str) or not name.startswith("zoo."):
        return False
    try:
        found = read_catalog().registered("WEIGHT_INITIALIZERS", name.removeprefix("zoo."))
    except ZooError:
        return False  # unknown names are reported together, before building
    return isinstance(found.row, InitializerRow) and found.row.pretrained


def _start_from(config: dict[str, Any], choice: str | Path) -> None:
    path = expand_home(choice)
    if not os.path.isfile(path):
        message = f"no pretrained weights at {str(path)!r}: expected a file."
        hint = "--pretrained takes FILE, URL or none; this config names no remote weights."
        raise ConfigError(message, where="--pretrained", hint=hint)
    config["load_from"] = str(path.absolute())


def _choose(wanted: list[Wanted], item: Wanted, choice: str | Path) -> str:
    path = expand_home(choice)
    if os.path.isdir(path):
        return _find_in_folder(path, item)
    if not os.path.isfile(path):
        message = f"no pretrained weights at {str(path)!r}: no such file or folder."
        hint = "--pretrained takes FILE, DIR, URL or none."
        raise ConfigError(message, where=item.key, hint=hint)
    _check_same(wanted)
    return str(path.absolute())


def _check_same(wanted: list[Wanted]) -> None:
    """Raise if one file cannot be everything that a config needs."""
    addresses = sorted({item.address for item in wanted})
    if len(addresses) > 1:
        message = f"cannot use one file for {len(addresses)} sets of weights: "
        message += f"the config needs {' and '.join(addresses)}."
        hint = (
            "use --pretrained DIR with a folder of these files, or --cfg-options KEY=FILE for each."
        )
        raise ConfigError(message, where=", ".join(item.key for item in wanted), hint=hint)


def _find_in_folder(folder: Path, item: Wanted) -> str:
    """Return the file whose name is the address's last part, ignoring digits of its hash."""
    name = item.address.rsplit("/", 1)[-1]
    stem = name.removesuffix(Path(name).suffix) if name.endswith(_WEIGHT_SUFFIXES) else name
    pattern = re.compile(rf"{re.escape(stem)}(-[0-9a-f]{{8,64}}|_[0-9a-f]{{8,64}})?")
    for file in sorted(folder.iterdir()):
        if file.suffix in _WEIGHT_SUFFIXES and pattern.fullmatch(file.stem):
            return str(file.absolute())
    message = f"no weights for {item.address!r} in {str(folder)!r}: expected {stem}.pth "
    message += f"or {stem}-<hash>.pth."
    hint = f"put the file there, or use --cfg-options {item.key}=FILE, or --pretrained none."
    raise ConfigError(message, where=item.key, hint=hint)


def _replace(config: dict[str, Any], item: Wanted, file: str | None) -> None:
    parent, _, name = item.key.rpartition(".")
    node = _at(config, parent)
    if file is not None or node.get("type") != "Pretrained":
        node[name] = file
    else:
        _remove(config, parent)


def _remove(config: dict[str, Any], key: str) -> None:
    """Remove one dict from its list, or replace it by None."""
    parent, _, name = key.rpartition(".")
    node = _at(config, parent)
    if isinstance(node, list):
        del node[int(name)]
    else:
        node[name] = None


def _at(config: dict[str, Any], key: str) -> Any:
    node: Any = config
    for part in key.split(".") if key else ():
        node = node[int(part)] if isinstance(node, (list, tuple)) else node[part]
    return node


def _unmapped(wanted: list[Wanted]) -> ConfigError:
    addresses = sorted({item.address for item in wanted})
    message = f"cannot fetch pretrained weights {', '.join(map(repr, addresses))}: "
    message += "zoo does not download files without a digest, expected a file."
    hint = (
        "use --pretrained FILE (or a DIR with the files), or --pretrained none for random weights."
    )
    return ConfigError(message, where=", ".join(item.key for item in wanted), hint=hint)
