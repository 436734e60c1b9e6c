# SPDX-License-Identifier: Apache-2.0
"""What zoo exports is called with anything: the error is zoo's own, and says what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import zoo


def _id_of(value: Any) -> str:
    """Return an id that is the same in every process: the repr of an object holds its address."""
    return "object" if type(value) is object else repr(value)


NOT_TEXTS = [5, None, b"name", 1.5, ["name"], {"a": 1}, Path("name"), object()]


@pytest.mark.parametrize("name", NOT_TEXTS, ids=_id_of)
@pytest.mark.parametrize(
    "call",
    [
        lambda name: zoo.download(name),
        lambda name: zoo.load_contribution("loss", name),
        lambda name: zoo.load_contribution(name, "DiceLoss"),
        lambda name: zoo.read_catalog().plugin(name),
        lambda name: zoo.read_catalog().find_config(name),
        lambda name: zoo.read_catalog().find_dataset(name),
    ],
    ids=["download", "contribution", "kind", "plugin", "config", "dataset"],
)
@pytest.mark.usefixtures("checkout_plugins")
def test_name_that_is_no_text_is_refused_as_an_unknown_name(call: Any, name: Any) -> None:
    with pytest.raises(zoo.ZooError) as caught:
        call(name)

    assert isinstance(caught.value, LookupError)
    assert f"expected a text, got {type(name).__name__}." in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("kind", "hint"), [("los", "did you mean loss?"), ("zzz", "there are dataset, model, loss")]
)
def test_kind_that_is_unknown_is_refused_with_near_ones(kind: str, hint: str) -> None:
    with pytest.raises(zoo.ZooError, match=f"no kind named '{kind}'") as caught:
        zoo.load_contribution(kind, "DiceLoss")

    assert str(caught.value.hint).startswith(hint)


def test_task_that_is_unknown_is_refused() -> None:
    """Not answered with an empty list."""
    with pytest.raises(zoo.ZooError, match="no task named 'semantci'"):
        zoo.list_weights(task="semantci")


@pytest.mark.usefixtures("checkout_plugins")
@pytest.mark.parametrize("value", [5, [5], object(), 1.5], ids=_id_of)
def test_places_of_a_download_that_are_no_paths_are_refused(value: Any) -> None:
    with pytest.raises(zoo.ZooError, match="cannot use the path"):
        zoo.download("unet_lung_montgomery", dest=value)
    with pytest.raises(zoo.ZooError, match="cannot use the mirrors"):
        zoo.download("unet_lung_montgomery", mirrors=value)


@pytest.mark.usefixtures("checkout_plugins")
@pytest.mark.parametrize("as_list", [False, True])
def test_mirror_may_be_one_path(tmp_path: Path, as_list: bool) -> None:
    """One text alone is one mirror, and not as many as it has letters."""
    mirrors: Any = [tmp_path] if as_list else str(tmp_path)

    path = zoo.download("unet_lung_montgomery", mirrors=mirrors)

    assert path.name == "unet_lung_montgomery.safetensors"


@pytest.mark.mm
@pytest.mark.parametrize("value", [5, None, b"x", object()], ids=_id_of)
def test_checkpoint_that_is_no_path_is_refused(value: Any) -> None:
    with pytest.raises(zoo.ZooError, match="expected the path of a file, got"):
        zoo.load_checkpoint(value)
