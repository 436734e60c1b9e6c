# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from zoo.errors import CheckpointError

pytestmark = pytest.mark.mm


def test_check_fits_with_equal_names_and_shapes_returns() -> None:
    """BatchNorm's batch counter may be missing, as in old checkpoints."""
    import torch

    from zoo.engine.checkpoints.fit import check_fits

    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    weights = dict(model.state_dict())
    del weights["1.num_batches_tracked"]

    check_fits(model, weights, "a.pth")


def test_check_fits_of_another_model_lists_ten_of_each_kind() -> None:
    import torch

    from zoo.engine.checkpoints.fit import check_fits

    model = torch.nn.Sequential(*[torch.nn.Linear(2, 2, bias=False) for _ in range(14)])
    weights = {f"other.{n}": torch.zeros(1) for n in range(12)}
    weights["0.weight"] = torch.zeros(2, 5)

    with pytest.raises(CheckpointError) as raised:
        check_fits(model, weights, "a.pth")

    lines = raised.value.message.split("\n")
    assert lines[0] == (
        "weights do not fit the model: 13 missing, 12 unexpected, 1 mis-shaped of 14 entries."
    )
    assert lines[1].startswith("missing: 1.weight; 2.weight; ")
    assert lines[1].endswith("10.weight; and 3 more")
    assert lines[2].endswith("other.9; and 2 more")
    assert lines[3] == "mis-shaped: 0.weight (2, 5), expected (2, 2)"
    assert raised.value.path == "a.pth"
    assert "HINT: use the config that the weights were trained with" in str(raised.value)


@pytest.mark.parametrize(
    ("checkpoint", "config", "dataset", "expected"),
    [
        (
            ["background", "lung"],
            None,
            ["background", "lung", "heart"],
            "classes differ: the checkpoint has 2 (background, lung), the data set has 3 "
            "(background, lung, heart); class 2 is 'heart' in one.",
        ),
        (
            ["background", "lung"],
            ["lung", "background"],
            None,
            "classes differ: the checkpoint has 2 (background, lung), the config has 2 "
            "(lung, background); class 0 is 'background' and 'lung'.",
        ),
        (
            None,
            [str(n) for n in range(12)],
            [str(n) for n in range(11)],
            "classes differ: the config has 12 (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...), the data set "
            "has 11 (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...); class 11 is '11' in one.",
        ),
    ],
)
def test_check_classes_of_lists_that_differ_names_both(
    checkpoint: Sequence[str] | None,
    config: Sequence[str] | None,
    dataset: Sequence[str] | None,
    expected: str,
) -> None:
    from zoo.engine.checkpoints.classes import check_classes

    with pytest.raises(CheckpointError) as raised:
        check_classes(checkpoint, config, dataset, where="epoch_1.pth")

    assert expected == raised.value.message
    assert "where: epoch_1.pth\nHINT: use a " in str(raised.value)


def test_check_classes_of_equal_or_unknown_lists_returns() -> None:
    from zoo.engine.checkpoints.classes import check_classes

    check_classes(("a", "b"), ["a", "b"], ("a", "b"))
    check_classes(None, None, ["a"])
    check_classes(None, None, None)


def test_fits_when_a_module_renames_old_names_accepts_them() -> None:
    """mmdet's and mmcv's do so while they load; what does not fit after that is still told."""
    import torch

    from zoo.engine.checkpoints.fit import check_fits

    class Renaming(torch.nn.Linear):
        def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
            if f"{prefix}old" in state_dict:
                state_dict[f"{prefix}weight"] = state_dict.pop(f"{prefix}old")
            super()._load_from_state_dict(state_dict, prefix, *args)

    model = torch.nn.Sequential(Renaming(2, 3))
    before = model[0].weight.clone()
    old = {"0.old": torch.ones(3, 2), "0.bias": torch.ones(3)}

    check_fits(model, old, "old.pth")
    with pytest.raises(CheckpointError, match="1 missing, 1 unexpected"):
        check_fits(model, {**old, "0.old": torch.ones(2, 2)}, "old.pth")

    assert torch.equal(before, model[0].weight)
    assert list(old) == ["0.old", "0.bias"]


def test_model_far_larger_than_its_weights_is_refused_while_it_is_built() -> None:
    """Each layer makes 2000 * 2000 weights and 2,000 biases; one value allows 10,000,004."""
    import torch

    from zoo.engine.checkpoints.size_limit import no_larger_than

    made: list[torch.nn.Module] = []

    def build() -> None:
        while len(made) < 9:
            made.append(torch.nn.Linear(2000, 2000))

    with (
        pytest.raises(CheckpointError) as raised,
        no_larger_than({"w": torch.zeros(1)}, "a.safetensors"),
    ):
        build()

    assert len(made) == 2
    assert raised.value.message == (
        "cannot build the model: it asks for more than 12,004,000 values in 5 tensors, "
        "its file has 1 values in 1."
    )
    assert raised.value.path == "a.safetensors"
    assert raised.value.hint


def test_model_of_large_buffers_is_refused_too() -> None:
    """A norm without weights holds means and variances; the smaller ones fit, 10,000,004 do not."""
    import torch

    from zoo.engine.checkpoints.size_limit import no_larger_than

    with (
        pytest.raises(CheckpointError, match="more than 12,000,000 values in 2 tensors"),
        no_larger_than({"w": torch.zeros(1)}, "a.safetensors"),
    ):
        torch.nn.BatchNorm2d(6_000_000, affine=False)


def test_model_of_layers_without_end_is_refused_by_their_count() -> None:
    """They are small, and would take hours before they fill the memory."""
    import torch

    from zoo.engine.checkpoints.size_limit import no_larger_than

    layers = (torch.nn.Linear(1, 1) for _ in iter(int, 1))

    with (
        pytest.raises(CheckpointError, match="more than 1,005 values in 1,005 tensors"),
        no_larger_than({"w": torch.zeros(1)}, "a.safetensors"),
    ):
        torch.nn.ModuleList(layers)


def test_model_of_the_size_of_its_weights_is_built() -> None:
    """Nothing is counted before, after, or in another thread; without weights there is no limit."""
    import threading

    import torch

    from zoo.engine.checkpoints.size_limit import no_larger_than

    def build() -> torch.nn.Module:
        return torch.nn.Sequential(*[torch.nn.Linear(2000, 2000) for _ in range(4)])

    weights = build().state_dict()
    with no_larger_than(weights, "a.safetensors"):
        build()
    with no_larger_than({"w": torch.zeros(1)}, "a.safetensors"):
        other = threading.Thread(target=build)
        other.start()
        other.join()
        torch.nn.Linear(2000, 2000)
    with no_larger_than(None, "a.safetensors"):
        build()

    assert build().state_dict().keys() == weights.keys()
