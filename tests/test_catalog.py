# SPDX-License-Identifier: Apache-2.0
"""Names, what they mean, and what happens when two plugins, or one broken one, claim them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from weights_rows import weights_row

from zoo.catalog import Catalog, forget_catalog, read_catalog
from zoo.errors import ConflictError, IncompatibleError, ManifestError, UnknownNameError
from zoo.manifest.rows import WeightsRow

Write = Callable[..., Path]

LOSS = '[[loss]]\nname = "EdgeLoss"\ntarget = "zoo_{0}.loss:EdgeLoss"\n'
CONFIG = '[[config]]\nname = "unet"\nfile = "unet.py"\n'
DATASET = """
[[dataset]]
name = "{1}"
task = "{2}"
target = "zoo_{0}.data:{1}"
classes = ["a", "b"]
licence = "CC0-1.0"
"""


def test_find_by_short_and_by_full_name_gives_the_same_row(write_plugin: Write) -> None:
    write_plugin("cells", LOSS.format("cells"))

    short, full = (
        read_catalog().find("loss", "EdgeLoss"),
        read_catalog().find("loss", "cells.EdgeLoss"),
    )

    assert short == full
    assert short.type == "zoo.cells.EdgeLoss"
    assert short.record.version == "0.1.0"


def test_find_when_unknown_offers_near_names(write_plugin: Write) -> None:
    write_plugin("cells", LOSS.format("cells"))

    with pytest.raises(UnknownNameError) as caught:
        read_catalog().find("loss", "EdgLoss")

    assert str(caught.value) == "no loss named 'EdgLoss'.\nHINT: did you mean EdgeLoss?"
    error = caught.value
    assert (error.kind, error.name, error.near) == ("loss", "EdgLoss", ("EdgeLoss",))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cells.EdgLoss", "did you mean cells.EdgeLoss?"),
        ("cells.Zzzz", "did you mean cells.EdgeLoss?"),
        ("cell.EdgeLoss", "did you mean cells.EdgeLoss?"),
        ("Zzzz", "zoo plugin list shows the plugins found."),
    ],
)
def test_find_when_unknown_hints_at_what_there_is(
    write_plugin: Write, name: str, hint: str
) -> None:
    write_plugin("cells", LOSS.format("cells"))

    with pytest.raises(UnknownNameError) as caught:
        read_catalog().find("loss", name)

    assert caught.value.message == f"no loss named {name!r}."
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("kind", "command"),
    [("config", "zoo config list"), ("dataset", "zoo data list"), ("weights", "zoo list")],
)
def test_find_when_nothing_is_near_names_the_listing_of_the_kind(
    write_plugin: Write, kind: str, command: str
) -> None:
    write_plugin("cells", LOSS.format("cells"))

    with pytest.raises(UnknownNameError) as caught:
        read_catalog().find(kind, "Zzzz")

    assert caught.value.hint == f"{command} shows all."


@pytest.mark.parametrize(
    ("chosen", "name", "hint"),
    [
        (None, "zoo.ponds.EdgeLoss", "install it, as its author says, mostly with "),
        ("road", "ponds.EdgeLoss", "ZOO_PLUGINS may leave it out; otherwise install it"),
    ],
)
def test_find_when_the_plugin_is_absent_says_how_to_install_it(
    write_plugin: Write, monkeypatch: pytest.MonkeyPatch, chosen: str | None, name: str, hint: str
) -> None:
    """A config or a record names a plugin that another machine had."""
    write_plugin("road", LOSS)
    if chosen is not None:
        monkeypatch.setenv("ZOO_PLUGINS", chosen)

    with pytest.raises(UnknownNameError) as caught:
        read_catalog().find("hook", name)

    assert caught.value.message == f"no hook named {name!r}: no plugin 'ponds' is installed."
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(hint)
    assert caught.value.hint.endswith("`pip install mmzoo-ponds`.")


def test_find_of_another_kind_does_not_see_the_name(write_plugin: Write) -> None:
    write_plugin("cells", LOSS.format("cells"))

    with pytest.raises(UnknownNameError, match="no hook named 'EdgeLoss'"):
        read_catalog().find("hook", "EdgeLoss")


def test_registered_finds_models_and_losses_in_one_registry(write_plugin: Write) -> None:
    write_plugin("cells", LOSS.format("cells"))

    assert read_catalog().registered("MODELS", "cells.EdgeLoss").row.kind == "loss"
    with pytest.raises(UnknownNameError):
        read_catalog().registered("HOOKS", "EdgeLoss")


def test_find_when_two_plugins_have_the_name_only_full_names_work(write_plugin: Write) -> None:
    write_plugin("cells", LOSS.format("cells"))
    write_plugin("tissue", LOSS.format("tissue"))

    with pytest.raises(ConflictError) as caught:
        read_catalog().find("loss", "EdgeLoss")

    assert str(caught.value) == (
        "cannot choose the loss 'EdgeLoss': plugin cells and plugin tissue both have one.\n"
        "where: plugin cells and plugin tissue\n"
        "HINT: write zoo.cells.EdgeLoss or zoo.tissue.EdgeLoss."
    )
    assert read_catalog().find("loss", "tissue.EdgeLoss").record.name == "tissue"
    assert [found.record.name for found in read_catalog().rows("loss")] == ["cells", "tissue"]


def test_plugin_found_twice_is_marked_and_using_it_raises(
    write_plugin: Write, tmp_path: Path
) -> None:
    first = write_plugin("cells", LOSS.format("cells"), folder="a")
    second = write_plugin("cells", LOSS.format("cells"), folder="b")
    manifest = second / "zoo_plugin.toml"
    manifest.write_text(manifest.read_text().replace("0.1.0", "0.2.0"))
    write_plugin("tissue", LOSS.format("tissue"))

    catalog = read_catalog()

    errors = {record.path: record.error for record in catalog.plugins if record.name == "cells"}
    assert set(errors) == {first / "zoo_plugin.toml", manifest}
    expected = (
        "cannot use plugin 'cells': found twice, 0.1.0 and 0.2.0.\n"
        f"where: {first} and {second}\n"
        "HINT: remove one of the two."
    )
    assert [str(error) for error in errors.values()] == [expected, expected]
    for name in ("cells.EdgeLoss", "cells.Other"):
        with pytest.raises(ConflictError, match=r"found twice, 0\.1\.0 and 0.2.0"):
            catalog.find("loss", name)
    assert catalog.find("loss", "EdgeLoss").record.name == "tissue"


def test_plugin_found_twice_and_alone_with_a_name_raises_its_own_error(write_plugin: Write) -> None:
    """The short name has no other owner, so its plugin's trouble is the answer."""
    write_plugin("cells", LOSS.format("cells"), folder="a")
    package = write_plugin("cells", LOSS.format("cells"), folder="b")
    (package / "zoo_plugin.toml").write_text(
        "# changed\n" + (package / "zoo_plugin.toml").read_text()
    )

    with pytest.raises(ConflictError, match=r"found twice, 0\.1\.0 and 0.1.0"):
        read_catalog().find("loss", "EdgeLoss")


def test_plugin_found_twice_with_equal_bytes_is_one_and_the_installed_one_stays(
    write_plugin: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = write_plugin("cells", LOSS.format("cells"), folder="site/cells")
    shutil.copytree(installed.parent, tmp_path / "cells")
    monkeypatch.syspath_prepend(installed.parent)
    monkeypatch.setattr("zoo.manifest.discovery._entry_point_values", lambda: ["zoo_cells"])

    (record,) = read_catalog().plugins

    assert (record.source, record.is_importable, record.error) == ("entry point", True, None)
    assert record.path == installed / "zoo_plugin.toml"


def test_plugin_reached_by_a_link_is_the_same_plugin(write_plugin: Write, tmp_path: Path) -> None:
    package = write_plugin("cells", "broken = true")
    os.symlink(package.parent, tmp_path / "again")

    (record,) = read_catalog().plugins

    assert isinstance(record.error, ManifestError)


def test_broken_plugin_is_a_marked_row_and_the_others_work(write_plugin: Write) -> None:
    write_plugin("cells", LOSS.format("cells"))
    write_plugin("broken", "[[los]]\n")
    write_plugin("newer").joinpath("zoo_plugin.toml").write_text(
        '[plugin]\nname = "newer"\napi = 7\nsurprise = 1\n'
    )

    catalog = read_catalog()

    assert {record.name: type(record.error) for record in catalog.plugins} == {
        "broken": ManifestError,
        "cells": type(None),
        "newer": IncompatibleError,
    }
    assert catalog.find("loss", "EdgeLoss").record.name == "cells"
    with pytest.raises(ManifestError, match="unknown key 'los'"):
        catalog.find("loss", "broken.Anything")
    with pytest.raises(IncompatibleError, match="needs api 7, this zoo has 1"):
        catalog.plugin("newer")


def test_error_of_a_plugin_is_raised_afresh_each_time(write_plugin: Write) -> None:
    """A stored exception would gather the tracebacks of all its uses."""
    write_plugin("broken", "[[los]]\n")
    record = read_catalog().plugins[0]

    with pytest.raises(ManifestError) as caught:
        record.checked()

    assert caught.value is not record.error
    assert str(caught.value) == str(record.error)
    assert record.error is not None
    assert record.error.__traceback__ is None or record.error.__traceback__.tb_next is not None


def test_plugin_when_unknown_offers_near_names(write_plugin: Write) -> None:
    write_plugin("cells")

    with pytest.raises(UnknownNameError) as caught:
        read_catalog().plugin("cell")

    assert str(caught.value) == "no plugin named 'cell'.\nHINT: did you mean cells?"


def test_find_config_gives_the_file(write_plugin: Write) -> None:
    package = write_plugin("cells")
    (package / "unet.py").write_text("")
    with (package / "zoo_plugin.toml").open("a") as file:
        file.write(CONFIG)

    found = read_catalog().find_config("unet")

    assert found.record.file("unet.py") == package / "unet.py"
    assert read_catalog().find_config("cells.unet") == found


def test_find_weights_when_two_plugins_have_other_bytes_raises(write_plugin: Write) -> None:
    write_plugin("cells", weights_row("unet_cells", sha256="a" * 64))
    write_plugin("tissue", weights_row("unet_cells", sha256="b" * 64))

    with pytest.raises(ConflictError) as caught:
        read_catalog().find_weights("unet_cells")

    assert caught.value.message == (
        "cannot choose the weights 'unet_cells': plugin cells and plugin tissue both have one."
    )
    assert caught.value.hint == "write cells.unet_cells or tissue.unet_cells."


def test_rows_of_weights_when_names_conflict_are_marked(write_plugin: Write) -> None:
    write_plugin("cells", weights_row("unet_cells", sha256="a" * 64))
    write_plugin("tissue", weights_row("unet_cells", sha256="b" * 64))

    errors = [found.error for found in read_catalog().rows("weights")]

    assert [type(error) for error in errors] == [ConflictError, ConflictError]


def test_weights_of_two_plugins_with_equal_bytes_are_one(write_plugin: Write) -> None:
    write_plugin("cells", weights_row("unet_cells", sha256="a" * 64))
    write_plugin("tissue", weights_row("unet_cells", sha256="a" * 64))

    found = read_catalog().find_weights("unet_cells")

    assert isinstance(found.row, WeightsRow)
    assert [row.record.name for row in read_catalog().rows("weights")] == ["cells"]


def test_find_dataset_takes_a_row_a_full_name_or_a_plugin(write_plugin: Write) -> None:
    write_plugin("cells", DATASET.format("cells", "CellDataset", "semantic"))
    catalog = read_catalog()

    names = ("CellDataset", "cells.CellDataset", "cells")

    assert {catalog.find_dataset(name).type for name in names} == {"zoo.cells.CellDataset"}


def test_find_dataset_by_plugin_with_two_rows_wants_a_task(write_plugin: Write) -> None:
    rows = [("CellDataset", "semantic"), ("NucleusDataset", "instance")]
    write_plugin("cells", "".join(DATASET.format("cells", *row) for row in rows))

    with pytest.raises(UnknownNameError) as caught:
        read_catalog().find_dataset("cells")

    assert str(caught.value) == (
        "cannot choose a data set of plugin 'cells': it has 2.\n"
        "HINT: name one of cells.CellDataset, cells.NucleusDataset, or its --task."
    )
    assert read_catalog().find_dataset("cells", "instance").row.name == "NucleusDataset"


def test_find_dataset_by_plugin_without_that_task_says_what_it_has(write_plugin: Write) -> None:
    write_plugin("cells", DATASET.format("cells", "CellDataset", "semantic"))

    with pytest.raises(UnknownNameError) as caught:
        read_catalog().find_dataset("cells", "instance")

    assert str(caught.value) == (
        "no data set in plugin 'cells' for the task 'instance'.\nHINT: it has cells.CellDataset."
    )


@pytest.mark.parametrize(
    ("chosen", "names"),
    [("cells", ["cells"]), ("tissue, cells", ["cells", "tissue"]), ("", []), ("gone", [])],
)
def test_read_catalog_when_plugins_are_chosen_keeps_only_those(
    write_plugin: Write, monkeypatch: pytest.MonkeyPatch, chosen: str, names: list[str]
) -> None:
    write_plugin("cells")
    write_plugin("tissue")
    monkeypatch.setenv("ZOO_PLUGINS", chosen)

    assert [record.name for record in read_catalog().plugins] == names


def test_read_catalog_reads_once_and_again_when_told(write_plugin: Write) -> None:
    write_plugin("cells")
    first = read_catalog()
    write_plugin("tissue")

    assert read_catalog() is first
    forget_catalog()
    assert [record.name for record in read_catalog().plugins] == ["cells", "tissue"]


def test_legacy_indexes_are_found_with_their_plugin(write_plugin: Write) -> None:
    package = write_plugin("cells", '[[legacy_index]]\nfile = "old.csv"\n')
    (package / "old.csv").write_text("")

    ((record, row),) = read_catalog().legacy_indexes()

    assert record.file(row.file) == package / "old.csv"


def test_checkout_plugins_when_asked_for_are_found(checkout_plugins: Path) -> None:
    """The configs of the checkout are a plugin like any other."""
    found = {record.name: record for record in read_catalog().plugins}

    assert found["configs"].path == checkout_plugins / "configs" / "zoo_plugin.toml"


def test_catalog_of_folders_knows_their_plugins_alone(write_plugin: Write, tmp_path: Path) -> None:
    """A notebook or a test makes one beside that of its process, which does not notice."""
    write_plugin("near", LOSS.format("near"), folder="here/near")
    write_plugin("far", LOSS.format("far"), folder="there/far")

    catalog = Catalog.of_folders(tmp_path / "here")

    assert [record.name for record in catalog.plugins] == ["near"]
    assert catalog.find("loss", "EdgeLoss").record.name == "near"
    assert catalog is not read_catalog()
