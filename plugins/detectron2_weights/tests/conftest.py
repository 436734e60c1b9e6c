# SPDX-License-Identifier: Apache-2.0
"""One thread for small networks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute alone: on a busy machine, threads wait for each other longer than they compute."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the converters to the slow tests: they are run on tensors of whole models."""
    for item in items:
        if item.name.startswith("test_converter_gives_the_model_of_its_rows"):
            item.add_marker(pytest.mark.slow)
