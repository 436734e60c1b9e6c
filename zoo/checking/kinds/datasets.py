# SPDX-License-Identifier: Apache-2.0
"""Checks of data sets on fake data: raw, prepared, and loaded in spawned workers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.checking.expecting import NotMeant, expect, needs
from zoo.checking.folders import Folders, made_once
from zoo.checking.kinds.base import KindChecks
from zoo.checking.kinds.items import check_instance_item, check_semantic_item
from zoo.data.source.synthetic import MARK_NAME, Synthetic, mark_sample
from zoo.files import digest_of_file
from zoo.loading import load_target
from zoo.manifest.rows import DatasetRow

__all__ = ["DatasetChecks"]

_SCOPES = {"semantic": "mmseg", "instance": "mmdet"}
_READING: dict[str, dict[str, Any]] = {
    "semantic": {
        "ann_file": "splits/train.txt",
        "data_prefix": {"img_path": "images", "seg_map_path": "masks"},
        "pipeline": [
            {"type": "LoadImageFromFile"},
            {"type": "LoadAnnotations"},
            {"type": "PackSegInputs"},
        ],
    },
    "instance": {
        "ann_file": "annotations/train.json",
        "data_prefix": {"img": "images"},
        "pipeline": [
            {"type": "LoadImageFromFile"},
            {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True},
            {"type": "PackDetInputs"},
        ],
    },
}


class DatasetChecks(KindChecks):
    """Checks of ``[[dataset]]`` rows that have a prepare target."""

    def make_fake_data(self, row: DatasetRow, folder: Path) -> Path:
        """Write a small raw data set and return the source to prepare.

        By default this calls the row's ``sample`` target; override it for a data set without one.

        Args:
            row: Row of the data set.
            folder: An empty folder to write into.
        """
        if row.sample is None:
            self.fail(f"{row.name} has no sample target: override make_fake_data")
        write_sample: Any = load_target(self.record(), row.sample)
        write_sample(folder, seed=0, count=self.sample_count)
        mark_sample(folder, Synthetic(self.record().name, "0", "MIT", seed=0))
        return folder

    def test_sample_when_seeded_alike_is_equal_to_the_byte(
        self, each_sample: DatasetRow, tmp_path: Path
    ) -> None:
        """Equal seeds give equal bytes, and another seed gives other images."""
        row = each_sample
        write_sample: Any = load_target(self.record(), row.sample)
        digests = []
        for number, seed in enumerate((0, 0, 1)):
            folder = tmp_path / f"{row.name}_{number}"
            write_sample(folder, seed=seed, count=2)
            digests.append(_digests(folder))

        differing = sorted(
            name for name, digest in digests[0].items() if digests[1].get(name) != digest
        )
        told = f"{row.name}: the sample of one seed differs between two calls in {differing[:3]}"
        expect(digests[0] == digests[1], told)
        told = f"{row.name}: the seeds 0 and 1 give the same sample"
        expect(sorted(digests[0].values()) != sorted(digests[2].values()), told)

    def test_prepare_writes_a_folder_that_holds(
        self, each_prepared: DatasetRow, tmp_path_factory: Folders
    ) -> None:
        """``zoo data check`` finds no problem, and the row agrees with dataset.json."""
        from zoo.data import check_prepared, read_prepared

        row = _usable(each_prepared)
        source, out = self._folders(row, tmp_path_factory)
        prepared = read_prepared(out)

        problems = check_prepared(out)
        expect(not problems, f"{row.name}: the prepared folder does not hold: {problems[:3]}")
        if (source / MARK_NAME).is_file():
            # Otherwise its models would be published as trained on real data.
            told = f"{row.name}: prepare drops the mark of a sample"
            expect(prepared.synthetic is not None, told)
        agree = (
            ("type", prepared.type, self.type_of(row)),
            ("task", prepared.task, row.task),
            ("labels", prepared.labels, row.labels),
        )
        for key, found, wanted in agree:
            told = f"{row.name}: {key} in dataset.json is {found!r}, expected {wanted!r}"
            expect(found == wanted, told)
        classes = tuple(prepared.classes)
        told = f"{row.name}: the classes are {classes} in dataset.json, {row.classes} in the row"
        expect(row.classes in ("from data", classes), told)
        colours = len(prepared.palette)
        expect(len(classes) == colours, f"{row.name}: {len(classes)} classes, {colours} colours")
        count = sum(split.count for split in prepared.splits.values())
        expect(count > 0, f"{row.name}: no image of the sample is in any split")

    def test_prepare_when_run_again_changes_nothing(
        self, each_prepared: DatasetRow, tmp_path_factory: Folders
    ) -> None:
        """A second prepare changes neither folder nor source, not even a time stamp."""
        row = _usable(each_prepared)
        source, out = self._folders(row, tmp_path_factory)
        names = ("the source", "the prepared folder", "time stamps of the prepared folder")
        before = (_digests(source), _digests(out), _times(out))

        self._prepare(row, source, out)

        after = (_digests(source), _digests(out), _times(out))
        changed = [name for name, old, new in zip(names, before, after, strict=True) if old != new]
        expect(not changed, f"{row.name}: a second prepare changes {', '.join(changed)}")

    def test_prepare_elsewhere_writes_equal_files(
        self, each_prepared: DatasetRow, tmp_path_factory: Folders
    ) -> None:
        """What prepare writes depends only on source and options."""
        row = _usable(each_prepared)
        source, out = self._folders(row, tmp_path_factory)
        other = tmp_path_factory.mktemp("again") / "prepared"

        self._prepare(row, source, other)

        first, second = _digests(out), _digests(other)
        differing = sorted(
            name for name in first.keys() | second.keys() if first.get(name) != second.get(name)
        )
        told = f"{row.name}: prepared twice from one source, these files differ: {differing[:3]}"
        expect(not differing, told)

    def test_dataset_yields_what_heads_expect(
        self, each_semantic: DatasetRow, tmp_path_factory: Folders
    ) -> None:
        """uint8 image ``(3, H, W)``, int64 ids ``(1, H, W)`` in range, and the paths."""
        self._check_items(each_semantic, tmp_path_factory, check_semantic_item)

    def test_dataset_of_instances_yields_what_heads_expect(
        self, each_instance: DatasetRow, tmp_path_factory: Folders
    ) -> None:
        """Boxes ``(K, 4)`` inside the image, int64 labels in range, and a mask for each."""
        self._check_items(each_instance, tmp_path_factory, check_instance_item)

    def test_dataset_in_spawned_workers_yields_the_same(
        self, each_prepared: DatasetRow, tmp_path_factory: Folders
    ) -> None:
        """Spawned workers, which import everything again, load the same items."""
        from torch.utils.data import DataLoader

        row = _usable(each_prepared)
        dataset = self._build(row, tmp_path_factory)
        loader: Any = DataLoader(
            dataset, num_workers=1, multiprocessing_context="spawn", collate_fn=_first
        )

        for index, item in enumerate(loader):
            is_equal = (item["inputs"] == dataset[index]["inputs"]).all()
            told = f"{row.name}: a spawned worker loads another item {index} than this process"
            expect(is_equal, told)

    def _check_items(
        self,
        row: DatasetRow,
        folders: Folders,
        check: Callable[[str, dict[str, Any], int], None],
    ) -> None:
        dataset = self._build(_usable(row), folders)
        classes = len(dataset.metainfo["classes"])

        expect(len(dataset) > 0, f"{row.name}: the data set has no images")
        for index in range(min(3, len(dataset))):
            check(row.name, dataset[index], classes)

    def _folders(self, row: DatasetRow, folders: Folders) -> tuple[Path, Path]:
        """Return the raw and the prepared folder, made once because preparing is slow."""

        def make(folder: Path) -> None:
            raw = folder / "raw"
            raw.mkdir()
            source = self.make_fake_data(row, raw)
            self._prepare(row, source, folder / "prepared")
            (folder / "source").write_text(os.path.relpath(source, folder), encoding="utf-8")

        base = made_once(folders, self.type_of(row), make)
        source = (base / "source").read_text(encoding="utf-8")
        return Path(os.path.normpath(base / source)), base / "prepared"

    def _prepare(self, row: DatasetRow, source: Path, out: Path) -> None:
        from zoo.data import parse_shares

        options = {option.name.replace("-", "_"): option.default for option in row.options}
        options |= self.prepare_options.get(row.name, {})
        prepare: Any = load_target(self.record(), row.prepare)
        prepare(source, out, shares=parse_shares(self.shares), progress=None, **options)

    def _build(self, row: DatasetRow, tmp_path_factory: Folders) -> Any:
        from mmengine.registry import DATASETS, DefaultScope

        from zoo.data import read_prepared

        _, out = self._folders(row, tmp_path_factory)
        prepared = read_prepared(out)
        if prepared.bands is not None:
            message = f"{row.name} holds bands, which a step of its own reads"
            raise NotMeant(message)
        config = {
            "type": self.type_of(row),
            "data_root": str(out),
            "metainfo": {"classes": prepared.classes, "palette": prepared.palette},
            **_READING[row.task],
        }
        with DefaultScope.overwrite_default_scope(_SCOPES[row.task]):
            return DATASETS.build(config)


def _usable(row: DatasetRow) -> DatasetRow:
    """Return the row, or skip the test if the packages for its task are not installed."""
    needs(_SCOPES[row.task])
    return row


def _first(items: list[Any]) -> Any:
    return items[0]


def _digests(folder: Path) -> dict[str, str]:
    base = folder if folder.is_dir() else folder.parent
    return {
        path.relative_to(base).as_posix(): digest_of_file(path)
        for path in sorted(base.rglob("*"))
        if path.is_file()
    }


def _times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}
