# SPDX-License-Identifier: Apache-2.0
"""The runtime alone: its wheel beside nothing but what it declares, and its copies of zoo."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.mm
pytest.importorskip("onnxruntime")

import numpy as np  # noqa: E402 (after the skip)
from zoo_runtime import Predictor  # noqa: E402

from zoo.data import encode_png  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "plugins" / "runtime"
# What the wheel declares, and what those declare in turn. OpenCV is here with windows.
_DISTRIBUTIONS = ("numpy", "onnxruntime", "opencv-python", "flatbuffers", "protobuf", "packaging")
_CODE = """if True:
    import json, sys
    sys.path[:0] = json.loads(sys.argv[1])
    import numpy
    from zoo_runtime.command import main
    code = main(sys.argv[2:])
    tops = sorted({name.partition(".")[0] for name in sys.modules})
    print(json.dumps({"code": code, "modules": tops}))
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Folders of an environment: the built wheel, unpacked, and links to what it declares."""
    folder = tmp_path_factory.mktemp("alone")
    source = folder / "source"  # setuptools leaves a build folder
    shutil.copytree(PROJECT, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "tests"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "wheel")
    site = folder / "site"
    site.mkdir()
    for name in _DISTRIBUTIONS:
        for file in importlib.metadata.files(name) or []:
            top = file.parts[0]
            if top != ".." and not (site / top).exists():
                place = Path(str(file.locate()))
                (site / top).symlink_to([place, *place.parents][len(file.parts) - 1])
    return [str(folder / "wheel"), str(site)]


def _run(alone: list[str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line of the runtime without site-packages, in an empty environment."""
    command = [sys.executable, "-I", "-S", "-c", _CODE, json.dumps(alone), *words]
    env = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_wheel_predicts_where_nothing_else_is(
    alone: list[str], semantic_file: Path, photo: NDArray[Any], tmp_path: Path
) -> None:
    """Neither zoo nor torch, mmengine, Pillow or onnx can be imported, and none is needed."""
    (tmp_path / "photo.png").write_bytes(encode_png(photo))

    done = _run(alone, tmp_path, str(semantic_file), "photo.png", "--out", "found")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] == 0
    forbidden = {"zoo", "torch", "mmengine", "mmcv", "mmseg", "PIL", "onnx", "simplejpeg"}
    assert not forbidden & set(told["modules"])
    label = (tmp_path / "found" / "photo_label.png").read_bytes()
    assert encode_png(Predictor(semantic_file)(photo).labels) == label


@pytest.mark.slow
def test_import_of_the_package_is_cheap() -> None:
    """Names come on first use: `import zoo_runtime` brings the standard library alone."""
    code = "import sys, zoo_runtime; print(*{name.partition('.')[0] for name in sys.modules})"
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}

    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, check=True
    )

    assert not {"numpy", "cv2", "onnxruntime", "zoo"} & set(done.stdout.split())


@pytest.mark.slow
def test_copies_are_what_zoo_says_today() -> None:
    """A module is changed in zoo and copied again by the tool."""
    tool = ROOT / "tools" / "runtime_copies.py"

    done = subprocess.run(
        [sys.executable, tool, "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def _command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run(
        [sys.executable, "-m", "zoo_runtime", *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_command_when_an_image_is_bad_then_the_others_are_done(
    instance_file: Path, photo: NDArray[Any], tmp_path: Path
) -> None:
    """It is on stderr and in the JSON, and the exit code is 1."""
    (tmp_path / "good.png").write_bytes(encode_png(photo))
    (tmp_path / "bad.png").write_bytes(encode_png(photo)[:200])

    done = _command(tmp_path, str(instance_file), "bad.png", "good.png", "--out", "found")

    assert done.returncode == 1
    assert "failed: cannot decode 'bad.png'" in done.stderr
    document = json.loads((tmp_path / "found" / "predictions.json").read_text())
    assert [each["file"] for each in document["images"]] == ["good.png"]
    assert [each["file"] for each in document["failures"]] == ["bad.png"]
    assert [each["class"] for each in document["images"][0]["instances"]] == ["tank", "shed"]
    assert {"good_overlay.png", "predictions.json"} == {
        path.name for path in (tmp_path / "found").iterdir()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nothing.onnx", "a.png", "--out", "o"], 2, "cannot open 'nothing.onnx'"),
        (["MODEL", "a.png", "b/a.png", "--out", "o"], 1, "results of one name"),
        (["MODEL", "a.png", "--out", "o", "--threads", "0"], 2, "0 threads"),
        (["MODEL", "a.png"], 2, "--out"),
    ],
)
def test_command_when_wrong_then_says_so(
    semantic_file: Path, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    """One message on stderr, no traceback, and nothing written."""
    words = [str(semantic_file) if word == "MODEL" else word for word in words]

    done = _command(tmp_path, *words)

    assert code == done.returncode
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o").exists()


def test_threads_are_those_of_the_quota(
    semantic_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's quota bounds them, OMP_NUM_THREADS and an argument are obeyed."""
    from zoo_runtime import session
    from zoo_runtime.copied.cores import Cores

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(session, "find_cores", lambda: Cores(64, 64, 2.5))
    assert Predictor(semantic_file).threads == 2
    assert Predictor(semantic_file, threads=3).threads == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert Predictor(semantic_file).threads == 1
    assert np.array_equal(*(Predictor(semantic_file, threads=n)(_image()).labels for n in (1, 2)))


def _image() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (64, 48, 3), np.uint8)
