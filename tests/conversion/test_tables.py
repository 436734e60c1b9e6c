# SPDX-License-Identifier: Apache-2.0
"""A table of tensors accepts exactly its architecture and names what differs."""

from __future__ import annotations

import pytest

from zoo.conversion import Entry, convert_by_table
from zoo.errors import ConversionError

torch = pytest.importorskip("torch")

TABLE = (
    Entry("old.weight", "new.weight", (2, 3)),
    Entry("old.bias", "first.bias", (2,), lambda bias: bias.flip(0)),
    Entry("old.bias", "second.bias", (2,)),
    Entry("norm.running_var", "bn.running_var", (2,)),
)


def tensors() -> dict[str, torch.Tensor]:
    return {
        "old.weight": torch.arange(6.0).reshape(2, 3),
        "old.bias": torch.tensor([1.0, 2.0]),
        "norm.running_var": torch.ones(2),
    }


def test_every_tensor_is_renamed_and_changed_as_its_entry_says() -> None:
    """A source may have two targets; a batch norm gets its counter."""
    found = convert_by_table(tensors(), TABLE, what="a net")

    assert found["new.weight"].equal(tensors()["old.weight"])
    assert found["first.bias"].tolist() == [2.0, 1.0]
    assert found["second.bias"].tolist() == [1.0, 2.0]
    assert found["bn.num_batches_tracked"].equal(torch.tensor(0))
    assert len(found) == 5


def test_what_the_model_makes_itself_may_be_there() -> None:
    """Listed patterns and counters; a pattern matches whole keys."""
    extra = {"pixel_mean": torch.ones(3), "norm.num_batches_tracked": torch.tensor(9)}

    found = convert_by_table({**tensors(), **extra}, TABLE, what="a net", dropped=["pixel_.*"])

    assert set(found) == set(convert_by_table(tensors(), TABLE, what="a net"))
    with pytest.raises(ConversionError):
        convert_by_table({**tensors(), **extra}, TABLE, what="a net", dropped=["pixel"])


def test_another_architecture_is_refused_with_everything_that_differs() -> None:
    """One message for all three kinds, each with its keys."""
    source = {**tensors(), "head.weight": torch.ones(1), "old.bias": torch.ones(5)}
    del source["old.weight"]

    with pytest.raises(ConversionError) as caught:
        convert_by_table(source, TABLE, what="a net")

    error = caught.value
    assert (error.missing, error.unexpected) == (("old.weight",), ("head.weight",))
    assert error.misshaped == ("old.bias",)
    assert "a net" in error.message
    assert "old.bias is 5, expected 2" in error.message
