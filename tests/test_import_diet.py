# SPDX-License-Identifier: Apache-2.0
"""What a listing imports, seen from a process of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

HEAVY = {
    *("torch", "mmengine", "mmcv", "mmseg", "mmdet", "numpy", "cv2", "pydantic", "yaml", "rich"),
    *("requests", "platformdirs", "filelock", "packaging", "multiprocessing", "email", "asyncio"),
    "cryptography",
}
ROOT = Path(__file__).resolve().parent.parent


def imported_by(code: str) -> set[str]:
    """Run code in a new interpreter and return the top-level modules that it left imported."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    return set(run.stderr.splitlines()[-1].split())


def run_cli(*arguments: str) -> str:
    return (
        f"import sys; sys.argv = ['zoo', *{arguments!r}]\n"
        "from zoo.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("list", "--legacy"),
        ("config", "list"),
        ("data", "list"),
        ("--help",),
    ],
    ids=" ".join,
)
def test_listing_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert imported_by(run_cli(*arguments)) & HEAVY == set()


def test_plugin_list_imports_what_compares_versions_and_nothing_heavier() -> None:
    """It marks plugins whose requirements are not met, which metadata (`email`) tells."""
    assert imported_by(run_cli("plugin", "list")) & HEAVY <= {"packaging", "email"}


def test_import_of_zoo_brings_the_standard_library_alone() -> None:
    before = imported_by("pass")
    found = imported_by("import zoo") - before - {"zoo"}

    assert {name for name in found if name not in sys.stdlib_module_names} == set()


def test_import_of_the_catalog_brings_no_network_and_no_metadata() -> None:
    """importlib.metadata takes 30 ms to import, a fifth of what ``zoo list`` may take."""
    code = "from zoo.catalog import read_catalog; read_catalog(); import sys\n"
    code += "assert 'importlib.metadata' not in sys.modules"

    assert imported_by(code) & {"socket", "http", "ssl"} == set()


def test_names_that_zoo_exports_are_imported_when_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a reading of an earlier start, the catalog needs a reader of TOML."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert "tomllib" not in imported_by("import zoo")
    assert "tomllib" in imported_by("import zoo; zoo.read_catalog()")


def test_catalog_of_manifests_that_were_read_before_needs_no_reader_of_toml() -> None:
    """The second start finds what the first one read."""
    imported_by(run_cli("list"))

    assert "tomllib" not in imported_by("import zoo; zoo.read_catalog()")


@pytest.mark.mm
@pytest.mark.slow
@pytest.mark.skipif(
    any(distributions(name="onedl-mmengine")), reason="of those sources everything is imported"
)
def test_predicting_imports_the_modules_of_its_network_alone(tmp_path: Path) -> None:
    """And the labels are those of a process that has imported all of OpenMMLab."""
    model = _publish_untrained(tmp_path / "tiny.safetensors")
    image = _write_noise(tmp_path / "noise.png")
    light, full = (
        run_cli("predict", str(model), str(image), "--out", str(tmp_path / name), "--device", "cpu")
        for name in ("light", "full")
    )

    found = imported_by(
        f"{light}\nimport sys\n"
        "assert 'mmseg.models.backbones.unet' in sys.modules\n"
        "assert 'torch.distributed.tensor' not in sys.modules"
    )
    imported_by(f"import zoo, mmseg.models, mmseg.datasets, mmdet.models\n{full}")

    assert found & {"mmdet", "matplotlib", "sympy", "pycocotools", "onnx", "pandas"} == set()
    names = {path.name for path in (tmp_path / "light").iterdir()}
    assert {"noise_label.png", "noise_overlay.png", "predictions.json"} <= names
    for name in names:
        expected = (tmp_path / "full" / name).read_bytes()
        assert expected == (tmp_path / "light" / name).read_bytes(), name


def _publish_untrained(path: Path) -> Path:
    """Write mmseg's U-Net of one stage less with random weights, as published."""
    import torch
    from mmengine.registry import MODELS, init_default_scope

    from zoo.engine.checkpoints.published import write_published
    from zoo.engine.records.record import ModelRecord

    backbone = {"type": "UNet", "base_channels": 4, "num_stages": 2, "strides": (1, 1)}
    backbone |= {"enc_num_convs": (1, 1), "dec_num_convs": (1,), "downsamples": (True,)}
    backbone |= {"enc_dilations": (1, 1), "dec_dilations": (1,)}
    head = {"type": "FCNHead", "in_channels": 4, "channels": 4, "num_convs": 1, "num_classes": 2}
    model = {
        "type": "EncoderDecoder",
        "data_preprocessor": {"type": "SegDataPreProcessor", "size": (32, 32)},
        "backbone": backbone,
        "decode_head": {**head, "in_index": 1, "norm_cfg": {"type": "BN"}},
        "test_cfg": {"mode": "whole"},
    }
    init_default_scope("mmseg")
    torch.manual_seed(0)
    built = MODELS.build(model)
    record = ModelRecord(
        name="tiny",
        task="semantic",
        scope="mmseg",
        model=model,
        pipeline=[{"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}],
        classes=("dark", "bright"),
        palette=((0, 0, 0), (255, 0, 0)),
        labels="true",
        licence="Apache-2.0",
        data_licence="CC0-1.0",
        trained_with="tiny",
        parameters=sum(each.numel() for each in built.parameters()),
        metrics=(),
        provenance={},
    )
    return write_published(path, built.state_dict(), record)


def _write_noise(path: Path) -> Path:
    import cv2
    import numpy as np

    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    return path
