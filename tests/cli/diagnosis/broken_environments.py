# SPDX-License-Identifier: Apache-2.0
"""Environments made of stubs: packages of a few lines with what pip leaves beside them."""

from __future__ import annotations

import base64
import hashlib
import shutil
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def version_of(name: str) -> str:
    """Return the version of a stub: that of this environment, else that of the constraints."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        return next(line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))


# What zoo itself imports: module -> distribution.
BARE = {
    name.replace("-", "_"): name
    for name in (
        *("click", "cryptography", "packaging", "filelock", "platformdirs"),
        *("requests", "urllib3", "idna", "certifi", "charset-normalizer"),
    )
}
# What `zoo doctor` imports to see whether it works: module -> distribution and its code.
TORCH = """
__version__ = "{version}"
class version: cuda = None
class cuda:
    is_available = staticmethod(lambda: False)
get_num_threads = lambda: 2
"""
STACK = {
    "numpy": ("numpy", ""),
    "torch": ("torch", TORCH.format(version=version_of("torch"))),
    "cv2": ("opencv-python", ""),
    "mmengine": ("mmengine", ""),
    "mmcv": ("mmcv-lite", "import cv2\n"),
    "mmseg": ("mmsegmentation", ""),
    "mmdet": ("mmdet", ""),
    "pycocotools": ("pycocotools", ""),
    "pkg_resources": ("setuptools", ""),
    "safetensors": ("safetensors", ""),
    "matplotlib": ("matplotlib", ""),
    "PIL": ("pillow", ""),
    "simplejpeg": ("simplejpeg", ""),
    "tqdm": ("tqdm", ""),
}
# What `zoo doctor` names beside faults: extras whose packages these environments lack.
FEATURES = {"mmzoo[geo]", "mmzoo[onnx]", "mmzoo[openvino]", "mmzoo[serve]"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def write_dist_info(site: Path, name: str, release: str, *lines: str, files: str = "") -> Path:
    """Write what pip leaves of a distribution beside its package."""
    folder = site / f"{name.replace('-', '_')}-{release}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {release}"]
    (folder / "METADATA").write_text("\n".join([*head, *lines, ""]))
    (folder / "INSTALLER").write_text("pip\n")
    listed = [f"{folder.name}/{each}" for each in ("METADATA", "INSTALLER", "RECORD")]
    (folder / "RECORD").write_text("".join(f"{each},,\n" for each in (*files.split(), *listed)))
    return folder


def write_stub(site: Path, module: str, code: str = "") -> Path:
    """Write a package of one module."""
    folder = site / module
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").write_text(code)
    return folder


def write_site(site: Path, zoo: Path) -> Path:
    """Write a folder of packages in which `zoo doctor` finds no fault: zoo, and stubs."""
    site.mkdir(parents=True, exist_ok=True)
    for module, name in BARE.items():
        (site / module).symlink_to(Path(str(distribution(name).locate_file(""))) / module)
        write_dist_info(site, name, version_of(name))
    (site / "zoo").symlink_to(zoo)
    for module, (name, code) in STACK.items():
        write_stub(site, module, code)
        write_dist_info(site, name, version_of(name), files=f"{module}/__init__.py")
    (site / "mmcv" / "_ext.py").touch()
    lines = [f"Requires-Dist: {text}" for text in PROJECT["dependencies"]]
    for extra, texts in PROJECT["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {text}; extra == '{extra}'" for text in texts]
    write_dist_info(site, "mmzoo", PROJECT["version"], *lines)
    return site


def remove_dist_info(site: Path, name: str) -> None:
    """Remove what says that a distribution is installed."""
    for folder in site.glob(f"{name.replace('-', '_')}-*.dist-info"):
        shutil.rmtree(folder)


def write_wheel(
    folder: Path, name: str, release: str, files: dict[str, bytes], *lines: str
) -> Path:
    """Write a wheel that pip installs."""
    folder.mkdir(exist_ok=True)
    base = f"{name.replace('-', '_')}-{release}"
    head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {release}", *lines, ""]
    wheel = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    info = {"METADATA": "\n".join(head).encode(), "WHEEL": wheel.encode()}
    whole = files | {f"{base}.dist-info/{key}": data for key, data in info.items()}
    rows = [
        f"{key},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},"
        f"{len(data)}"
        for key, data in whole.items()
    ]
    record = f"{base}.dist-info/RECORD"
    path = folder / f"{base}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for key, data in whole.items():
            archive.writestr(key, data)
        archive.writestr(record, "\n".join([*rows, f"{record},,"]) + "\n")
    return path
