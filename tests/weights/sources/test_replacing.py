# SPDX-License-Identifier: Apache-2.0
"""A source brings legacy files back without a release of zoo, and cannot stand for more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from weights_rows import weights_row

from zoo.catalog import forget_catalog, read_catalog
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


def test_source_stands_for_nothing_that_a_plugin_stands_for(
    publisher: Publisher, write_plugin: Callable[..., Path]
) -> None:
    """Even where the plugin's row needs a pin, and that of the source does not."""
    digits = {"replaces": [OLD], "format": "pth", "sha256_prefix": DIGEST[:8]}
    rows = weights_row("mine", **digits).splitlines()
    write_plugin("roads", "\n".join(each for each in rows if not each.startswith("sha256 =")))
    forget_catalog()
    publisher.publish(publisher.row("unet_road", replaces=[OLD], format="pth"))
    add_source(publisher.address, allows_private=True)

    found = find_replacing(read_catalog(), OLD)

    assert found is not None
    assert full_name(found) == living_addresses(read_catalog())[OLD] == "roads.mine"


@pytest.mark.parametrize("digest", [{}, {"md5_prefix": "012345"}])
def test_source_stands_for_no_legacy_file_without_digits_of_its_sha256(
    publisher: Publisher, digest: dict[str, str]
) -> None:
    """The digits in the former name would judge nothing."""
    url = f"hf://acme/unet@{'0' * 40}/unet.pth"
    row = publisher.row("unet_road", replaces=[OLD], format="pth", urls=[url])
    del row["sha256"]
    publisher.publish({**row, **digest})
    add_source(publisher.address, allows_private=True)

    assert find_replacing(read_catalog(), OLD) is None
    assert OLD not in living_addresses(read_catalog())
