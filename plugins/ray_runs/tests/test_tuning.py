# SPDX-License-Identifier: Apache-2.0
"""Errors around a trial on Ray Tune keep their message; Ray is imported and not started."""

import importlib.util
import types
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import DataError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]


def _order(work_dir: Path) -> Any:
    from zoo_ray_runs.trial import TrialOrder

    return TrialOrder(
        name=work_dir.name,
        work_dir=work_dir,
        words=("train", "no_config"),
        metric=None,
        cwd=work_dir.parent.parent,
        threads=1,
    )


def test_trial_that_cannot_be_started_fails_with_its_reason(tmp_path: Path) -> None:
    """Ray would start it four times, and say that its worker was lost."""
    from zoo_ray_runs.trial import ORDER, Trial

    (tmp_path / "trials").write_text("a file where the folder should be")

    trial = Trial({ORDER: _order(tmp_path / "trials/trial_001")})
    said = trial.step()

    assert (said["state"], said["done"], said["is_of_all"]) == ("failed", True, False)
    assert "it cannot be started" in said["error"]
    assert "trials" in said["error"]


def test_error_of_who_is_told_ends_all_and_is_kept(tmp_path: Path) -> None:
    """Tune would say that a callback has failed, and go on or end without the reason."""
    from zoo_ray_runs.trial import ORDER
    from zoo_ray_runs.tuning import Teller

    fault, names = DataError("cannot write 'sweep.json': No space left on device."), []

    def told(name: str, said: dict[str, Any]) -> bool:
        names.append(name)
        raise fault

    teller = Teller(told)
    for name in ("trial_001", "trial_002"):
        trial = types.SimpleNamespace(config={ORDER: _order(tmp_path / "trials" / name)})
        teller.on_trial_result(1, [], trial, {"score": 1.0})

    assert teller.fault is fault
    assert teller.stop_all()
    assert names == ["trial_001"]
