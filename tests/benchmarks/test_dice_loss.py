# SPDX-License-Identifier: Apache-2.0
"""That the Dice benchmark compares equal things, and how it works out its ratios."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

pytestmark = pytest.mark.mm

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "dice_loss.py"


@pytest.fixture
def script() -> dict[str, Any]:
    return runpy.run_path(str(_SCRIPT))


def plain_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return the loss that ours and MONAI's are set to, from whole one-hot tensors."""
    one_hot = torch.nn.functional.one_hot(target).movedim(-1, 1)
    chances = logits.softmax(1)
    total = (chances + one_hot).sum((0, 2, 3))
    return (1 - (2 * (chances * one_hot).sum((0, 2, 3)) + 1) / (total + 1)).mean()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", [(2, 2, 8, 8), (2, 5, 8, 8)])
def test_loss_of_monai_is_set_to_our_formula(
    script: dict[str, Any], shape: tuple[int, ...]
) -> None:
    """Otherwise the one could be the faster by doing less."""
    pytest.importorskip("monai.losses")
    logits, target = script["make_batch"](shape)

    monai = script["load_loss"]("monai", None)(logits, target)

    expected = plain_dice(logits, target)
    assert float(expected.detach()) == pytest.approx(float(monai.detach()), abs=1e-6)


@pytest.mark.parametrize("shape", [(2, 2, 8, 8), (2, 5, 8, 8)])
def test_gradient_error_of_autograd_in_float32_is_rounding(
    script: dict[str, Any], shape: tuple[int, ...]
) -> None:
    logits, target = script["make_batch"](shape)

    error = script["gradient_error"](plain_dice, logits, target)

    assert 0 < error < 1e-6


def test_gradient_error_of_a_wrong_gradient_is_large(script: dict[str, Any]) -> None:
    logits, target = script["make_batch"]((2, 2, 8, 8))

    error = script["gradient_error"](lambda x, _: 1e-3 * x.sum(), logits, target)

    assert error > 1e-3


def test_peak_bytes_of_a_known_allocation_is_its_size() -> None:
    """A gradient of 32 MiB, and what was kept for it, as large.

    In a process of its own, as the benchmark has it: in this one, earlier tests freed memory that
    such tensors fit into.
    """
    measure = (
        "import runpy, sys\n"
        "script = runpy.run_path(sys.argv[1])\n"
        "logits, target = script['make_batch']((1, 2, 2048, 2048))\n"
        "print(script['peak_bytes'](lambda x, _: x.exp().sum(), logits, target))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", measure, str(_SCRIPT)], check=True, stdout=subprocess.PIPE, text=True
    )

    assert 60 * 2**20 < int(done.stdout) < 70 * 2**20


def test_table_compares_with_best_peer_of_the_same_group(script: dict[str, Any]) -> None:
    """Not with itself, and not with other shapes or numbers of threads."""
    rows = [
        {"shape": shape, "threads": 1, "loss": loss, "wall_s": s, "cpu_s": s, "peak_bytes": peak}
        for shape, loss, s, peak in [
            ("a", "monai", 0.004, 2**20),
            ("a", "smp", 0.002, 4 * 2**20),
            ("a", "zoo", 0.001, 2**19),
            ("b", "monai", 0.1, 2**22),
            ("b", "zoo", 0.2, 2**22),
        ]
    ]

    lines = script["as_table"](rows).splitlines()

    assert "| a | 1 | zoo | 1.0 | 1.0 | 0.5 | 0.50 | 0.50 |" in lines
    assert "| a | 1 | monai | 4.0 | 4.0 | 1.0 | 2.00 | 1.00 |" in lines
    assert "| b | 1 | zoo | 200.0 | 200.0 | 4.0 | 2.00 | 1.00 |" in lines
