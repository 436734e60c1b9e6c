# SPDX-License-Identifier: Apache-2.0
"""What a session of a run is made of, as it begins: config, data, machine, packages, repository."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.dist import get_world_size

from zoo.engine.dataset.facts import facts_of_loader, licence_of
from zoo.engine.provenance import surroundings
from zoo.engine.provenance.config_digest import COMMAND, digest_of_config
from zoo.engine.provenance.public_texts import public_values, without_secrets
from zoo.engine.provenance.repository import find_repository
from zoo.engine.provenance.session import Session
from zoo.errors import ZooError

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["begin_session", "time_text"]

_PACKAGES = ("site-packages", "dist-packages")


def time_text() -> str:
    """Return the present date and time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def begin_session(runner: Runner, owners: Mapping[str, Mapping[str, str]]) -> Session:
    """Return the session that begins now.

    Args:
        runner: The runner that trains, newly built.
        owners: As `surroundings.find_owners` returns them.
    """
    config = runner.cfg
    start = runner._load_from if runner._resume else None
    return Session(
        started=time_text(),
        command=without_secrets(str(config.get(COMMAND) or "zoo train")),
        config_file=Path(config.filename or f"{runner.timestamp}.py").name,
        config_sha256=digest_of_config(config),
        seed=runner.seed,
        is_deterministic=bool(runner.deterministic),
        data=_data(config),
        hardware=_hardware(runner),
        packages=surroundings.describe_packages(owners),
        plugins=surroundings.describe_plugins(),
        repository=find_repository(_own_config(config.filename)),
        resumed_from=Path(start).name if start else None,
    )


def _hardware(runner: Runner) -> dict[str, Any]:
    device = next((str(each.device) for each in runner.model.parameters()), "cpu")
    loader = runner.cfg.get("train_dataloader") or {}
    return {
        **surroundings.describe_hardware(),
        "device": device,
        "processes": get_world_size(),
        "workers": int(loader.get("num_workers") or 0),
    }


def _data(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the facts of each data set once, with the parts of the run that read it."""
    rows: list[dict[str, Any]] = []
    for part in ("train", "val", "test"):
        loader = config.get(f"{part}_dataloader")
        facts = _facts(loader) if loader else None
        same = next((row for row in rows if _without_parts(row) == facts), None)
        if same is not None:
            same["parts"].append(part)
        elif facts is not None:
            rows.append({"parts": [part], **facts})
    return rows


def _facts(loader: Mapping[str, Any]) -> dict[str, Any]:
    try:
        facts = facts_of_loader(loader)
        licence = licence_of(facts)
    except (ZooError, KeyError, TypeError, StopIteration):
        return {"name": "unknown"}  # of a data set that is no part of a config's usual form
    return dict(public_values({**facts, **({"licence": licence} if licence else {})}))


def _without_parts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "parts"}


def _own_config(filename: str | None) -> Path | None:
    """Return the config's file if it is the user's own, and none that a package brings."""
    from zoo.catalog import read_catalog

    if not filename or any(part in _PACKAGES for part in Path(filename).parts):
        return None
    path = Path(filename).resolve()
    folders = [each.manifest.folder for each in read_catalog().plugins if each.manifest is not None]
    is_shipped = any(path.is_relative_to(folder.resolve()) for folder in folders)
    return None if is_shipped or not path.is_file() else path
