# SPDX-License-Identifier: Apache-2.0
"""An error of zoo keeps its words on the way out of a DataLoader's worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from zoo.engine.worker_errors import caught_name, explaining_workers, original_message
from zoo.errors import DataError, LoadError, ZooError

pytestmark = pytest.mark.mm


@pytest.fixture(autouse=True)
def _no_worker_left_behind() -> Iterator[None]:
    """An iterator that raised keeps its workers until it is collected."""
    from zoo.engine.worker_ends import ending_workers

    with ending_workers():
        yield


class _Broken:
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        message = "cannot load loss 'EdgeLoss': no module named 'x'."
        raise LoadError(message, target="zoo_a.b:C", where="plugin a", hint="install x.")


class _Failing:
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        message = "cannot read 'x.png': it is cut short."
        raise DataError(message, path="images/x.png", hint="copy it again.")


def test_error_of_a_worker_is_raised_as_the_worker_raised_it() -> None:
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(_Failing(), num_workers=1)  # type: ignore[arg-type]

    with pytest.raises(DataError) as caught, explaining_workers():
        next(iter(loader))

    assert str(caught.value) == (
        "cannot read 'x.png': it is cut short.\nwhere: images/x.png\nHINT: copy it again."
    )


def test_error_of_a_worker_that_torch_cannot_rebuild_keeps_its_words() -> None:
    """torch makes a RuntimeError of a class with required keywords."""
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(_Broken(), num_workers=1)  # type: ignore[arg-type]

    with pytest.raises(ZooError) as caught, explaining_workers():
        next(iter(loader))

    assert str(caught.value) == (
        "cannot load loss 'EdgeLoss': no module named 'x'.\nwhere: plugin a\nHINT: install x."
    )
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_runtime_error_of_another_class_is_left_alone() -> None:
    text = "Caught OddError in DataLoader worker process 0.\nTraceback\nOddError: odd"
    with pytest.raises(RuntimeError) as caught, explaining_workers():
        raise RuntimeError(text)

    assert not isinstance(caught.value, ZooError)
    assert str(caught.value) == text


def test_error_of_no_worker_is_left_alone() -> None:
    error = DataError("plain.", path="p")
    with pytest.raises(DataError) as caught, explaining_workers():
        raise error

    assert str(caught.value) == "plain.\nwhere: p"
    assert original_message("plain.") is None


def test_error_of_a_worker_that_has_no_message_has_an_empty_one() -> None:
    """The traceback around it is no message."""
    from torch.utils.data import DataLoader

    class Silent:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            raise AssertionError

    loader: Any = DataLoader(Silent(), num_workers=1, multiprocessing_context="fork")  # type: ignore[arg-type]

    with pytest.raises(AssertionError) as caught:
        next(iter(loader))

    assert caught_name(str(caught.value)) == "AssertionError"
    assert original_message(str(caught.value)) == ""
