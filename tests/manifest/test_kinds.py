# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from zoo import interfaces
from zoo.manifest.kinds import KINDS, kinds_of_registry


def test_kinds_name_protocols_that_exist() -> None:
    """A row that names no Protocol could never be checked."""
    for kind in KINDS.values():
        assert kind.protocol in interfaces.__all__, kind.name


def test_kinds_have_names_that_are_no_other_table_of_the_manifest() -> None:
    assert not set(KINDS) & {"plugin", "requires", "config", "weights", "shelf", "legacy_index"}


def test_kinds_of_registry_when_models_gives_models_and_losses() -> None:
    """Both are built from MODELS, so their names must differ within a plugin."""
    assert kinds_of_registry("MODELS") == ("model", "loss")


def test_kinds_of_registry_when_unknown_is_empty() -> None:
    assert kinds_of_registry("NOTHING") == ()


@pytest.mark.mm
def test_kinds_cover_every_root_registry_of_mmengine() -> None:
    """A plugin may contribute whatever mmengine can build."""
    from mmengine.registry import Registry, root

    roots = {name for name, value in vars(root).items() if isinstance(value, Registry)}

    assert {kind.registry for kind in KINDS.values()} - {""} == roots
