# SPDX-License-Identifier: Apache-2.0
"""A manifest that holds gives its rows, and the reference names every key of theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from zoo.manifest.kinds import KINDS
from zoo.manifest.reading import read_manifest
from zoo.manifest.rows import (
    CheckRow,
    ConfigRow,
    Contribution,
    DatasetRow,
    ExchangeRow,
    ExporterRow,
    InitializerRow,
    LegacyIndexRow,
    MetricValue,
    Option,
    PlannerRow,
    WeightsRow,
)

Write = Callable[..., Path]


def test_read_manifest_when_it_holds_gives_every_row(good: str, write_manifest: Write) -> None:
    path = write_manifest(good)

    manifest = read_manifest(path)

    assert (manifest.plugin, manifest.version, manifest.package) == ("cells", "0.1.0", "zoo_cells")
    assert manifest.requires == ("mmsegmentation>=1.2,<2",)
    (dataset,) = manifest.datasets
    assert dataset.classes == ("background", "cell")
    assert (dataset.labels, dataset.prepare) == ("true", "zoo_cells.prepare:prepare")
    assert dataset.options == (
        Option("mask-suffix", "str", "_mask", "ending of masks"),
        Option("stain", "choice", ("he",), "stains to keep", ("he", "ihc"), multiple=True),
    )
    assert manifest.contributions[1] == Contribution("loss", "EdgeLoss", "zoo_cells.loss:EdgeLoss")
    (initializer,) = (row for row in manifest.contributions if isinstance(row, InitializerRow))
    assert (initializer.name, initializer.pretrained) == ("CellWeights", True)
    assert manifest.configs == (ConfigRow("unet_cells-256", "configs/unet.py"),)
    assert manifest.legacy_indexes == (LegacyIndexRow("old.csv"),)
    (weights,) = manifest.weights
    assert weights.metrics == (
        MetricValue("dice_cell", 0.5, "x", "test", "true", "README#evaluation"),
    )
    assert weights.urls[1] == "package:weights/a.safetensors"


def test_read_manifest_gives_rows_that_cannot_be_changed(good: str, write_manifest: Write) -> None:
    manifest = read_manifest(write_manifest(good))

    with pytest.raises(FrozenInstanceError):
        manifest.contributions[0].name = "Other"  # type: ignore[misc]


def test_read_manifest_when_classes_come_from_the_data_says_so(
    good: str, write_manifest: Write
) -> None:
    text = good.replace('["background", "cell"]', '"from data"')

    manifest = read_manifest(write_manifest(text))

    assert manifest.datasets[0].classes == "from data"


def test_reference_of_the_manifest_names_every_key_and_kind() -> None:
    """``docs/manifest.md`` is what messages send the reader to."""
    text = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text(encoding="utf-8")
    rows = (
        DatasetRow,
        InitializerRow,
        CheckRow,
        PlannerRow,
        ExchangeRow,
        ExporterRow,
        Option,
        ConfigRow,
        WeightsRow,
        MetricValue,
        LegacyIndexRow,
    )
    keys = {field.name for row in rows for field in fields(row)} - {"kind", "options"}
    keys |= {"version", "api", "license", "homepage", "distributions"}

    assert [key for key in sorted(keys) if key not in text] == []
    for kind in KINDS.values():
        registry = f"`{kind.registry}`" if kind.registry else "none"
        assert f"| `{kind.name}` | {kind.summary} | {registry} | `{kind.protocol}` |" in text


def test_example_in_the_reference_is_a_whole_plugin(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text(encoding="utf-8")
    path = tmp_path / "zoo_my_thing" / "zoo_plugin.toml"
    path.parent.mkdir()
    path.write_text(text.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")

    assert [row.name for row in read_manifest(path).contributions] == ["MyLoss"]
