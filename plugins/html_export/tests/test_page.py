# SPDX-License-Identifier: Apache-2.0
"""The page as a file: what it holds, what its policy allows, and what is refused."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from zoo_html_export.browser_runtime import BrowserRuntime, read_package
from zoo_html_export.errors import PageError
from zoo_html_export.exporter import export
from zoo_html_export.page_file import make_page

import zoo
from zoo.errors import DownloadError, HashMismatchError
from zoo.interfaces import ExportOptions

ROOT = Path(__file__).resolve().parents[3]
RUNTIME = BrowserRuntime("const ort={};\n", b"\0asm binary")
RECORD = {
    "name": "unet </script><b>",
    "task": "semantic",
    "classes": ["background", "</script><script>alert(1)</script>", "<!--"],
    "palette": [[0, 0, 0], [1, 2, 3], [4, 5, 6]],
    "licence": {"weights": "CC0-1.0", "data": "CC-BY-4.0", "non_commercial": True},
    "notice": "Not a medical device.",
    "postprocess": None,
    "weights_sha256": "ab" * 32,
    "made_with": {"zoo": "0.1.0"},
}
CERTIFICATE = {"labels_differ": 0.0, "passed": True, "graph_sha256": "cd" * 32}


class _Parts(HTMLParser):
    """The scripts of a page by id, its styles and its policy, as a browser takes them apart."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.policy = ""
        self._open: str | None = None
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""
        if tag in ("script", "style", "title"):
            self._open = values.get("id") or tag
            assert self._open not in self.texts
            self.texts[self._open] = ""

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.texts[self._open] += data


def _unpacked(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text, validate=True))


def test_page_holds_the_file_byte_for_byte_and_says_what_it_is() -> None:
    """Names that look like HTML stay names."""
    parts = _Parts(make_page(RECORD, CERTIFICATE, b"the model", RUNTIME))
    told = json.loads(parts.texts["model-record"])
    facts = dict(told["facts"])

    assert _unpacked(parts.texts["packed-model"]) == b"the model"
    assert _unpacked(parts.texts["packed-binary"]) == RUNTIME.binary
    assert _unpacked(parts.texts["packed-worker"]).decode().startswith(RUNTIME.library)
    assert parts.texts["title"] == RECORD["name"]
    assert (told["name"], told["classes"]) == (RECORD["name"], RECORD["classes"])
    assert facts["Licence of the weights"] == "CC0-1.0"
    assert facts["Use"] == "not commercial"
    assert facts["Notice"] == "Not a medical device."
    assert facts["Sha256 of the certified graph"] == "cd" * 32
    assert facts["Sha256 of the ONNX file"] == hashlib.sha256(b"the model").hexdigest()
    assert "Copyright (c) Microsoft Corporation" in told["software"]
    assert "The above copyright notice and this permission notice" in told["software"]


def test_policy_allows_the_pages_own_script_and_style_and_no_request() -> None:
    """Nothing is loaded from anywhere; equal models give equal pages."""
    page = make_page(RECORD, CERTIFICATE, b"the model", RUNTIME)
    parts = _Parts(page)
    rules = dict(rule.strip().split(" ", 1) for rule in parts.policy.split(";"))

    for name, rule in (("script", "script-src"), ("style", "style-src")):
        digest = base64.b64encode(hashlib.sha256(parts.texts[name].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules[rule]
    assert rules["default-src"] == "'none'"
    assert rules.keys() & {"connect-src", "frame-src", "font-src", "object-src"} == set()
    assert "'unsafe-inline'" not in parts.policy
    assert "'unsafe-eval'" not in parts.policy
    assert re.findall(rb"https?://", page) == []
    assert make_page(RECORD, CERTIFICATE, b"the model", RUNTIME) == page


def test_page_takes_what_other_writers_of_the_format_leave_out() -> None:
    """Or state in another form: these rows are missing then."""
    record = {**RECORD, "made_with": ["zoo"], "notice": "half a character: \ud800"}
    certificate = {**CERTIFICATE, "data": "some images", "metric": None}

    parts = _Parts(make_page(record, certificate, b"the model", RUNTIME))

    facts = dict(json.loads(parts.texts["model-record"])["facts"])
    assert facts["Notice"] == record["notice"]
    assert facts.keys() & {"Made with", "Compared with the original"} == set()


@pytest.mark.mm
def test_without_the_package_one_message_says_how_to_get_it(
    write_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written, and nothing is asked of the network."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))  # where no other test has put it
    model, out = zoo.load(str(write_model()), device="cpu"), tmp_path / "page.html"

    with pytest.raises(DownloadError, match="neither in the cache nor on a mirror") as refused:
        export(model, out, ExportOptions(name="toy"))

    assert "npm pack onnxruntime-web@" in str(refused.value.hint)
    assert "--runtime" in str(refused.value.hint)
    assert not out.exists()


@pytest.mark.mm
def test_another_package_is_refused_by_its_digest(
    write_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Whoever sends it."""
    model, other = zoo.load(str(write_model()), device="cpu"), tmp_path / "other.tgz"
    other.write_bytes(b"another package")

    with pytest.raises(HashMismatchError, match=r"cannot accept other\.tgz"):
        export(model, tmp_path / "page.html", ExportOptions(name="toy", runtime=str(other)))


@pytest.mark.mm
@pytest.mark.parametrize(
    ("others", "fault"),
    [
        ({"task": "instance"}, "its task is 'instance'"),
        ({"tiling": {"tile_px": 64, "overlap_px": 16}}, "windows"),
    ],
)
def test_what_a_page_would_do_otherwise_is_refused(
    others: dict[str, Any],
    fault: str,
    package: Path,
    write_model: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Instances, and windows."""
    model = zoo.load(str(write_model()), device="cpu")
    model.model.export.record.update(others)  # zoo predict refuses such files itself

    with pytest.raises(PageError, match=fault):
        export(model, tmp_path / "page.html", ExportOptions(name="toy", runtime=str(package)))


@pytest.mark.mm
def test_postprocessing_is_stated_by_class(
    package: Path, write_model: Callable[..., Path], tmp_path: Path
) -> None:
    """A record may say it in one number, of which the page's script knows nothing."""
    path, out = (
        write_model(postprocess={"keep_largest": 2, "fill_holes": True}),
        tmp_path / "p.html",
    )

    export(zoo.load(path, device="cpu"), out, ExportOptions(name="toy", runtime=str(package)))

    told = json.loads(_Parts(out.read_bytes()).texts["model-record"])["postprocess"]
    assert told == {"keep_largest": {"lung": 2, "heart": 2}, "fill_holes": ["lung", "heart"]}


@pytest.mark.parametrize(
    "names", [(), ("package/dist/ort.wasm.bundle.min.mjs",)], ids=["empty", "no exports"]
)
def test_package_of_another_shape_is_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    """As a newer version may be, which would be pinned by mistake."""
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as package:
        for name in names:
            package.addfile(tarfile.TarInfo(name), io.BytesIO())

    with pytest.raises(PageError, match=r"cannot use 'package\.tgz'"):
        read_package(path)


def test_shared_parts_are_those_of_the_service() -> None:
    """They are changed there and copied by the tool."""
    tool = ROOT / "tools" / "page_copies.py"

    done = subprocess.run(
        [sys.executable, tool, "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
