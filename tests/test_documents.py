# SPDX-License-Identifier: Apache-2.0
"""The one reader of TOML and JSON: what it refuses, in what words, and that it always ends."""

from __future__ import annotations

import json
import os
import re
import time
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.documents import (
    DocumentError,
    Limits,
    parse_json,
    parse_toml,
    read_file,
    read_json,
    read_toml,
)

LIMITS = Limits()
DEEP = "it is nested too deeply, expected at most 32 levels"
LONG = "it holds an integer beyond 64 bits"
BAD_TOML = {
    "brackets": (b"a = " + b"[" * 2_000, DEEP),
    "inline tables": (b"a = " + b"{a = " * 2_000, DEEP),
    "one level too many": (b"a = " + b"[" * 32 + b"]" * 32, DEEP),
    "dotted key": (b"a." * 400_000 + b"a = 1", DEEP),
    "dotted quoted key": (b'"a".' * 40_000 + b"a = 1", DEEP),
    "dotted table": (b"[" + b"a . " * 200_000 + b"a]", DEEP),
    "400 digits": (b"a = " + b"9" * 400, LONG),
    "5,000 digits": (b"a = " + b"9" * 5_000, LONG),
    "a million digits": (b"a = " + b"9" * 1_000_000, LONG),
    "hex digits": (b"a = 0x" + b"f" * 100_000, LONG),
    "binary digits": (b"a = 0b" + b"1" * 100_000, LONG),
    "one beyond 64 bits": (b"a = 9223372036854775808", LONG),
    "infinity": (b"a = inf", "it holds the number inf, expected finite ones"),
    "infinity by its exponent": (b"a = [1e999]", "it holds the number inf"),
    "not a number": (b"a = nan", "it holds the number nan, expected finite ones"),
    "NUL": (b"a = 1\0", "it holds a NUL at byte 5, expected UTF-8 text"),
    "escaped NUL": (b'a = "\\u0000"', "it holds a NUL in the text '\\x00'"),
    "surrogate": (b'a = "\xed\xa0\x80"', "it is not UTF-8 text: byte 5 is 0xed"),
    "latin 1": (b"a = '\xe9'", "it is not UTF-8 text: byte 5 is 0xe9"),
    "UTF-16": ("a = 1".encode("utf-16"), "it is UTF-16 text, expected UTF-8"),
    "key twice": (b"a = 1\na = 2", "it is not valid TOML: Cannot overwrite a value"),
    "30 February": (b"a = 2020-02-30", "it is not valid TOML: Invalid date"),
    "too many values": (b"a = [" + b"1," * 200_001 + b"]", "it holds about 200,003 values"),
    "too many bytes": (b"#" * (2**20 + 1), "it has 1,048,577 bytes, expected at most 1,048,576"),
}
BAD_JSON = {
    "nothing": (b"", "it is not JSON: Expecting value (line 1, column 1)"),
    "brackets": (b"[" * 100_000, DEEP),
    "900 levels": (b"[" * 900 + b"]" * 900, DEEP),
    "objects": (b'{"a":' * 100_000, DEEP),
    "400 digits": (b"[" + b"9" * 400 + b"]", LONG),
    "5,000 digits": (b"[-" + b"9" * 5_000 + b"]", LONG),
    "infinity": (b'{"palette": [[Infinity, 0, 0]]}', "it holds the number inf"),
    "infinity by its exponent": (b"[-1e999]", "it holds the number -inf"),
    "not a number": (b"[NaN]", "it holds the number nan, expected finite ones"),
    "NUL": (b'["\0"]', "it holds a NUL at byte 2"),
    "NUL in a key": (b'{"\\u0000": 1}', "it holds a NUL in the text '\\x00'"),
    "key twice": (b'{"a": 1, "b": 2, "a": 1}', "it has the key 'a' twice in the same table"),
    "UTF-16": ("[1]".encode("utf-16"), "it is UTF-16 text, expected UTF-8"),
    "UTF-32": ("[1]".encode("utf-32-le"), "it holds a NUL at byte 1"),
    "bytes": (b"\x80\x81", "it is not UTF-8 text: byte 0 is 0x80"),
    "too many values": (b"[" + b"[]," * 100_001 + b"0]", "it holds about 200,003 values"),
}


@pytest.mark.parametrize("name", BAD_TOML)
def test_toml_that_is_bad_is_refused_within_two_seconds(name: str) -> None:
    """Each document is answered by its one sentence, with two seconds of CPU, whatever its size."""
    data, reason = BAD_TOML[name]
    began = time.thread_time()

    with pytest.raises(DocumentError) as raised:
        parse_toml(data, LIMITS)

    assert str(raised.value).startswith(reason)
    assert time.thread_time() - began < 2


@pytest.mark.parametrize("name", BAD_JSON)
def test_json_that_is_bad_is_refused_within_two_seconds(name: str) -> None:
    """Each document is answered by its one sentence, with two seconds of CPU, whatever its size."""
    data, reason = BAD_JSON[name]
    began = time.thread_time()

    with pytest.raises(DocumentError) as raised:
        parse_json(data, LIMITS)

    assert str(raised.value).startswith(reason)
    assert time.thread_time() - began < 2


@pytest.mark.parametrize("quote", ['\\"', "\\' ", " '", ' "', "a ", "a . "])
@pytest.mark.parametrize("begin", ['x = "', "x = 1  # "])
def test_a_text_that_looks_like_very_many_keys_costs_no_square_of_its_length(
    begin: str, quote: str
) -> None:
    """A megabyte of quotes, words or dots in a text or comment costs at most two seconds of CPU."""
    end = '"' if begin.endswith('"') else ""
    data = f"{begin}{quote * (2**20 // len(quote) - 10)}{end}".encode()
    began = time.thread_time()

    with suppress(DocumentError):
        parse_toml(data, LIMITS)

    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfa = 1",
        b"a = [9223372036854775807, -9223372036854775808]",
        b"a = " + b"[" * 31 + b"]" * 31,
        b'"a.b.c" = "x.y.z"  # 1.2.3.4.5.6.7',
        b"d = 2020-02-28\nt = 10:00:00\nx = [true, 0.5, 'e']",
    ],
)
def test_toml_that_holds_is_what_tomllib_reads(data: bytes) -> None:
    """Limits refuse; they never change what is read."""
    assert parse_toml(data, LIMITS) == tomllib.loads(data.decode("utf-8-sig"))


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0")),
    lambda parts: (
        st.lists(parts, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0")), parts, max_size=4)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_json_that_holds_is_what_was_written(value: Any) -> None:
    """A round trip through the standard library's writer changes nothing, surrogates included."""
    assert parse_json(json.dumps(value).encode(), LIMITS) == value


def test_json_when_it_may_hold_infinity_keeps_it() -> None:
    """Logs of runs hold values that are not finite."""
    assert parse_json(b"[1e999]", Limits(is_finite=False)) == [float("inf")]


def _make(kind: str, path: Path) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "sparse":
        with path.open("wb") as stream:
            stream.truncate(10 * 2**30)


@pytest.mark.parametrize(
    ("kind", "error", "reason"),
    [
        ("pipe", DocumentError, "it is a named pipe, expected a regular file"),
        ("folder", DocumentError, "it is a folder, expected a regular file"),
        ("device", DocumentError, "it is a device, expected a regular file"),
        ("sparse", DocumentError, "it has 10,737,418,240 bytes, expected at most 1,048,576"),
        ("loop", OSError, "Too many levels of symbolic links"),
        ("nothing", FileNotFoundError, "No such file or directory"),
    ],
)
@pytest.mark.parametrize("read", [read_toml, read_json])
def test_file_that_is_no_document_is_refused_unopened(
    tmp_path: Path, kind: str, error: type[Exception], reason: str, read: Any
) -> None:
    """Nothing is waited for, and nothing large is read."""
    path = tmp_path / "zoo.toml"
    _make(kind, path)

    with pytest.raises(error, match=reason):
        read(path, LIMITS)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 300, "x/" * 3_000])
def test_file_of_a_name_that_none_can_have_is_refused(tmp_path: Path, name: str) -> None:
    """Names out of documents reach this place, and not all of them can be files'."""
    with pytest.raises((OSError, DocumentError)):
        read_file(tmp_path / name, 10)


def test_file_of_the_most_bytes_is_read_whole(tmp_path: Path) -> None:
    """The limit itself is inside."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)

    assert read_file(path, 3_000_000) == b"x" * 3_000_000
    with pytest.raises(DocumentError, match="it has 3,000,000 bytes, expected at most 2,999,999"):
        read_file(path, 2_999_999)


# What reads a text that is bounded already, or that zoo itself has just written.
OWN_TEXTS = {
    "zoo/engine/publishing/plugin_texts.py",  # of an author's own plugin, whose comments stay
    "zoo/cli/diagnosis/probing.py",  # what zoo's own process has printed
    "zoo/cli/diagnosis/probe.py",  # what doctor itself asks of it
    "zoo/checking/source/upstream.py",  # package data of zoo
    "zoo/documents.py",
    "zoo/data/layout/plan.py",  # options, written and read back
    "zoo/engine/records/record.py",  # a text out of a header, see the next
    "zoo/engine/checkpoints/published.py",  # the header of a .safetensors, 8 MiB at most
    "zoo/engine/imports/type_modules.py",  # package data of zoo
    "zoo/engine/records/types.py",  # the same
    "zoo/weights/sources/rows_file.py",  # written by zoo, and its digest compared
    "zoo/catalog/readings/encoding.py",  # written by zoo, and its seal compared
    "zoo/engine/prediction_files/kept.py",  # rows of its own temporary file
    "zoo/engine/resuming/same_run.py",  # what zoo itself has just described
    "zoo/cli/plugged/absent.py",  # package data of zoo
    "plugins/auto_fit/zoo_auto_fit/fitting.py",  # what zoo's own process has printed
    "plugins/auto_fit/zoo_auto_fit/probe.py",  # the same, in a file
    "plugins/training_hooks/zoo_training_hooks/lr_command.py",  # what its own hook has written
    # the first line of a file of its own cache, 64 MiB at most
    "plugins/segmentation_transforms/zoo_segmentation_transforms/array_files.py",
    "plugins/onnx_export/zoo_onnx_export/runner.py",  # what zoo itself has just described
    "plugins/service/zoo_service/messages.py",  # what its own processes have sent
    "plugins/runtime/zoo_runtime/copied/documents.py",  # a copy of zoo/documents.py
    "plugins/instance_metrics/zoo_instance_metrics/truth.py",  # what read_coco has just read
}


def test_nothing_else_parses_documents() -> None:
    """A parser called elsewhere would have no limits."""
    root = Path(__file__).resolve().parent.parent
    files = [*(root / "zoo").rglob("*.py"), *(root / "plugins").glob("*/zoo_*/**/*.py")]
    found = {
        path.relative_to(root).as_posix()
        for path in files
        if re.search(r"\b(json|tomllib)\.loads?\(", path.read_text("utf-8"))
    }

    assert found - OWN_TEXTS == set()
