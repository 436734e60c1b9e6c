# SPDX-License-Identifier: Apache-2.0
"""Checks of data sets on fake data: raw, prepared, and loaded in spawned workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo.data.source.synthetic import MARK_NAME, Synthetic, mark_sample
from zoo.files import digest_of_file
from zoo.loading import load_target
from zoo.manifest.rows import DatasetRow
from zoo.testing.subject import Subject

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
# Raw and prepared folders by type, kept for the session because preparing is slow.
_FOLDERS: dict[str, tuple[Path, Path]] = {}


class DatasetChecks(Subject):
    """Checks of ``[[dataset]]`` rows that have a prepare target."""

    def make_fake_data(self, row: DatasetRow, folder: Path) -> Path:
        """Write a small raw data set and return the source to prepare.

        By default this calls the row's ``sample`` target; override it for a data set without one.

        Args:
            row: Row of the data set.
            folder: An empty folder to write into.
        """
        if row.sample is None:
            pytest.fail(f"{row.name} has no sample target: override make_fake_data")
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

        assert digests[0] == digests[1], row.name
        assert sorted(digests[0].values()) != sorted(digests[2].values()), row.name

    def test_prepare_writes_a_folder_that_holds(
        self, each_prepared: DatasetRow, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """``zoo data check`` finds no problem, and the row agrees with dataset.json."""
        from zoo.data import check_prepared, read_prepared

        row = _usable(each_prepared)
        source, out = self._folders(row, tmp_path_factory)
        prepared = read_prepared(out)

        assert check_prepared(out) == []
        if (source / MARK_NAME).is_file():
            # Otherwise its models would be published as trained on real data.
            assert prepared.synthetic is not None, "prepare drops the mark of a sample"
        assert prepared.type == self.type_of(row)
        assert (prepared.task, prepared.labels) == (row.task, row.labels)
        assert row.classes in ("from data", tuple(prepared.classes))
        assert len(prepared.classes) == len(prepared.palette)
        assert sum(split.count for split in prepared.splits.values()) > 0

    def test_prepare_when_run_again_changes_nothing(
        self, each_prepared: DatasetRow, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Neither the prepared folder nor the source changes, not even a time stamp."""
        row = _usable(each_prepared)
        source, out = self._folders(row, tmp_path_factory)
        before = [_digests(source), _digests(out), _times(out)]

        self._prepare(row, source, out)

        assert [_digests(source), _digests(out), _times(out)] == before, row.name

    def test_prepare_elsewhere_writes_equal_files(
        self, each_prepared: DatasetRow, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """The result depends only on source and options."""
        row = _usable(each_prepared)
        source, out = self._folders(row, tmp_path_factory)
        other = tmp_path_factory.mktemp("again") / "prepared"

        self._prepare(row, source, other)

        assert _digests(other) == _digests(out), row.name

    def test_dataset_yields_what_heads_expect(
        self, each_semantic: DatasetRow, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """uint8 image ``(3, H, W)``, int64 ids ``(1, H, W)`` in range, and the paths."""
        import torch

        row = _usable(each_semantic)
        dataset = self._build(row, tmp_path_factory)
        classes = len(dataset.metainfo["classes"])

        assert len(dataset) > 0, row.name
        for item in (dataset[index] for index in range(min(3, len(dataset)))):
            image, sample = item["inputs"], item["data_samples"]
            labels = sample.gt_sem_seg.data
            ids = set(labels.unique().tolist())
            assert (image.dtype, image.shape[0]) == (torch.uint8, 3), row.name
            assert labels.dtype == torch.int64, row.name
            assert labels.shape == (1, *image.shape[1:]), row.name
            assert ids <= {*range(classes), 255}, row.name
            assert {"img_path", "ori_shape", "img_shape"} <= set(sample.metainfo), row.name

    def test_dataset_of_instances_yields_what_heads_expect(
        self, each_instance: DatasetRow, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Boxes ``(K, 4)`` inside the image, int64 labels in range, and a mask for each."""
        import torch

        row = _usable(each_instance)
        dataset = self._build(row, tmp_path_factory)
        classes = len(dataset.metainfo["classes"])

        assert len(dataset) > 0, row.name
        for item in (dataset[index] for index in range(min(3, len(dataset)))):
            image, found = item["inputs"], item["data_samples"].gt_instances
            height, width = image.shape[1:]
            boxes = found.bboxes.tensor
            assert (image.dtype, image.shape[0]) == (torch.uint8, 3), row.name
            assert boxes.shape == (len(found), 4), row.name
            assert (boxes[:, 2:] > boxes[:, :2]).all(), row.name
            assert (boxes >= 0).all(), row.name
            assert (boxes <= torch.tensor([width, height] * 2)).all(), row.name
            assert found.labels.dtype == torch.int64, row.name
            assert set(found.labels.tolist()) <= set(range(classes)), row.name
            assert found.masks.masks.shape == (len(found), height, width), row.name
            assert found.masks.masks.any(axis=(1, 2)).all(), row.name
            metainfo = set(item["data_samples"].metainfo)
            assert {"img_path", "ori_shape", "img_shape"} <= metainfo, row.name

    def test_dataset_in_spawned_workers_yields_the_same(
        self, each_prepared: DatasetRow, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Spawned workers, which import everything again, load the same items."""
        from torch.utils.data import DataLoader

        row = _usable(each_prepared)
        dataset = self._build(row, tmp_path_factory)
        loader: Any = DataLoader(
            dataset, num_workers=1, multiprocessing_context="spawn", collate_fn=_first
        )

        for index, item in enumerate(loader):
            assert (item["inputs"] == dataset[index]["inputs"]).all(), row.name

    def _folders(
        self, row: DatasetRow, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[Path, Path]:
        key = self.type_of(row)
        if key not in _FOLDERS:
            base = tmp_path_factory.mktemp(row.name)
            raw = base / "raw"
            raw.mkdir()
            source = self.make_fake_data(row, raw)
            self._prepare(row, source, base / "prepared")
            _FOLDERS[key] = (source, base / "prepared")
        return _FOLDERS[key]

    def _prepare(self, row: DatasetRow, source: Path, out: Path) -> None:
        from zoo.data import parse_shares

        options = {option.name.replace("-", "_"): option.default for option in row.options}
        options |= self.prepare_options.get(row.name, {})
        prepare: Any = load_target(self.record(), row.prepare)
        prepare(source, out, shares=parse_shares(self.shares), progress=None, **options)

    def _build(self, row: DatasetRow, tmp_path_factory: pytest.TempPathFactory) -> Any:
        from mmengine.registry import DATASETS, DefaultScope

        from zoo.data import read_prepared

        _, out = self._folders(row, tmp_path_factory)
        prepared = read_prepared(out)
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
    pytest.importorskip(_SCOPES[row.task])
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
