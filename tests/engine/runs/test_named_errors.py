# SPDX-License-Identifier: Apache-2.0
"""A loss that refuses its targets sees tensors: the images are named around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.mm
torch = pytest.importorskip("torch")

from zoo.engine.runs.named_errors import naming_images  # noqa: E402
from zoo.errors import DataError  # noqa: E402


@pytest.fixture
def train(toy_runner: Callable[..., Any]) -> Callable[..., Any]:
    """Train on four images in their order, with a model that raises at its second step."""
    from mmengine.model import BaseModel
    from mmengine.structures import BaseDataElement

    class Named(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> dict[str, Any]:
            sample = BaseDataElement(metainfo={"img_path": f"images/{index}.png"})
            return {"inputs": torch.ones(4), "data_samples": sample}

    class Refusing(BaseModel):  # type: ignore[misc]
        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.layer, self.error, self.steps = torch.nn.Linear(4, 1), error, 0

        def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:
            self.steps += 1
            if self.steps == 2:
                raise self.error
            return {"loss": self.layer(torch.stack(inputs)).sum()}

    def run(error: Exception) -> None:
        loader = {"batch_size": 2, "num_workers": 0, "dataset": Named()}
        loader["sampler"] = {"type": "DefaultSampler", "shuffle": False}
        runner = toy_runner(model=Refusing(error), train_dataloader=loader)
        with naming_images(runner):
            runner.train()

    return run


def test_naming_images_when_a_step_refuses_its_data_adds_the_batch_in_order(
    train: Callable[..., Any],
) -> None:
    with pytest.raises(DataError) as caught:
        train(DataError("image 1 of the batch holds 7.", hint="fix it."))

    assert str(caught.value) == (
        "image 1 of the batch holds 7.\nwhere: images/2.png, images/3.png\nHINT: fix it."
    )


def test_naming_images_when_the_error_says_which_image_names_its_file_alone(
    train: Callable[..., Any],
) -> None:
    with pytest.raises(DataError) as caught:
        train(DataError("image 1 of the batch holds 7.", hint="fix it.", image=1))

    assert str(caught.value) == (
        "image 1 of the batch holds 7.\nwhere: images/3.png\nHINT: fix it."
    )


def test_naming_images_when_the_error_has_a_place_leaves_it(train: Callable[..., Any]) -> None:
    with pytest.raises(DataError) as caught:
        train(DataError("damaged.", path="a.png"))

    assert caught.value.where == "a.png"


def test_naming_images_when_something_else_is_wrong_lets_it_through(
    train: Callable[..., Any],
) -> None:
    with pytest.raises(ZeroDivisionError):
        train(ZeroDivisionError())
