# SPDX-License-Identifier: Apache-2.0
"""The finder of mmcv._ext: there when needed, out of the way when not."""

from __future__ import annotations

import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from zoo import _extension


def _run(code: str, *, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _count_finders() -> int:
    return sum(isinstance(finder, _extension.StandInFinder) for finder in sys.meta_path)


def test_install_when_called_again_adds_nothing() -> None:
    """Importing zoo installed the finder; there is never a second one."""
    _extension.install()

    assert _count_finders() == 1


def test_find_spec_when_asked_for_another_module_returns_none() -> None:
    """The finder answers for one name."""
    finder = _extension.StandInFinder()

    assert [finder.find_spec(name, None) for name in ("mmcv", "mmcv.ops", "_ext")] == [None] * 3


def test_find_ops_source_when_mmcv_is_missing_returns_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mmcv, no ops: for `zoo doctor` on a machine without the [mm] extra."""
    monkeypatch.setattr(_extension, "find_spec", lambda name: None)

    assert _extension.find_ops_source() is None


def test_compiled_mmcv_when_installed_is_used(tmp_path: Path) -> None:
    """A real mmcv._ext on the path wins, although the finder is there."""
    package = tmp_path / "mmcv"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "_ext.py").write_text("nms = 'compiled'\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from zoo import _extension\n"
        "import mmcv._ext\n"
        "print(mmcv._ext.nms, _extension.find_ops_source())"
    )

    assert _run(code, cwd=tmp_path) == f"compiled {package / '_ext.py'}"


@pytest.mark.mm
class TestStandIn:
    """mmcv-lite with zoo's kernels."""

    def test_find_loader_when_asked_as_mmengine_does_is_not_none(self) -> None:
        """mmengine and mmcv ask pkgutil whether ops exist."""
        if sys.version_info < (3, 12):
            assert pkgutil.find_loader("mmcv._ext") is not None
        spec = importlib.util.find_spec("mmcv._ext")

        assert spec is not None
        assert (spec.name, spec.origin) == ("mmcv._ext", "zoo.ops")
        assert _extension.find_ops_source() == "zoo.ops"

    def test_import_when_only_zoo_came_first_registers_both_stacks(self, tmp_path: Path) -> None:
        """Importing mmdet and mmseg registers everything, and mmcv says where its ops are from."""
        code = (
            "import zoo, mmdet.models, mmseg.models, mmcv.ops\n"
            "from mmengine.registry import MODELS\n"
            "import mmdet.registry, mmseg.registry\n"
            "print('MaskRCNN' in mmdet.registry.MODELS, 'EncoderDecoder' in mmseg.registry.MODELS,"
            " 'DCNv2' in MODELS, mmcv.ops.get_compiler_version())"
        )

        assert _run(code, cwd=tmp_path) == "True True True none (zoo.ops)"

    def test_spawn_when_main_is_no_file_carries_the_finder(self, tmp_path: Path) -> None:
        """A process spawned from `python -c` can unpickle what imports mmcv's kernels."""
        package = tmp_path / "mmcv"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "transform.py").write_text("import mmcv._ext\ndef apply(): return 'applied'\n")
        code = (
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
            "import zoo\n"
            "from multiprocessing import get_context\n"
            "from mmcv.transform import apply\n"
            "with get_context('spawn').Pool(1) as pool:\n"
            "    print(pool.apply(apply))"
        )

        assert _run(code, cwd=tmp_path) == "applied"
