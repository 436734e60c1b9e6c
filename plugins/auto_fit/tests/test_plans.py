# SPDX-License-Identifier: Apache-2.0
"""Plans as zoo reads them, on the bases that they name."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from zoo_auto_fit.instance import plan_instance

from zoo.interfaces import Allowance, ClassFacts

from .conftest import CPU, facts

pytestmark = pytest.mark.mm

PLUGINS = "configs,folder_data,training_hooks,segmentation_transforms,efficientnet_lite,dice_loss,"
PLUGINS += "instance_metrics,segmentation_metrics,auto_fit,oil_storage"


@pytest.mark.usefixtures("checkout_plugins")
def test_weights_are_averaged_once(
    tmp_path: Path, run_zoo: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    """Two hooks that average would exchange each other's weights at every validation."""
    tanks = ClassFacts(name="tank", pixel_share=0.1, images=90, objects=200)
    data = facts(task="instance", classes=(tanks,), channels=3)
    plan = plan_instance(data, CPU, Allowance(seconds=1800.0))
    (tmp_path / "plan.py").write_text(plan.config)

    shown = run_zoo("config", "show", "plan.py", plugins=PLUGINS)

    assert shown.returncode == 0, shown.stderr
    (momentum,) = re.findall(r"momentum=([\d.]+),\s+type='EMAHook'", shown.stdout)
    assert float(momentum) > 0.005
    assert shown.stdout.count("'zoo.training_hooks.TimeBudget'") == 1
    assert shown.stdout.count("EMAHook") == 1
