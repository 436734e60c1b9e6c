# SPDX-License-Identifier: Apache-2.0
"""Pipelines: what normalizes, pads and packs moves to the preprocessor, the rest is renamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo_openmmlab_migration.configs.resizing import as_pair, migrate_resize
from zoo_openmmlab_migration.configs.transforms import migrate_transform
from zoo_openmmlab_migration.configs.work import Preprocessing, Work

__all__ = ["Pipeline", "find_loader"]

_FORMATTING = frozenset(
    {
        *("DefaultFormatBundle", "ImageToTensor", "ToTensor", "ToDataContainer"),
        *("Transpose", "WrapFieldsToLists"),
    }
)
_LOADERS = ("LoadAnnotations", "LoadPanopticAnnotations")
_META = {"filename": "img_path", "img_norm_cfg": None, "ori_filename": None, "pad_shape": None}
_TEST_META = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
_OPEN_META = ("instances", "image_level_labels")  # OpenImagesMetric reads them
_FINAL = "moved to model.data_preprocessor"


class Pipeline:
    """One pipeline on its way.

    Args:
        work: The migration.
        place: The pipeline's key, for the ledger.
        facts: Receives what it normalizes and pads.
        is_test: Whether it is for validation and tests.
        has_labels: Whether its data set has labels.

    Attributes:
        steps: The new steps so far.
        flips: Whether ``MultiScaleFlipAug`` flips.
        scales: Its scales, as new ``Resize`` steps, if there are several.
    """

    def __init__(
        self,
        work: Work,
        place: str,
        facts: Preprocessing,
        *,
        is_test: bool = False,
        has_labels: bool = True,
    ) -> None:
        self.work = work
        self.place = place
        self.facts = facts
        self.is_test = is_test
        self.has_labels = has_labels
        self.steps: list[dict[str, Any]] = []
        self.flips: list[str] = []
        self.scales: list[dict[str, Any]] = []
        self._normalized = False
        self._is_new = False  # of the new generation already, as in a base of it

    def run(self, steps: Sequence[Any], scale: Any = None) -> list[dict[str, Any]]:
        """Return the new steps of old ones.

        Args:
            steps: Old steps.
            scale: The scale of the ``MultiScaleFlipAug`` around them, if any.
        """
        types = [str(each.get("type")) for each in steps if isinstance(each, Mapping)]
        self._is_new |= any(kind.startswith("Pack") for kind in types)
        for number, step in enumerate(steps):
            place = f"{self.place}[{number}]"
            if not isinstance(step, Mapping) or "type" not in step:
                why = "it names no type"
                self.work.ledger.lose(place, why, "write it as dict(type=...).")
                continue
            rest = dict(step)
            kind = str(rest.pop("type"))
            self._step(f"{place} {kind}", kind, rest, steps[number + 1 :], scale)
        return self.steps

    def _step(self, place: str, kind: str, rest: dict[str, Any], after: Any, scale: Any) -> None:
        handler = {
            "Normalize": self._normalize,
            "Collect": self._collect,
            "MultiScaleFlipAug": self._test_time,
        }.get(kind)
        if handler is not None:
            handler(place, rest)
        elif kind in _FORMATTING:
            self.work.ledger.drop(place, f"Pack{self._family}Inputs does it")
        elif kind == "Pad":
            self._pad(place, rest, after)
        elif kind == "Resize" and "scale" not in rest and not self._is_new:
            made = migrate_resize(self.work, place, rest, scale)
            self._note_size(made)
            self._add(place, made)
        elif kind == "RandomFlip" and self.is_test:
            self.work.ledger.drop(place, "tests do not flip; tta_pipeline may")
        elif kind == "SegRescale" and not self.work.is_seg:
            self.facts.seg_scale = rest.get("scale_factor", 1)
            self.work.ledger.change(place, "the semantic head scales its labels")
        else:
            self._other(place, kind, rest)

    @property
    def _family(self) -> str:
        return "Seg" if self.work.is_seg else "Det"

    def _add(self, place: str, step: dict[str, Any]) -> None:
        if self._normalized:
            text = "runs before normalization now, which is the preprocessor's"
            self.work.ledger.change(place, text)
        self.steps.append(step)

    def _other(self, place: str, kind: str, rest: dict[str, Any]) -> None:
        made = migrate_transform(self.work, place, kind, rest)
        if made is None:
            return
        if kind in _LOADERS:
            self.facts.has_masks |= bool(made.get("with_mask", kind != "LoadAnnotations"))
            self.facts.has_seg |= bool(made.get("with_seg", kind != "LoadAnnotations"))
            if self.is_test and not self._is_new:  # it is added after the last resize
                return
        if kind == "RandomCrop" and made.get("crop_type", "absolute") == "absolute":
            first, second = as_pair(rest["crop_size"]) if "crop_size" in rest else (0, 0)
            self.facts.crop_size = (first, second)
        self._add(place, made)

    def _note_size(self, made: Mapping[str, Any]) -> None:
        self.facts.crop_size = None  # a crop before it has another size now
        if made["type"] == "Resize" and not made.get("keep_ratio") and "scale" in made:
            width, height = made["scale"]
            self.facts.crop_size = (height, width)

    def _normalize(self, place: str, rest: dict[str, Any]) -> None:
        self.facts.norm = {
            "mean": list(rest.pop("mean")),
            "std": list(rest.pop("std")),
            "to_rgb": rest.pop("to_rgb", True),
        }
        self._normalized = True
        self.work.ledger.change(place, _FINAL)
        self.work.leave(place, rest)

    def _collect(self, place: str, rest: dict[str, Any]) -> None:
        rest.pop("keys", None)
        meta = rest.pop("meta_keys", None)
        rest.pop("meta_name", None)
        self._load_labels()
        step: dict[str, Any] = {"type": f"Pack{self._family}Inputs"}
        if meta is not None:
            step["meta_keys"] = self._meta(meta)
        elif self.is_test and not self.work.is_seg:
            is_open = "OpenImages" in str(self.work.measured)
            step["meta_keys"] = _TEST_META + (_OPEN_META if is_open else ())
        self.steps.append(step)
        self.work.ledger.change(place, str(step["type"]))
        self.work.leave(place, rest)

    def _meta(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Return the names of today, with those that metrics and hooks ask for."""
        made = dict.fromkeys(_META.get(key, key) for key in keys)
        made.pop(None, None)
        needed = ("img_path", "ori_shape", "img_shape") if self.work.is_seg else _TEST_META
        return tuple(str(key) for key in dict.fromkeys([*made, *needed]))

    def _load_labels(self) -> None:
        """Load the labels of a test image after its last resize, as they are measured."""
        if self.is_test and self.work.loader is not None and self.has_labels:
            self.steps.append(dict(self.work.loader))

    def _test_time(self, place: str, rest: dict[str, Any]) -> None:
        """Unfold ``MultiScaleFlipAug``: one scale for the test, all of them for TTA."""
        scales, ratios = rest.pop("img_scale", None), rest.pop("img_ratios", None)
        factor, flip = rest.pop("scale_factor", None), rest.pop("flip", False)
        directions = rest.pop("flip_direction", "horizontal")
        inner = rest.pop("transforms", [])
        self.work.leave(place, rest)
        if flip:
            self.flips = [directions] if isinstance(directions, str) else list(directions)
        first, several = _test_scales(scales, ratios, factor)
        has_resize = any(each.get("type") == "Resize" for each in inner)
        if several and has_resize:
            keep = next(e.get("keep_ratio", True) for e in inner if e.get("type") == "Resize")
            self.scales = [{"type": "Resize", **each, "keep_ratio": keep} for each in several]
        inner = [_with_factor(each, factor) for each in inner]
        self.work.ledger.change(place, "unfolded: Resize takes its scale")
        self.run(inner, first)

    def _pad(self, place: str, rest: dict[str, Any], after: Sequence[Any]) -> None:
        """Move padding to the preprocessor; a step for it would change ``img_shape``."""
        is_fixed_test = rest.get("size") is not None and self.is_test and not self.work.is_seg
        if rest.get("pad_to_square") or is_fixed_test or not _is_last(after):
            self._keep_pad(place, rest, self.facts.norm if self._normalized else None)
        else:
            self._move_pad(place, rest, _has_normalize(after))

    def _move_pad(self, place: str, rest: dict[str, Any], is_before: bool) -> None:
        facts, size = self.facts, rest.pop("size", None)
        if size is not None:
            facts.size = as_pair(size)
        divisor = rest.pop("size_divisor", None)
        if divisor is not None:
            facts.divisor = int(divisor)
        values = rest.pop("pad_val", 0)
        if isinstance(values, Mapping):
            image = _single(values.get("img", 0))
            facts.mask_pad_val = values.get("masks", 0)
            facts.seg_pad_val = values.get("seg", 255)
        else:
            image = _single(values)
        # Before normalization a value is a colour, and after it 0 is the mean.
        facts.pad_val = 0 if is_before else image
        facts.seg_pad_val = rest.pop("seg_pad_val", facts.seg_pad_val)
        rest.pop("pad_to_square", None)
        colour = f", with the mean and not with {image:g}" if is_before else ""
        self.work.ledger.change(place, _FINAL + colour)
        self.work.leave(place, rest)

    def _keep_pad(self, place: str, rest: dict[str, Any], norm: Mapping[str, Any] | None) -> None:
        step: dict[str, Any] = {"type": "Pad"}
        if rest.get("size") is not None:
            height, width = as_pair(rest["size"])
            step["size"] = (width, height)
        step |= {name: rest[name] for name in ("size_divisor", "pad_to_square") if rest.get(name)}
        if norm is not None:  # the mean, which normalization turns into 0
            mean = norm["mean"][::-1] if norm["to_rgb"] else norm["mean"]
            step["pad_val"] = {"img": tuple(mean), "seg": 255}
            self.work.ledger.change(place, "pads with the mean, before normalization")
        elif "pad_val" in rest:
            step["pad_val"] = rest["pad_val"]
        if "seg_pad_val" in rest:
            image = rest.get("pad_val", 0)
            step["pad_val"] = {"img": image, "seg": rest["seg_pad_val"]}
        known = {"size", "size_divisor", "pad_to_square", "pad_val", "seg_pad_val"}
        self.work.leave(place, {name: rest[name] for name in rest if name not in known})
        self.steps.append(step)


def find_loader(steps: Any) -> dict[str, Any] | None:
    """Return the step of an old pipeline that loads labels, or None.

    Args:
        steps: Old steps.
    """
    for step in steps or []:
        if isinstance(step, Mapping) and step.get("type") in _LOADERS:
            return dict(step)
    return None


def _is_last(steps: Sequence[Any]) -> bool:
    """Return whether the pipeline ends without a step that looks at the size of the image."""
    types = [each.get("type") for each in steps if isinstance(each, Mapping)]
    last = {"Collect", "Normalize", "RandomFlip", "SegRescale", "FilterAnnotations"}
    return "Collect" in types and all(kind in last | _FORMATTING for kind in types)


def _has_normalize(steps: Sequence[Any]) -> bool:
    return any(isinstance(each, Mapping) and each.get("type") == "Normalize" for each in steps)


def _single(value: Any) -> float:
    return float(value[0]) if isinstance(value, (list, tuple)) else value


def _with_factor(step: Mapping[str, Any], factor: Any) -> dict[str, Any]:
    if factor is None or step.get("type") != "Resize" or "img_scale" in step:
        return dict(step)
    first = factor[0] if isinstance(factor, (list, tuple)) else factor
    return {**step, "scale_factor": first}


def _test_scales(scales: Any, ratios: Any, factor: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Return the scale of the plain test, and those of TTA if there are several."""
    several = [scales] if _is_pair(scales) else list(scales or [])
    pairs = [as_pair(each) for each in several]
    if ratios is not None:
        many = [ratios] if isinstance(ratios, (int, float)) else list(ratios)
        base = pairs[0] if pairs else None
        if len(many) == 1 and base is not None:
            return (int(base[0] * many[0]), int(base[1] * many[0])), []
        if base is None:
            return None, [{"scale_factor": each} for each in many]
        scaled = [(int(base[0] * each), int(base[1] * each)) for each in many]
        return base, [{"scale": each} for each in scaled]
    if isinstance(factor, (list, tuple)) and len(factor) > 1:
        return None, [{"scale_factor": each} for each in factor]
    return (pairs[0] if pairs else None), ([{"scale": e} for e in pairs] if len(pairs) > 1 else [])


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(isinstance(each, (int, float)) for each in value)
    )
