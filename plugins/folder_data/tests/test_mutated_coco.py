# SPDX-License-Identifier: Apache-2.0
"""COCO folders with one to three values spoiled at random: prepared, or refused in one message."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")

from zoo_folder_data.prepare_coco import prepare  # noqa: E402 (after the skip)

from zoo.data import Shares, check_prepared, read_coco  # noqa: E402
from zoo.errors import DataError  # noqa: E402

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 7, 64, 65, 0.5, -0.5, 1e9, 1e300, 10**30, -(2**63)),
    *(float("nan"), float("inf"), "", "0", "1", "x", "a.png", "../a.png", "/a.png", "a\0b", "\x1b"),
    *("C:\\a.png", "?", "b'11'", "é", "e\u0301", "\ud800", [], {}, [[]], [{}], [None], [1], [1, 2]),
    *([1, 2, 3, 4], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5, 6]], [[1e308] * 6], [["1"] * 6], [[True] * 6]),
    *({"size": [48, 64], "counts": [3072]}, {"size": [48, 64], "counts": "000"}, {"counts": []}),
    *({"size": [64, 48], "counts": [3072]}, {"size": [48, 64], "counts": [0, 3072]}, {"size": 1}),
    *({"size": [48, 64], "counts": [1, 2]}, {"size": [48, 64], "counts": [-1, 3073]}, "0" * 5000),
]


def content() -> dict[str, Any]:
    """Return two images with an object of each kind."""
    polygon = [10, 12, 30, 12, 30, 28, 10, 28]
    rle = {"size": [48, 64], "counts": [500, 20, 28, 20, 2504]}
    shapes: list[dict[str, Any]] = [
        {"bbox": [10, 12, 20, 16], "segmentation": [polygon], "iscrowd": 0, "area": 320},
        {"bbox": [3, 4, 9, 9]},
        {"segmentation": rle, "iscrowd": 1},
    ]
    found = {
        "info": {"description": "x"},
        "licenses": [],
        "images": [
            {"id": n + 1, "file_name": f"{name}.png", "width": 64, "height": 48}
            for n, name in enumerate("ab")
        ],
        "categories": [{"id": 3, "name": "house"}, {"id": 20, "name": "tree"}],
        "annotations": [
            {"id": 10 * image + n, "image_id": image, "category_id": 3 + 17 * (n % 2), **shape}
            for image in (1, 2)
            for n, shape in enumerate(shapes)
        ],
    }
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]  # no two rows share a list


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


def mutate(draw: random.Random, most: int = 3) -> dict[str, Any]:
    """Return the content with values replaced, taken away, doubled, or swapped for others of it."""
    found = content()
    for _ in range(draw.randint(1, most)):
        *path, last = draw.choice(list(places(found)))
        parent = found
        for key in path:
            parent = parent[key]
        action = draw.choice(["replace", "replace", "replace", "remove", "double", "swap"])
        if action == "remove":
            del parent[last]
        elif action == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        elif action == "swap":
            other = found
            for key in draw.choice(list(places(found))):
                other = other[key]
            parent[last] = copy.deepcopy(other)
        else:
            parent[last] = copy.deepcopy(draw.choice(VALUES))
        if not any(True for _ in places(found)):
            break
    return found


def write(root: Path) -> Path:
    (root / "images").mkdir(parents=True)
    for name in "ab":
        assert cv2.imwrite(str(root / f"images/{name}.png"), np.full((48, 64), 90, np.uint8))
    return root


def refuse(act: Callable[[], object]) -> DataError | None:
    """Return the error that an act ends in, None where it does not."""
    try:
        act()
    except DataError as error:
        return error
    return None


@pytest.mark.parametrize(
    "block", [*range(4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 20))]
)
def test_read_coco_when_values_are_spoiled_then_read_or_refused(block: int) -> None:
    """Nothing but a DataError, whose text is one that can be printed."""
    refused = 0
    for seed in range(block * 1000, (block + 1) * 1000):
        data = json.dumps(mutate(random.Random(seed))).encode()

        error = refuse(partial(read_coco, data, "raw/coco.json"))

        if error is not None:
            refused += 1
            assert error.where == "raw/coco.json", seed
            assert error.hint, seed
            assert "\x1b" not in str(error), seed
    assert 300 < refused < 1000


@pytest.mark.parametrize("crowds", ["regions", "instances"])
def test_prepare_when_values_are_spoiled_then_whole_or_nothing(tmp_path: Path, crowds: str) -> None:
    """What is prepared holds; what is refused leaves nothing."""
    raw = write(tmp_path / "raw")
    prepared = 0
    for seed in range(150):
        (raw / "coco.json").write_text(json.dumps(mutate(random.Random(seed), most=1)))
        out = tmp_path / f"out{seed}"

        error = refuse(partial(prepare, raw, out, shares=Shares(1, 0, 0), crowds=crowds))

        if error is not None:
            assert not out.exists(), seed
            assert error.hint, seed
        else:
            prepared += 1
            assert check_prepared(out) == [], seed
    assert 10 < prepared < 150
