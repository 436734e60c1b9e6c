# SPDX-License-Identifier: Apache-2.0
"""An error of zoo keeps its words on the way out of a DataLoader's worker."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.engine.workers import explaining_workers, original_message
from zoo.errors import DataError

pytestmark = pytest.mark.mm


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


def test_error_of_no_worker_is_left_alone() -> None:
    error = DataError("plain.", path="p")
    with pytest.raises(DataError) as caught, explaining_workers():
        raise error

    assert str(caught.value) == "plain.\nwhere: p"
    assert original_message("plain.") is None
