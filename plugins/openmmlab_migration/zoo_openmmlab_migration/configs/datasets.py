# SPDX-License-Identifier: Apache-2.0
"""One data set of ``data.train``, ``data.val`` or ``data.test``, with what wraps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo_openmmlab_migration.configs.pipelines import Pipeline, find_loader
from zoo_openmmlab_migration.configs.transforms import backend_arguments
from zoo_openmmlab_migration.configs.work import Preprocessing, Work

__all__ = ["DatasetMigration", "innermost"]

_XML = ("VOCDataset", "XMLDataset", "CityPersonsDataset")
# mmseg's data sets by whether label 0 is left out without being told to; both generations agree.
_REDUCED: tuple[str, ...] = (
    "ADE20KDataset",
    "PascalContextDataset59",
    "LoveDADataset",
    "PotsdamDataset",
)
_REDUCED += ("ISPRSDataset",)
_UNREDUCED: tuple[str, ...] = (
    "CityscapesDataset",
    "PascalVOCDataset",
    "PascalContextDataset",
    "COCOStuffDataset",
)
_UNREDUCED += ("ChaseDB1Dataset", "DRIVEDataset", "HRFDataset", "STAREDataset", "iSAIDDataset")
_PATHS_SEG = ("img_dir", "ann_dir", "split")
_PATHS_DET = ("ann_file", "img_prefix", "seg_prefix", "proposal_file")
_KEPT_SEG = ("img_suffix", "seg_map_suffix", "ignore_index", "reduce_zero_label", "test_mode")


def innermost(dataset: Any) -> dict[str, Any]:
    """Return the data set inside of all wrappers; the first of several.

    Args:
        dataset: Old or new settings of a data set.
    """
    while True:
        if isinstance(dataset, (list, tuple)):
            dataset = dataset[0] if dataset else {}
        elif isinstance(dataset, Mapping) and ("dataset" in dataset or "datasets" in dataset):
            dataset = dataset.get("dataset", dataset.get("datasets"))
        else:
            return dict(dataset) if isinstance(dataset, Mapping) else {}


class DatasetMigration:
    """The data sets of one split.

    Args:
        work: The migration.
        split: ``train``, ``val`` or ``test``.
        facts: Receives what the pipelines normalize and pad.

    Attributes:
        tta: The pipeline that unfolded several scales or flips, or None.
    """

    def __init__(self, work: Work, split: str, facts: Preprocessing) -> None:
        self.work = work
        self.split = split
        self.facts = facts
        self.tta: Pipeline | None = None

    def migrate(self, dataset: Any, place: str) -> dict[str, Any]:
        """Return the new settings of a data set.

        Args:
            dataset: Its old settings; a list is what was joined by itself.
            place: Its key, for the ledger.
        """
        if isinstance(dataset, (list, tuple)):
            return self._joined(list(dataset), place)
        rest = dict(dataset)
        kind = str(rest.pop("type", "CustomDataset"))
        if kind == "ConcatDataset":
            apart = bool(rest.pop("separate_eval", True))
            joined = self._joined(list(rest.pop("datasets", [])), f"{place}.datasets", apart=apart)
            self.work.leave(place, rest)
            return joined
        if kind in ("RepeatDataset", "ClassBalancedDataset", "MultiImageMixDataset"):
            return self._wrapped(kind, rest, place)
        return self._leaf(kind, rest, place)

    def _joined(self, datasets: list[Any], place: str, *, apart: bool = True) -> dict[str, Any]:
        made = [self.migrate(each, f"{place}[{n}]") for n, each in enumerate(datasets)]
        if len(made) == 1:
            return made[0]
        # The evaluator of COCO reads one file of annotations, and never knew joined ones.
        is_one_file = not self.work.is_seg and made[0].get("type") not in _XML
        if self.split != "train" and (apart or is_one_file):
            why = f"{len(made)} data sets were measured one by one, and the evaluator is for one"
            todo = f"keep one data set in {self.split}_dataloader, and measure the others apart."
            self.work.ledger.lose(place, why, todo)
        joined: dict[str, Any] = {"type": "ConcatDataset", "datasets": made}
        if all(each.get("type") == "VOCDataset" for each in made):
            joined["ignore_keys"] = ["dataset_type"]  # VOC2007 and VOC2012 call themselves so
        return joined

    def _wrapped(self, kind: str, rest: dict[str, Any], place: str) -> dict[str, Any]:
        made: dict[str, Any] = {"type": kind}
        for name in ("times", "oversample_thr"):
            if name in rest:
                made[name] = rest.pop(name)
        if rest.pop("filter_empty_gt", None) is not None:
            self.work.ledger.drop(f"{place}.filter_empty_gt", "the data set inside filters")
        made["dataset"] = self.migrate(rest.pop("dataset", {}), f"{place}.dataset")
        if "pipeline" in rest:
            made["pipeline"] = self._pipeline(rest.pop("pipeline"), place)
        for name in ("skip_type_keys", "max_refetch"):
            if name in rest:
                made[name] = rest.pop(name)
        self.work.leave(place, rest)
        return made

    def _leaf(self, kind: str, rest: dict[str, Any], place: str) -> dict[str, Any]:
        paths = _PATHS_SEG if self.work.is_seg else _PATHS_DET
        count = max(
            (len(rest[p]) for p in paths if isinstance(rest.get(p), (list, tuple))), default=0
        )
        if count:
            parts = [
                {n: _part(v, number) if n in paths else v for n, v in rest.items()}
                for number in range(count)
            ]
            self.work.ledger.change(place, "ConcatDataset: one data set for each path")
            apart = all(part.pop("separate_eval", True) for part in parts)
            return self._joined([{"type": kind, **part} for part in parts], place, apart=apart)
        rest.pop("separate_eval", None)
        backend = backend_arguments(self.work, place, rest)
        rest.pop("file_client_args", None)
        pipeline = rest.pop("pipeline", None)
        make = self._seg if self.work.is_seg else self._det
        made = make(kind, rest, place) | backend
        if pipeline is not None:
            labels = not self.work.is_seg or "seg_map_path" in made.get("data_prefix", {})
            made["pipeline"] = self._pipeline(pipeline, place, has_labels=labels)
            if self.work.is_seg:
                self._reduce_alike(kind, made, pipeline, place)
        return made

    def _reduce_alike(self, kind: str, made: dict[str, Any], steps: Any, place: str) -> None:
        """Let a data set and its ``LoadAnnotations`` agree whether label 0 counts.

        mmseg 0.x trained by what the step says and measured by what the data set says; mmseg 1.x
        refuses two answers.
        """
        stated = made.get("reduce_zero_label", True if kind in _REDUCED else None)
        if stated is None and kind not in ("CustomDataset", *_UNREDUCED):
            return
        loader = find_loader(steps) if self.split == "train" else self.work.loader
        if loader is None or bool(stated) == bool(loader.get("reduce_zero_label", False)):
            return
        if self.split == "train":
            made["reduce_zero_label"] = bool(loader.get("reduce_zero_label", False))
            text = f"{made['reduce_zero_label']}, as LoadAnnotations says, which training used"
            self.work.ledger.change(f"{place}.reduce_zero_label", text)
        for step in made["pipeline"]:
            if step.get("type") == "LoadAnnotations" and self.split != "train":
                step.pop("reduce_zero_label", None)

    def _pipeline(self, steps: Any, place: str, *, has_labels: bool = True) -> list[dict[str, Any]]:
        is_test = self.split != "train"
        pipeline = Pipeline(
            self.work, f"{place}.pipeline", self.facts, is_test=is_test, has_labels=has_labels
        )
        pipeline.run(list(steps or []))
        if pipeline.flips or pipeline.scales:
            self.tta = pipeline
        return pipeline.steps

    def _metainfo(self, rest: dict[str, Any], place: str) -> dict[str, Any]:
        """Return ``metainfo`` of ``classes`` and ``palette``."""
        known: dict[str, Any] = {}
        for name in ("classes", "palette"):
            value = rest.pop(name, None)
            if isinstance(value, str):
                why = f"{name} is the text {value!r}, which old data sets read as a file"
                self.work.ledger.lose(f"{place}.{name}", why, "write the names as a tuple.")
            elif value is not None:
                known[name] = value
                self.work.ledger.change(f"{place}.{name}", f"metainfo.{name}")
        return {"metainfo": known} if known else {}

    def _seg(self, kind: str, rest: dict[str, Any], place: str) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "BaseSegDataset" if kind == "CustomDataset" else kind}
        if rest.get("data_root") is not None:
            made["data_root"] = rest["data_root"]
        rest.pop("data_root", None)
        prefix = {"img_path": rest.pop("img_dir", None), "seg_map_path": rest.pop("ann_dir", None)}
        made["data_prefix"] = {name: value for name, value in prefix.items() if value is not None}
        self.work.ledger.change(f"{place}.img_dir, ann_dir", "data_prefix")
        split = rest.pop("split", None)
        if split is not None:
            made["ann_file"] = split
            self.work.ledger.change(f"{place}.split", "ann_file")
        made |= self._metainfo(rest, place)
        made |= {name: rest.pop(name) for name in _KEPT_SEG if name in rest}
        if rest.pop("gt_seg_map_loader_cfg", None):
            why = "the pipeline loads labels in mmseg 1.x"
            todo = "give these arguments to its LoadAnnotations."
            self.work.ledger.lose(f"{place}.gt_seg_map_loader_cfg", why, todo)
        return made | rest

    def _det(self, kind: str, rest: dict[str, Any], place: str) -> dict[str, Any]:
        if kind == "CustomDataset":
            why = "mmdet 3.x reads another format than the old list of dicts"
            self.work.ledger.lose(f"{place}.ann_file", why, "convert the annotations to COCO JSON.")
        made: dict[str, Any] = {"type": "BaseDetDataset" if kind == "CustomDataset" else kind}
        made |= self._det_paths(kind, rest, place)
        made |= self._metainfo(rest, place)
        empty, least = rest.pop("filter_empty_gt", True), rest.pop("min_size", None)
        if self.split == "train":
            made["filter_cfg"] = {"filter_empty_gt": empty, "min_size": 32}
            if least is not None:
                made["filter_cfg"]["bbox_min_size"] = least
        rest.pop("test_mode", None)
        if self.split != "train":
            made["test_mode"] = True
        if rest.pop("ins_ann_file", None):
            self.work.ledger.change(f"{place}.ins_ann_file", "the evaluator's ann_file")
        return made | rest

    def _det_paths(self, kind: str, rest: dict[str, Any], place: str) -> dict[str, Any]:
        root = rest.pop("data_root", None)
        first = "sub_data_root" if kind in _XML else "img"
        prefix = {first: rest.pop("img_prefix", None), "seg": rest.pop("seg_prefix", None)}
        paths = {"ann_file": rest.pop("ann_file", ""), **prefix}
        found = {name: value for name, value in paths.items() if value is not None}
        shared = self.work.old.get("data_root")
        if root is None and isinstance(shared, str) and shared:
            texts = [str(value) for value in found.values() if value]
            below = {text: _below(text, shared) for text in texts}
            if texts and None not in below.values():
                root = shared
                found = {name: below.get(str(value)) or "" for name, value in found.items()}
        made: dict[str, Any] = {} if root is None else {"data_root": root}
        made["ann_file"] = found.pop("ann_file", "")
        if found:
            made["data_prefix"] = found
            self.work.ledger.change(f"{place}.img_prefix", "data_prefix")
        if rest.get("proposal_file") is not None:
            made["proposal_file"] = rest["proposal_file"]
            why = "mmdet 3.x reads proposals in another format (InstanceData)"
            todo = "write them again with the RPN in mmdet 3.x."
            self.work.ledger.lose(f"{place}.proposal_file", why, todo)
        rest.pop("proposal_file", None)
        return made


def _below(path: str, folder: str) -> str | None:
    """Return a path from a folder on, or None if it is not in it; both as a config spells them."""
    if not path.startswith(folder):
        return None
    rest = path[len(folder) :]
    is_inside = not rest or folder.endswith(("/", "\\")) or rest.startswith(("/", "\\"))
    return rest.lstrip("/\\") if is_inside else None


def _part(value: Any, number: int) -> Any:
    if isinstance(value, (list, tuple)):
        return value[number] if len(value) > 1 else value[0]
    return value
