# SPDX-License-Identifier: Apache-2.0
"""A source brings legacy files back without a release of zoo, and cannot stand for more."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from zoo.catalog import read_catalog
from zoo.weights.replacing import find_replacing, full_name, living_addresses
from zoo.weights.sources.updating import add_source

if TYPE_CHECKING:
    from conftest import Publisher

DATA = b"weights" * 100
DIGEST = hashlib.sha256(DATA).hexdigest()
OLD = f"https://old.example.invalid/net_2020-{DIGEST[:8]}.pth"
OTHER = "https://old.example.invalid/net_2021-00000000.pth"


@pytest.mark.parametrize(
    ("address", "stands"),
    [(OLD, True), (OTHER, False), ("torchvision://resnet7", False), ("https://x/net.pth", False)],
)
def test_source_stands_for_a_legacy_file_whose_digits_it_has(
    publisher: Publisher, address: str, stands: bool
) -> None:
    """Digits in the former name are the judge; without digits nothing judges."""
    publisher.publish(publisher.row("unet_road", replaces=[address], format="pth"))
    add_source(publisher.address, allows_private=True)
    catalog = read_catalog()

    found = find_replacing(catalog, address)

    assert (address in living_addresses(catalog)) == stands
    assert (None if found is None else full_name(found)) == ("acme/unet_road" if stands else None)
