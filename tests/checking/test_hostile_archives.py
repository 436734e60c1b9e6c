# SPDX-License-Identifier: Apache-2.0
"""Archives of others, unpacked or built for a check: none leaves its folder."""

from __future__ import annotations

import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from plugin_project import FILES

from zoo.checking.distributions.building import build_project
from zoo.checking.lookup import found_subject
from zoo.errors import PluginError

MANIFEST = FILES["zoo_ponds/zoo_plugin.toml"]
NAME = "mmzoo_ponds-1.2.3-py3-none-any.whl"
Entry = tuple[str | zipfile.ZipInfo, bytes]


def _info(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def _entries(*more: Entry) -> list[Entry]:
    return [("zoo_ponds/zoo_plugin.toml", MANIFEST.encode()), ("zoo_ponds/__init__.py", b""), *more]


def _write(path: Path, entries: list[Entry]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


ENTRIES: dict[str, tuple[list[Entry], str]] = {
    "a parent": (_entries(("../evil.py", b"x")), "escapes from the archive"),
    "a deep parent": (_entries(("zoo_ponds/../../evil.py", b"x")), "escapes from the archive"),
    "a parent of Windows": (_entries(("..\\evil.py", b"x")), "escapes from the archive"),
    "an absolute name": (_entries(("/tmp/evil.py", b"x")), "has an absolute name"),
    "a drive": (_entries(("C:\\evil.py", b"x")), "has an absolute name"),
    "a link": (_entries((_info("zoo_ponds/a", stat.S_IFLNK | 0o777), b"/etc")), "is a link"),
    "a pipe": (_entries((_info("zoo_ponds/a", stat.S_IFIFO | 0o600), b"")), "neither a file"),
    "a bomb": (_entries(("zoo_ponds/a", b"\0" * (70 * 2**20))), "unpacks from"),
    "a file as a folder": (_entries(("a", b"x"), ("a/b", b"y")), "is not a wheel"),
    "a long name": (_entries(("a" * 300, b"x")), "is not a wheel"),
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_wheel_with_a_hostile_entry_is_refused_and_unpacks_nothing_elsewhere(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths that leave the folder, links, devices and bombs; its own folder does not stay."""
    entries, told = ENTRIES[kind]
    wheel = _write(tmp_path / NAME, entries)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()

    with pytest.raises(PluginError, match=told) as caught, found_subject(str(wheel)):
        pass

    assert NAME in caught.value.message
    assert {path.name for path in tmp_path.rglob("*")} == {NAME, "tmp"}


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(data: bytes) -> bytes:
    at = data.index(b"zoo_plugin.toml") + 40
    return data[:at] + bytes(each ^ 0xFF for each in data[at : at + 8]) + data[at + 8 :]


@pytest.mark.parametrize("damage", [_cut, _flip, lambda _: b"", lambda _: b"PK\x05\x06"])
def test_damaged_wheel_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Cut, of other bytes, or empty."""
    wheel = _write(tmp_path / NAME, _entries())
    wheel.write_bytes(damage(wheel.read_bytes()))

    with pytest.raises(PluginError, match="cannot check"), found_subject(str(wheel)):
        pass


BACKEND = """
import io, tarfile, time, zipfile
from pathlib import Path

def build_sdist(folder, settings=None):
    {sdist}
    return "mmzoo_ponds-1.2.3.tar.gz"

def build_wheel(folder, settings=None, metadata=None):
    {wheel}
    return "mmzoo_ponds-1.2.3-py3-none-any.whl"
"""
SDIST = """
    with tarfile.open(Path(folder, "mmzoo_ponds-1.2.3.tar.gz"), "w:gz") as archive:
        for name in {names!r}:
            data = Path(Path(name).name).read_bytes() if "evil" not in name else b"x"
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
"""
NO_ZIP = "Path(folder, 'mmzoo_ponds-1.2.3-py3-none-any.whl').write_bytes(b'no zip')"
WHOLE = [f"mmzoo_ponds-1.2.3/{name}" for name in ("pyproject.toml", "backend.py", "PKG-INFO")]
INFO = "Metadata-Version: 2.1\nName: mmzoo-ponds\nVersion: 1.2.3\n"
PROJECT = """[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "mmzoo-ponds"
version = "1.2.3"
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sdist", "wheel", "told"),
    [
        (WHOLE, NO_ZIP, "damaged"),
        ([*WHOLE, "../../evil.py"], "pass", "the build failed"),
        (WHOLE, "time.sleep(300)", "it took more than"),
    ],
    ids=["no zip", "a parent", "a backend that waits"],
)
def test_build_of_a_hostile_backend_ends_with_one_message(
    tmp_path: Path, sdist: list[str], wheel: str, told: str
) -> None:
    """A backend is code of others: it leaves what it likes, or never ends."""
    pytest.importorskip("build.__main__")
    project, out = tmp_path / "a/b/ponds", tmp_path / "a/b/out"
    for folder in (project, out):
        folder.mkdir(parents=True)
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "PKG-INFO").write_text(INFO)
    (project / "backend.py").write_text(
        BACKEND.format(sdist=SDIST.format(names=sdist).strip(), wheel=wheel)
    )
    started_s = time.monotonic()

    with pytest.raises(PluginError, match=told) as caught:
        build_project(project, out, is_isolated=False, timeout_s=8 if "sleep" in wheel else 120)

    assert "Traceback" not in str(caught.value.hint)
    assert time.monotonic() - started_s < 100
    assert not list(tmp_path.rglob("evil.py"))
