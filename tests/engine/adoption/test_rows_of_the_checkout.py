# SPDX-License-Identifier: Apache-2.0
"""Every living row of this checkout, as far as it can be followed without its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import Found, read_catalog
from zoo.manifest.rows import LivingRow

pytestmark = [pytest.mark.mm, pytest.mark.slow]


def _models() -> list[Found]:
    """Return the rows of whole models that state how many parameters they have."""
    found = [each for each in read_catalog().rows("weights") if isinstance(each.row, LivingRow)]
    return [each for each in found if each.row.config]


def test_record_of_every_living_model_passes_and_has_its_parameters(checkout_plugins: Path) -> None:
    """What `zoo download` checks after the conversion: the list of types, classes, parameters."""
    from zoo.engine.adoption.conversion import find_converter
    from zoo.engine.adoption.model_record import describe_model
    from zoo.engine.adoption.skeleton import build_skeleton
    from zoo.engine.records.checks import check_record
    from zoo.errors import ZooError

    broken: dict[str, Any] = {}
    counted = 0
    for found in _models():
        try:
            if find_converter(found) is None:
                continue  # a file of OpenMMLab's own, whose record its classes decide
            record = describe_model(found, trained=None, provenance={})
            check_record(record, found.row.name)
            parameters = sum(each.numel() for each in build_skeleton(record).parameters())
        except ZooError as error:
            broken[found.row.name] = error.message
            continue
        counted += 1
        if parameters != found.row.parameters:
            broken[found.row.name] = f"{parameters} parameters, not {found.row.parameters}"

    assert broken == {}
    assert counted >= 20
