# SPDX-License-Identifier: Apache-2.0
"""``zoo reproduce``: the shipped rows again, and what it says where it cannot measure."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo

pytestmark = pytest.mark.mm

RunZoo = Callable[..., subprocess.CompletedProcess[str]]
PLUGINS = (
    "configs,reproduction,lung_xray,oil_storage,folder_data,instance_metrics,efficientnet_lite,"
    "dice_loss,segmentation_metrics,segmentation_transforms,training_hooks,third"
)
ROW = """
[[weights]]
name = "{name}"
task = "semantic"
config = "unet_small_lung-512"
urls = ["package:{name}.safetensors"]
sha256 = "{sha256}"
size_bytes = {size_bytes}
format = "safetensors"
licence = "Apache-2.0"
data_licence = "{data_licence}"
parameters = 1814610
metrics = [{metrics}]
"""
RECIPE = """
[[recipe]]
weights = "wrong_lung"
dataset = "drawn lungs"
split = "all"
tolerance = 0.0001
source = "draw them"

[recipe.prepare]
dataset = "lung_xray.LungXrayDataset"
shares = "0,0,1"
digest = "{digest}"
"""


@pytest.mark.slow
@pytest.mark.release
def test_shipped_row_of_tanks_is_reproduced(run_zoo: RunZoo) -> None:
    """On its synthetic scenes, drawn anew, against both kinds of masks: six of six."""
    done = run_zoo("reproduce", "mask_rcnn_small_tanks", "--json", plugins=PLUGINS)

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["equal"], found["differs"], found["not_measured"]) == (6, 0, 0)
    assert {each["metric"] for each in found["numbers"]} == {
        *("coco/bbox_mAP", "coco/segm_mAP", "coco/segm_mAP_50"),
    }
    for each in found["numbers"]:
        assert abs(each["stated"] - each["measured"]) <= each["tolerance"] == 0.002


@pytest.mark.slow
@pytest.mark.release
@pytest.mark.skipif(not os.environ.get("ZOO_REAL_DATA"), reason="needs ZOO_REAL_DATA")
def test_shipped_row_of_lungs_is_reproduced(run_zoo: RunZoo) -> None:
    """On the X-rays of both sources that its card names."""
    raw = Path(os.environ["ZOO_REAL_DATA"], "chest_xray_masks_and_labels")

    done = run_zoo("reproduce", "unet_lung_montgomery", "--data", raw, "--json", plugins=PLUGINS)

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["equal"], found["differs"], found["not_measured"]) == (2, 0, 0)


def test_number_whose_data_is_not_given_says_where_to_get_it(run_zoo: RunZoo) -> None:
    done = run_zoo("reproduce", "unet_lung_montgomery", plugins=PLUGINS)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("not measured") == 2
    assert "stated 0.9738; its data is not given" in done.stdout
    assert "get it: --data DIR: the folder that contains `Lung Segmentation`" in done.stdout
    assert "0 equal of 0 measured, 2 stated" in done.stdout


def test_folder_without_the_data_does_not_pass(run_zoo: RunZoo, tmp_path: Path) -> None:
    """A wrong path in a CI would look as if the numbers were reproduced."""
    done = run_zoo("reproduce", "unet_lung_montgomery", "--data", tmp_path, plugins=PLUGINS)

    assert done.returncode == 1
    assert "0 equal of 0 measured, 2 stated" in done.stdout


def test_unknown_name_offers_near_ones(run_zoo: RunZoo) -> None:
    done = run_zoo("reproduce", "unet_lung_montgomry", plugins=PLUGINS)

    assert done.returncode == 1
    assert "error: no weights named 'unet_lung_montgomry'." in done.stderr
    assert "did you mean unet_lung_montgomery or unet_lung_montgomery_augmented?" in done.stderr


def test_data_that_is_not_there_is_told(run_zoo: RunZoo) -> None:
    done = run_zoo("reproduce", "unet_lung_montgomery", "--data", "nowhere", plugins=PLUGINS)

    assert done.returncode == 1
    assert "error: cannot reproduce 'unet_lung_montgomery': there is no 'nowhere'." in done.stderr


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Return a small prepared folder of drawn lungs, all in the split test."""
    zoo.sample("lung_xray", tmp_path / "raw", count=6)
    zoo.prepare("lung_xray", tmp_path / "raw", tmp_path / "drawn", shares="0,0,1")
    return tmp_path / "drawn"


def _third_party(folder: Path, recipe: str, **published: str) -> None:
    """Write a plugin whose row states 0.5 for the shipped lungs, in its file too."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    package = folder / "zoo_third"
    package.mkdir()
    shipped = zoo.download("unet_lung_montgomery")
    common = {"name": "dice_lung", "value": 0.5, "labels": "true", "protocol": "ours"}
    metrics = [
        {**common, "dataset": "drawn lungs", "split": "all", **published},
        {**common, "dataset": "lung_xray.LungXrayDataset, source_set=all", "split": "test"},
        {**common, "dataset": "somewhere.Else", "split": "val"},
    ]
    with safe_open(shipped, "pt") as file:
        metadata = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    (key,) = metadata
    record: dict[str, Any] = json.loads(metadata[key])
    record["name"] = "wrong_lung"
    record["metrics"] = {"$tuple": [{**each} for each in metrics]}
    path = package / "wrong_lung.safetensors"
    save_file(tensors, path, {key: json.dumps(record)})
    data = path.read_bytes()
    tables = (", ".join(f"{k} = {json.dumps(v)}" for k, v in each.items()) for each in metrics)
    header = '[plugin]\nname = "third"\nversion = "0.1.0"\napi = 1\nsummary = "s"\n'
    row = ROW.format(
        name="wrong_lung",
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        data_licence=record["data_licence"],
        metrics=", ".join(f"{{ {table} }}" for table in tables),
    )
    (package / "zoo_plugin.toml").write_text(f'{header}license = "MIT"\n{row}')
    (package / "__init__.py").write_text("import zoo\n")
    if recipe:
        (package / "reproduce.toml").write_text(recipe)


@pytest.mark.slow
def test_number_that_differs_ends_with_1(run_zoo: RunZoo, tmp_path: Path, drawn: Path) -> None:
    """With a recipe and without one; a number of other data is left out, with the reason."""
    digest = json.loads((drawn / "dataset.json").read_text())["splits"]["test"]["digest"]
    _third_party(tmp_path, RECIPE.format(digest=digest))

    done = run_zoo(
        "reproduce", "wrong_lung", "--data", drawn, "--json", plugins=PLUGINS, folder=tmp_path
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    first, second, third = json.loads(done.stdout)["numbers"]
    assert [first["state"], second["state"], third["state"]] == [
        *("differs", "differs", "not measured")
    ]
    assert first["measured"] == second["measured"]
    assert 0.6 < first["measured"] < 1
    assert (first["tolerance"], second["tolerance"]) == pytest.approx((0.0501, 0.052))
    assert "not what its row names" in third["reason"]


def test_other_images_are_never_measured(run_zoo: RunZoo, tmp_path: Path, drawn: Path) -> None:
    """They are not what the row was measured on; a check that measured nothing does not pass."""
    _third_party(tmp_path, RECIPE.format(digest="0" * 64))

    done = run_zoo(
        *("reproduce", "unet_lung_montgomery", "--data", drawn, "--json"),
        plugins=PLUGINS,
        folder=tmp_path,
    )

    assert done.returncode == 1, done.stderr
    montgomery, shenzhen = json.loads(done.stdout)["numbers"]
    assert {montgomery["state"], shenzhen["state"]} == {"not measured"}
    assert montgomery["reason"] == "the data given was prepared with other options"


def test_number_that_was_published_elsewhere_is_not_measured(
    run_zoo: RunZoo, tmp_path: Path
) -> None:
    """It is another program's, so its source is named instead."""
    _third_party(tmp_path, "", published="the paper's table 2")

    done = run_zoo("reproduce", "wrong_lung", plugins=PLUGINS, folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "published elsewhere, by another program: the paper's table 2" in done.stdout
    assert "no prepared folder is given" in done.stdout
    assert "get it: --data DIR, a folder prepared from somewhere.Else" in done.stdout


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("[[recipe]\n", "it is not valid TOML"),
        ("[[recipes]]\n", "it has more than tables [[recipe]]"),
        ("[[recipe]]\nweights = 3\n", "recipe 1 prepare is None, expected a table"),
        (RECIPE.replace("0.0001", '"a"'), "recipe 1: tolerance is 'a'"),
        (RECIPE.replace('digest = "{digest}"', ""), "recipe 1 prepare lacks a key"),
        (f"{RECIPE}more = 1\n", "recipe 1 prepare has the unknown key 'more'"),
    ],
)
def test_recipe_that_cannot_be_read_is_told(
    run_zoo: RunZoo, tmp_path: Path, recipe: str, message: str
) -> None:
    """One message, with the file and whom to tell."""
    _third_party(tmp_path, recipe)

    done = run_zoo("reproduce", "wrong_lung", plugins=PLUGINS, folder=tmp_path)

    assert done.returncode == 1
    assert f"error: cannot read how the numbers were measured: {message}" in done.stderr
    assert "reproduce.toml" in done.stderr
    assert "HINT: report it to the author of that plugin." in done.stderr
