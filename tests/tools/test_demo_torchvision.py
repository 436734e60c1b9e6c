# SPDX-License-Identifier: Apache-2.0
"""The demonstration of torchvision's Mask R-CNN: found, pinned, converted, fine-tuned on tanks."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow, pytest.mark.release]

ROOT = Path(__file__).resolve().parents[2]


def test_random_weights_go_all_the_way_from_a_server_to_a_head_for_tanks(tmp_path: Path) -> None:
    """Both digests are pinned, the body is what was served, and the heads are new."""
    import torch
    from safetensors import safe_open

    out = tmp_path / "demo"
    command = [sys.executable, str(ROOT / "tools" / "demo_torchvision.py"), "--out", str(out)]

    done = subprocess.run(
        [*command, "--steps", "1", "--size", "64"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )

    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    (pin,) = json.loads((out / "zoo.lock").read_text("utf-8"))["weights"]
    (source,) = (out / "mirror").iterdir()
    assert hashlib.sha256(source.read_bytes()).hexdigest() == pin["source_sha256"]
    assert pin["source_sha256"][:8] in source.name
    assert pin["converter"] == "torchvision_weights.mask_rcnn_v2"
    adopted = out / "cache" / "weights" / pin["sha256"] / "mask_rcnn_random.safetensors"
    with safe_open(adopted, "pt") as file:
        assert file.get_tensor("roi_head.bbox_head.fc_cls.weight").shape == (91, 1024)
    tensors = torch.load(source, weights_only=True)
    trained = torch.load(out / "run" / "epoch_1.pth", weights_only=False)["state_dict"]
    # The stem is frozen; the layers of the classes are new, and for one class.
    assert torch.equal(tensors["backbone.body.conv1.weight"], trained["backbone.conv1.weight"])
    assert trained["roi_head.bbox_head.fc_cls.weight"].shape == (2, 1024)
    assert trained["roi_head.mask_head.conv_logits.weight"].shape == (1, 256, 1, 1)
    assert all(one.isfinite().all() for one in trained.values())
    for folder, classes in (("before", 80), ("after", 1)):
        found = json.loads((out / folder / "predictions.json").read_text("utf-8"))
        assert len(found["classes"]) == classes
