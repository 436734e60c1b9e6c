# SPDX-License-Identifier: Apache-2.0
"""VGG-16 as Keras writes it, against Keras' network written down by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.mm
torch = pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")

from zoo.errors import CheckpointError  # noqa: E402

BLOCKS = ((4, 4), (8, 8), (16, 16, 16), (32, 32, 32), (32, 32, 32))
# The two ways of keras.applications' files; TensorFlow names its variables with ":0".
OLD = ("{layer}/{layer}_W_1:0", "{layer}/{layer}_b_1:0")
NEW = ("{layer}/{layer}/kernel:0", "{layer}/{layer}/bias:0")
MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)
Layers = dict[str, tuple[np.ndarray, np.ndarray]]


def _layers() -> Layers:
    """Return kernels (H, W, in, out) and biases, for images of hundreds of grey levels."""
    generator = np.random.default_rng(0)
    found: Layers = {}
    before = 3
    for block, widths in enumerate(BLOCKS, 1):
        for number, width in enumerate(widths, 1):
            scale = (2 / (9 * before)) ** 0.5 * (1 if found else 0.02)
            kernel = scale * generator.normal(size=(3, 3, before, width))
            bias = 0.1 * generator.normal(size=width)
            found[f"block{block}_conv{number}"] = (
                kernel.astype(np.float32),
                bias.astype(np.float32),
            )
            before = width
    return found


def _write(path: Path, layers: Layers, names: tuple[str, str] = NEW, root: str = "") -> Path:
    with h5py.File(path, "w") as file:
        for layer, values in layers.items():
            for name, value in zip(names, values, strict=True):
                file[root + name.format(layer=layer)] = value
        file.create_group(f"{root}block1_pool")
        file[f"{root}fc1/fc1/kernel:0"] = np.zeros((2, 2), np.float32)
    return path


def _load(path: Path, **settings: Any) -> Any:
    from zoo_vgg_unet.vgg import VGG16Encoder

    init_cfg = {"type": "Pretrained", "checkpoint": str(path)}
    encoder = VGG16Encoder(base_channels=4, init_cfg=init_cfg, **settings)
    encoder.init_weights()
    return encoder.eval()


def _forward(layers: Layers, image_bgr: np.ndarray) -> list[Any]:
    """Return the maps before each pooling as Keras computes them: BGR, less the mean."""
    call = torch.nn.functional
    x = torch.from_numpy(image_bgr - MEAN_BGR).permute(2, 0, 1)[None]
    maps = []
    for block, widths in enumerate(BLOCKS, 1):
        x = call.max_pool2d(x, 2) if maps else x
        for number in range(1, len(widths) + 1):
            kernel, bias = map(torch.from_numpy, layers[f"block{block}_conv{number}"])
            x = call.conv2d(x, kernel.permute(3, 2, 0, 1), bias, padding=1).relu()
        maps.append(x)
    return maps


def _preprocess(image_bgr: np.ndarray) -> Any:
    """Return the image as mmseg's data_preprocessor hands it on with ImageNet's mean and std."""
    rgb = image_bgr[..., ::-1]
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    return torch.from_numpy(((rgb - mean) / std).astype(np.float32)).permute(2, 0, 1)[None]


@pytest.mark.parametrize(("names", "root"), [(OLD, ""), (NEW, ""), (NEW, "model_weights/")])
def test_keras_weights_when_loaded_give_what_keras_gives(
    tmp_path: Path, names: tuple[str, str], root: str
) -> None:
    """The usual preprocessing serves; only the mean at the padded border differs slightly."""
    layers = _layers()
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.float32)

    found = _load(_write(tmp_path / "vgg.h5", layers, names, root))(_preprocess(image))

    expected = _forward(layers, image)
    # Within block 1, two pixels from the border nothing of the padding is seen.
    torch.testing.assert_close(
        found[0][..., 2:-2, 2:-2], expected[0][..., 2:-2, 2:-2], atol=1e-4, rtol=1e-4
    )
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() < 0.02 * other.abs().max()


def test_keras_weights_of_fewer_blocks_leave_the_deeper_out(tmp_path: Path) -> None:
    layers = _layers()

    encoder = _load(_write(tmp_path / "vgg.h5", layers), num_blocks=4)

    kernel = torch.from_numpy(layers["block4_conv3"][0]).permute(3, 2, 0, 1)
    assert torch.equal(encoder.features[21].weight, kernel)


def test_keras_weights_beside_an_optimizer_are_those_of_the_model(tmp_path: Path) -> None:
    """Keras' whole model keeps the optimizer's moments under the layers' names, and last."""
    layers = _layers()
    path = _write(tmp_path / "vgg.h5", layers, root="model_weights/")
    with h5py.File(path, "a") as file:
        for layer, (kernel, bias) in layers.items():
            file[f"optimizer_weights/Adam/{layer}/kernel/m:0"] = np.zeros_like(kernel)
            file[f"optimizer_weights/Adam/{layer}/bias/m:0"] = np.zeros_like(bias)

    whole = _load(path).state_dict()

    expected = _load(_write(tmp_path / "weights.h5", layers)).state_dict()
    assert all(torch.equal(whole[name], value) for name, value in expected.items())


def test_keras_file_with_damaged_bytes_is_read_or_refused(tmp_path: Path) -> None:
    """Whatever is wrong within the file, the error names it; nothing else is raised."""
    from zoo_vgg_unet.pretrained import load_vgg16
    from zoo_vgg_unet.vgg import VGG16Encoder

    encoder = VGG16Encoder(base_channels=4)
    whole = _write(tmp_path / "whole.h5", _layers()).read_bytes()
    generator = np.random.default_rng(0)
    refusals: list[str] = []

    for _ in range(150):
        data = np.frombuffer(whole, np.uint8).copy()
        data[generator.integers(0, len(data), 20)] = generator.integers(0, 256, 20)
        (tmp_path / "vgg.h5").write_bytes(data.tobytes())
        try:
            load_vgg16(encoder, tmp_path / "vgg.h5")
        except CheckpointError as error:
            refusals.append(str(error))

    assert len(refusals) > 10
    assert all("'vgg.h5'" in one or "vgg.h5\n" in one for one in refusals)


def test_keras_weights_of_vgg19_are_refused(tmp_path: Path) -> None:
    layers = _layers()
    layers["block3_conv4"] = layers["block3_conv3"]

    with pytest.raises(CheckpointError, match=r"unexpected: block3_conv4\.\w+; block3_conv4"):
        _load(_write(tmp_path / "vgg.h5", layers))


def test_keras_weights_for_an_encoder_with_batch_norm_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        _load(_write(tmp_path / "vgg.h5", _layers()), norm_cfg={"type": "BN"})

    assert "missing: features.1.weight; features.1.bias" in str(caught.value)
    assert "use those of vgg16_bn, or set norm_cfg=None in the encoder" in str(caught.value)


def test_keras_file_of_another_network_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["conv1/kernel:0"] = np.zeros(3)

    with pytest.raises(CheckpointError, match="has no layers named block1_conv1"):
        _load(tmp_path / "x.h5")
