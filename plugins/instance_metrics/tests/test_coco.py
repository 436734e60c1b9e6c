# SPDX-License-Identifier: Apache-2.0
"""AP and AR against pycocotools."""

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.mm

SIZES = {"tiny": (0, 5), "middle": (5, 9.5), "huge": (9.5, None)}
AREAS = [(0.0, 25.0), (25.0, 9.5**2), (9.5**2, 1e10)]


def numbers_of(evaluator: Any, kind: str) -> dict[str, float]:
    """AP and AR from pycocotools' arrays, by the definitions; what is -1 everywhere is NaN."""

    def mean(values: Any) -> float:
        return float(np.mean(values[values > -1])) if (values > -1).any() else float("nan")

    precision, recall = evaluator.eval["precision"], evaluator.eval["recall"]
    thresholds = np.round(evaluator.params.iouThrs, 2).tolist()
    at = {"": slice(None), "_50": thresholds.index(0.5), "_75": thresholds.index(0.75)}
    found = {f"coco/{kind}_mAP{name}": mean(precision[t][..., 0, -1]) for name, t in at.items()}
    sizes = {name: mean(precision[..., 1 + n, -1]) for n, name in enumerate(SIZES)}
    found |= {f"coco/{kind}_mAP_{name}": v for name, v in sizes.items() if not np.isnan(v)}
    limits = evaluator.params.maxDets
    return found | {f"coco/{kind}_AR@{m}": mean(recall[..., 0, n]) for n, m in enumerate(limits)}


def expect(lab: SimpleNamespace, path: Path, scenes: list[Any]) -> dict[str, float]:
    samples = [sample for _, _, sample in scenes]
    found = {}
    for kind in ("bbox", "segm"):
        found |= numbers_of(lab.run_pycocotools(path, samples, kind, AREAS), kind)
    return found


def without_counts(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if "/count_" not in name}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**16), count=st.integers(1, 8))
def test_values_of_any_scenes_equal_pycocotools(
    lab: SimpleNamespace, seed: int, count: int
) -> None:
    """With crowds, ties, images without instances or predictions, and two classes."""
    scenes = lab.make_scenes(seed, count)
    samples = [sample for _, _, sample in scenes]
    if not sum(len(sample["pred_instances"]["scores"]) for sample in samples):
        return  # pycocotools cannot load no results at all
    with tempfile.TemporaryDirectory() as folder:
        path = lab.write_coco(Path(folder) / "val.json", scenes)

        actual, _ = lab.evaluate(samples, ann_file=str(path), sizes=SIZES)

        assert expect(lab, path, scenes) == pytest.approx(
            without_counts(actual), abs=1e-12, nan_ok=True
        )
