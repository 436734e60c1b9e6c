# SPDX-License-Identifier: Apache-2.0
"""Rules of data sets: a clean plugin breaks none, each mutation its own and no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from gauge_plugin import FILES, MANIFEST

from zoo.catalog import forget_catalog
from zoo.checking.finding import Finding
from zoo.checking.isolation.bench import Bench
from zoo.checking.lookup import subject_of_folder
from zoo.checking.rules import all_rules

pytestmark = [pytest.mark.mm, pytest.mark.slow]
# In one process, as the rules of a case are cheap and a process is not.
RULES = [replace(rule, together="data") for rule in all_rules() if rule.id.startswith("ZP60")]
# Starts an interpreter that imports OpenMMLab, for seconds: run where it has something to find.
# The shipped plugins and those of templates show that it finds nothing in clean ones.
SPAWNED = "ZP607"
INSTANCES = """
[[dataset]]
name = "DotDataset"
task = "instance"
target = "zoo_gauge.dots:DotDataset"
prepare = "zoo_gauge.dots:prepare"
sample = "zoo_gauge.dots:write_sample"
classes = ["dot"]
licence = "CC0-1.0"
"""
DOTS = """
import cv2
import numpy as np
from mmdet.datasets import CocoDataset
from zoo.data import (
    DatasetIdentity, Report, Scene, decode_image, instances_from_ids, open_source, parse_tiling,
    prepare_instances,
)


class DotDataset(CocoDataset):
    METAINFO = dict(classes=('dot',), palette=[(250, 200, 0)])


def write_sample(out, *, seed=0, count=None, progress=None):
    for number in range(count or 6):
        rng = np.random.default_rng([seed, number])
        image = rng.integers(0, 90, (24, 24), np.uint8)
        mask = np.zeros_like(image)
        top, left = rng.integers(2, 14, 2)
        mask[top : top + 6, left : left + 6] = 1
        for name, array in (("images", np.maximum(image, 200 * mask)), ("ids", mask)):
            (out / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(out / name / f"{number}.png"), array)


def prepare(source, out, *, shares, progress=None):
    with open_source(source) as opened:
        images = [file for file in opened.files() if file.folder.endswith("images")]
        return prepare_instances(
            opened,
            out,
            dataset=DatasetIdentity("gauge", "DotDataset", "0.1.0"),
            scenes=(read_scene(opened, file) for file in images),
            classes=["dot"],
            palette=[(250, 200, 0)],
            shares=shares,
            report=Report(),
            tiling=parse_tiling("whole", None, 0),
            labels="true",
            licence="CC0-1.0",
        )


def read_scene(opened, file):
    ids = file.path.replace("images", "ids")
    pixels = decode_image(opened.read(ids), ids, palette="index")
    return Scene(file.stem, file.stem, file.path, instances_from_ids(pixels, 0, source=ids))
"""


class Mutation(NamedTuple):
    """What breaks one rule: a text of a module of the plugin, and what takes its place."""

    rule: str
    module: str
    old: str
    new: str
    told: str


MUTATIONS = {
    "sample without its seed": Mutation(
        "ZP601", "sample", "default_rng([seed, number])", "default_rng()", "one seed differs"
    ),
    "classes of another name than the row's": Mutation(
        "ZP602",
        "zoo_plugin.toml",
        '["low", "high"]',
        '["low", "hi"]',
        "the classes are ('low', 'high') in dataset.json, ('low', 'hi') in the row",
    ),
    "prepare that touches what is there": Mutation(
        "ZP603",
        "prepare",
        "    with open_source",
        "    for path in out.parent.glob('prepared/*.json'):\n"
        "        path.touch()\n    with open_source",
        "a second prepare changes time stamps of the prepared folder",
    ),
    "prepare that depends on its folder": Mutation(
        "ZP604",
        "prepare",
        "(250, 200, 0)",
        "(250, 200, 9 if 'again' in out.parent.name else 0)",
        "these files differ: ['dataset.json'",
    ),
    "data set of floats": Mutation(
        "ZP605",
        "parts",
        "\n\nclass Threshold",
        "\n    def prepare_data(self, idx):\n        item = super().prepare_data(idx)\n"
        "        return item | dict(inputs=item['inputs'].float())\n\n\nclass Threshold",
        "float32",
    ),
    "data set of instances with labels from 1": Mutation(
        "ZP606",
        "dots",
        "palette=[(250, 200, 0)])\n\n\n",
        "palette=[(250, 200, 0)])\n\n    def prepare_data(self, idx):\n"
        "        item = super().prepare_data(idx)\n"
        "        item['data_samples'].gt_instances.labels += 1\n        return item\n\n\n",
        "labels",
    ),
    "data set that forgets its state in workers": Mutation(
        SPAWNED,
        "parts",
        "        super().__init__(**kwargs)\n\n\nclass Threshold",
        "        super().__init__(**kwargs)\n        SEEN.append(1)\n\n"
        "    def prepare_data(self, idx):\n        item = super().prepare_data(idx)\n"
        "        return item | dict(inputs=item['inputs'] // (1 + len(SEEN)))\n\n\n"
        "SEEN = []\n\n\nclass Threshold",
        "a spawned worker loads another item 0",
    ),
}


@pytest.fixture
def gauge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Write the plugin without its weights, and return its package."""
    head, _, _ = MANIFEST.partition("[[converter]]")
    more = {"zoo_gauge/zoo_plugin.toml": head + INSTANCES, "zoo_gauge/dots.py": DOTS}
    for name, text in {**FILES, **more}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path))
    forget_catalog()
    yield tmp_path / "zoo_gauge"
    forget_catalog()


def _check(package: Path, *, spawned: bool) -> list[Finding]:
    subject = subject_of_folder(package)
    wanted = [
        (rule, case[0])
        for rule in RULES
        for case in rule.cases(subject)
        if rule.id != SPAWNED or (spawned and case[0] == "dataset GaugeDataset")
    ]
    assert len(wanted) > 9
    with Bench(subject) as bench:
        return [each for found in bench.check_all(wanted, lambda *_: None) for each in found]


def test_clean_data_sets_break_no_rule(gauge: Path) -> None:
    """What the mutations start from has no finding."""
    assert _check(gauge, spawned=False) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_breaks_its_rule_and_no_other(name: str, gauge: Path) -> None:
    """The finding says what is wrong, where, and what to do."""
    mutation = MUTATIONS[name]
    path = gauge / (mutation.module if "." in mutation.module else f"{mutation.module}.py")
    assert path.read_text().count(mutation.old) == 1
    path.write_text(path.read_text().replace(mutation.old, mutation.new), encoding="utf-8")

    found = _check(gauge, spawned=mutation.rule == SPAWNED)

    assert [(each.rule, each.level) for each in found] == [(mutation.rule, "error")], found
    assert mutation.told in found[0].message
    assert found[0].where.startswith(str(gauge))
    assert found[0].mend
