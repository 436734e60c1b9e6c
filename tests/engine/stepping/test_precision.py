# SPDX-License-Identifier: Apache-2.0
"""Mixed precision on CPUs: found in what Linux says, built by mmengine, refused elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo.engine.stepping import precision
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("processor : 0\nflags\t\t: fpu avx512f avx512_bf16 rdpid\n", True),
        ("flags : fpu amx_bf16 amx_tile\n\nflags : amx_bf16\n", True),
        ("flags : fpu amx_bf16\n\nflags : fpu\n", False),  # a machine of two kinds of CPU
        ("Features\t: fp asimd i8mm bf16 dgh\n", True),
        ("flags : fpu avx512f avx512_vnni\nmodel name : avx512_bf16\n", False),
        ("flags : fpu my_bf16\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_what_every_cpu_lists(tmp_path: Path, text: str, found: bool) -> None:
    """As in /proc/cpuinfo of Intel, AMD and ARM."""
    path = tmp_path / "cpuinfo"
    path.write_text(text)

    assert precision.has_bfloat16(path) is found


def test_bfloat16_without_cpu_info_is_none(tmp_path: Path) -> None:
    """Other systems have no such file."""
    assert not precision.has_bfloat16(tmp_path / "none")


def config(**wrapper: Any) -> Any:
    """Return a config with an optimizer wrapper."""
    from mmengine.config import Config

    return Config({"optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}, **wrapper}})


def test_amp_on_a_cpu_trains_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products are bfloat16, weights and their gradients stay float32, and no loss is scaled."""
    import torch
    from mmengine.optim import build_optim_wrapper

    monkeypatch.setattr("mmengine.device.get_device", lambda: "cpu")
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    given, model = config(), torch.nn.Linear(4, 1)
    precision.turn_on_amp(given)

    with precision.allowing_mixed_precision():
        wrapper = build_optim_wrapper(model, given.optim_wrapper)
    with wrapper.optim_context(model):
        out = model(torch.ones(2, 4))
        wrapper.update_params(out.float().sum())

    assert type(wrapper).__name__ == "AmpOptimWrapper"
    assert out.dtype is torch.bfloat16
    assert model.weight.dtype is torch.float32
    assert wrapper.state_dict()["loss_scaler"] == {}
    wrapper.load_state_dict(wrapper.state_dict())


def test_wrapper_on_a_cpu_without_bfloat16_stays_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """mmengine's own assertion: emulated, it would be slower than float32."""
    import torch
    from mmengine.optim import build_optim_wrapper

    monkeypatch.setattr("mmengine.device.get_device", lambda: "cpu")
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    given = config(type="AmpOptimWrapper")

    with precision.allowing_mixed_precision(), pytest.raises(AssertionError):
        build_optim_wrapper(torch.nn.Linear(4, 1), given.optim_wrapper)
    with pytest.raises(ConfigError, match="computes with bfloat16"):
        precision.turn_on_amp(config())


def test_run_that_scales_its_losses_goes_on_from_one_that_scaled_none(
    toy_runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU after a CPU: it begins with a new scaler; torch refuses the empty state."""
    import torch
    from mmengine.optim.optimizer import amp_optimizer_wrapper

    from zoo.engine.resuming.safe_loading import safe_loading
    from zoo.engine.resuming.safe_saving import safe_saving

    monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)
    monkeypatch.setattr(amp_optimizer_wrapper, "GradScaler", torch.amp.GradScaler)
    wrapper = {"type": "AmpOptimWrapper", "dtype": "bfloat16"}
    wrapper |= {"optimizer": {"type": "SGD", "lr": 0.01}}
    first, then = ({"device": "cpu", "enabled": is_on} for is_on in (False, True))

    with safe_loading(), safe_saving():
        toy_runner("run", by_epoch=False, optim_wrapper={**wrapper, "loss_scale": first}).train()
        start = {"load_from": str(tmp_path / "run" / "iter_4.pth"), "resume": True}
        runner = toy_runner(
            "then", by_epoch=False, optim_wrapper={**wrapper, "loss_scale": then}, **start
        )
        runner.train()

    assert runner.iter == 8
    assert runner.optim_wrapper.loss_scaler.get_scale() > 1
