# SPDX-License-Identifier: Apache-2.0
"""``zoo list`` and ``zoo info`` of old checkpoints: searched, filtered, marked, never imported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from weights_rows import METRIC, weights_row

from zoo.catalog import forget_catalog
from zoo.cli import main
from zoo.weights.lock import Pin, add_pins

COLUMNS = "name task tasks config architecture datasets metrics memory_gb url sha256_prefix note"


def _row(name: str, task: str, arch: str, dataset: str, metric: str, value: float) -> list[Any]:
    tasks = [task, "detection"] if task == "instance" else [task]
    url = f"https://example.org/{name}_2020-5daf6d3b.pth"
    metrics = [[metric, value, dataset]]
    config = f"mmseg::{name}.py"
    return [name, task, tasks, config, [arch], [dataset], metrics, 4.5, url, "5daf6d3b", "mended"]


ROWS = [
    _row("pspnet_r50_city-512", "semantic", "PSPNet", "Cityscapes", "mIoU", 77.8),
    _row("pspnet_r101_ade-512", "semantic", "PSPNet", "ADE20K", "mIoU", 43.6),
    _row("unet_fcn_city-512", "semantic", "UNet", "Cityscapes", "mIoU(ms+flip)", 71.0),
    _row("mask-rcnn_r50_coco", "instance", "Mask R-CNN", "COCO", "mask AP", 34.7),
]


@pytest.fixture(autouse=True)
def _index(
    write_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))
    package = write_plugin("olds", __init__="raise RuntimeError('a listing imported this')")
    index = {"format": 1, "licence": "Apache-2.0", "data_licence": "not stated"}
    index |= {"columns": COLUMNS.split(), "rows": ROWS}  # type: ignore[dict-item]
    (package / "index.json").write_text(json.dumps(index))
    manifest = package / "zoo_plugin.toml"
    manifest.write_text(f'{manifest.read_text()}\n[[legacy_index]]\nfile = "index.json"\n')
    forget_catalog()


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words, catch_exceptions=False)


def names_of(*words: str) -> list[str]:
    result = run("list", *words, "--json")
    assert result.exit_code == 0, result.output
    return [row["name"] for row in json.loads(result.stdout)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["--legacy"], [row[0] for row in ROWS]),
        (["PSPNet"], ["pspnet_r50_city-512", "pspnet_r101_ade-512"]),
        (["pspnet-r50"], ["pspnet_r50_city-512"]),
        (["city", "512"], ["pspnet_r50_city-512", "unet_fcn_city-512"]),
        (["nothing-like-it"], []),
        (["--legacy", "--task", "instance"], ["mask-rcnn_r50_coco"]),
        (["--legacy", "--task", "detection"], ["mask-rcnn_r50_coco"]),
        (["--legacy", "--dataset", "cityscapes"], ["pspnet_r50_city-512", "unet_fcn_city-512"]),
        (["--legacy", "--arch", "mask r-cnn"], ["mask-rcnn_r50_coco"]),
        (["--legacy", "--metric", "miou"], ["pspnet_r50_city-512", "pspnet_r101_ade-512"]),
        (["--legacy", "--metric", "mIoU >= 50"], ["pspnet_r50_city-512"]),
        (["--legacy", "--metric", "mask_AP<=34.7"], ["mask-rcnn_r50_coco"]),
        (["--legacy", "--plugin", "olds", "--arch", "unet"], ["unet_fcn_city-512"]),
    ],
)
def test_list_when_filtered_keeps_what_fits(words: list[str], expected: list[str]) -> None:
    """Old rows only with --legacy or when searched for; case, '-', '_' and spaces are one."""
    assert names_of(*words) == expected


def test_list_when_legacy_shows_state_and_both_licences() -> None:
    add_pins([Pin("mask-rcnn_r50_coco", "olds", "ab" * 32, 8, "cd" * 32, 16, 2)])

    lines = run("list", "--legacy").stdout.splitlines()

    assert lines[0].split()[:3] == ["NAME", "STATE", "PLUGIN"]
    assert [line.split()[1] for line in lines[1:]] == ["legacy"] * 3 + ["adopted"]
    assert all("Apache-2.0" in line and "not stated" in line for line in lines[1:])


def test_list_when_adopted_shows_size_and_digest_of_the_copy() -> None:
    add_pins([Pin("mask-rcnn_r50_coco", "olds", "ab" * 32, 1_540_000, "cd" * 32, 16, 2)])

    lines = run("list", "--legacy").stdout.splitlines()
    entries = json.loads(run("list", "--legacy", "--json").stdout)

    assert ["1.5 MB" in line for line in lines[1:]] == [False, False, False, True]
    assert [entry["sha256"] for entry in entries] == [None, None, None, "ab" * 32]
    assert (entries[-1]["size_bytes"], entries[-1]["parameters"]) == (1_540_000, 2)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--metric", "dice >= 0.95"], ["both"]),
        (["--metric", "dice >= .95", "--dataset", "near"], ["both"]),
        (["--metric", "dice>=.95", "--dataset", "far"], []),
        (["--metric", "dice", "--dataset", "far"], ["other", "both"]),
    ],
)
def test_list_by_metric_and_data_set_takes_the_values_on_that_data_set(
    write_plugin: Callable[..., Path], words: list[str], expected: list[str]
) -> None:
    """Weights that are good on one hospital's images are not so on another's."""
    near, far = ({**METRIC, "value": 0.97, "dataset": "near"}, {**METRIC, "dataset": "far"})
    text = weights_row("both", sha256="ab" * 32, metrics=[near, far])
    text += weights_row("other", sha256="cd" * 32, metrics=[{**far, "value": 0.94}])
    write_plugin("pair", text)
    forget_catalog()

    assert names_of(*words) == expected


def test_list_when_nothing_fits_says_where_more_is() -> None:
    assert "no such weights; --legacy lists OpenMMLab's old ones too" in run("list").stderr
    assert run("list", "nothing-like-it").stderr == "no such weights\n"


def test_list_when_the_metric_is_unknown_offers_near_ones() -> None:
    result = run("list", "--legacy", "--metric", "mIuO")

    assert result.exit_code == 1
    assert result.stderr.startswith("error: no metric named 'mIuO' in these rows.")
    assert "HINT: did you mean mIoU?" in result.stderr


@pytest.mark.parametrize("text", ["mIoU>=high", ">=3", "a<b", ""])
def test_list_when_the_metric_is_no_filter_is_wrong_usage(text: str) -> None:
    assert run("list", "--legacy", "--metric", text).exit_code == 2


def test_list_when_an_index_is_broken_lists_the_rest(write_plugin: Callable[..., Path]) -> None:
    package = write_plugin("torn", '[[legacy_index]]\nfile = "__init__.py"\n')
    forget_catalog()

    result = run("list", "--legacy")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 5
    assert "cannot use the legacy index of plugin 'torn'" in result.stderr
    assert str(package / "__init__.py") in result.stderr


def test_list_when_the_lock_is_broken_lists_all_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "zoo.lock").write_text("{")

    result = run("list", "--legacy")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 5
    assert "cannot use zoo.lock: it is not JSON: " in result.stderr


@pytest.mark.parametrize(
    "name", ["unet_fcn_city-512", "olds.unet_fcn_city-512", "legacy/unet_fcn_city-512"]
)
def test_info_when_old_says_all_and_how_to_get_it(name: str) -> None:
    text = run("info", name).stdout

    for line in (
        "kind: legacy",
        "sha256_prefix: 5daf6d3b",
        "memory_gb: 4.5",
        "note: mended",
        "licence: Apache-2.0",
        "data_licence: not stated",
        "state: legacy: zoo rescue FOLDER adopts a copy",
    ):
        assert f"{line}\n" in text


def test_info_when_adopted_gives_the_whole_digest() -> None:
    add_pins([Pin("unet_fcn_city-512", "olds", "ab" * 32, 8, "cd" * 32, 16, 2)])

    (fact,) = json.loads(run("info", "unet_fcn_city-512", "--json").stdout)

    assert (fact["state"], fact["sha256"], fact["source_sha256"]) == (
        "adopted",
        "ab" * 32,
        "cd" * 32,
    )


@pytest.mark.parametrize("name", ["unet_fcn_cty-512", "weights/unet_fcn_cty-512"])
def test_info_when_unknown_offers_old_names(name: str) -> None:
    result = run("info", name)

    assert result.exit_code == 1
    assert "HINT: did you mean unet_fcn_city-512" in result.stderr


@pytest.mark.parametrize("words", [("info",), ("download",), ("verify",)])
def test_name_of_an_index_that_cannot_be_read_is_not_just_unknown(
    words: tuple[str, ...], write_plugin: Callable[..., Path]
) -> None:
    package = write_plugin("torn")
    (package / "index.json").write_text("{")
    manifest = package / "zoo_plugin.toml"
    manifest.write_text(f'{manifest.read_text()}\n[[legacy_index]]\nfile = "index.json"\n')
    forget_catalog()

    result = run(*words, "somewhere")

    assert result.exit_code == 1
    assert "cannot use the legacy index of plugin 'torn': " in result.stderr
    assert f"where: {package / 'index.json'}" in result.stderr
