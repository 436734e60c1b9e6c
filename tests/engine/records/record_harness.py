# SPDX-License-Identifier: Apache-2.0
"""Opens records one after the other, and reports what each did, as Python's audit hooks saw it.

    cd tests/engine/records
    python record_harness.py FOLDER [--off list] [--off registries] [--off budget]
    python record_harness.py FOLDER --all        # the generator's, and a summary

Takes a record's JSON a line on stdin, and gives a line of JSON for each: what came of it, which
forbidden events it caused, how many MB it took at its peak beyond before, and how many seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

# Past these a record is stopped; the test judges by what was used.
ADDRESS_SPACE_GB = 16
ALARM_S = 120
_FORBIDDEN = (
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn"),
    *("subprocess.Popen", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname"),
    *("socket.bind", "urllib.Request", "ftplib.connect", "smtplib.connect", "http.client.connect"),
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink"),
    *("os.truncate", "shutil.rmtree", "shutil.copyfile", "shutil.move", "webbrowser.open"),
    *("pickle.find_class", "os.kill", "os.putenv", "code.__new__", "ctypes.dlopen"),
)
_CALLS = frozenset(["system", "Popen", "__import__", "exec", "eval", "open", "rmtree", "load"])
# Imports that an honest model causes too; the rest of what is new is reported.
_IMPORTED = (
    "encodings",
    "mmengine",
    "mmcv",
    "mmseg",
    "mmdet",
    "zoo",
    "torch",
    "numpy",
    "cv2",
    "PIL",
    "scipy",
)


class Watch:
    """The events of the record at hand."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.events, self.is_on = str(folder), [], False
        sys.addaudithook(self._see)

    def _see(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event in _FORBIDDEN:
            self.events.append(f"{event} {args!r}"[:200])
        elif event == "open" and isinstance(args[0], (str, bytes)):
            mode, flags = args[1] or "", args[2] or 0
            writes = set(mode) & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            name = os.fsdecode(args[0])
            if writes and name != os.devnull and not name.startswith(self.folder):
                self.events.append(f"open {args[0]!r} {mode!r}")
        elif event == "exec":
            self._see_code(args[0])

    def _see_code(self, code: Any) -> None:
        """Note a module that is run for the first time, and text that calls out."""
        name = code.co_filename
        if name.startswith("<"):
            if not _CALLS.isdisjoint(code.co_names):
                self.events.append(f"exec {code.co_names}")
        elif code.co_name == "<module>" and not any(f"/{one}/" in name for one in _IMPORTED):
            self.events.append(f"import {Path(name).stem}")

    def __enter__(self) -> Watch:
        self.events, self.is_on = [], True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_on = False


def main() -> None:
    """Answer until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--off", action="append", default=[])
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    answers, sys.stdout = sys.stdout, sys.stderr  # what upstream prints is no answer
    files = _write_bases(args.folder)
    image = np.random.default_rng(0).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    watch = Watch(args.folder)
    limit = ADDRESS_SPACE_GB * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGALRM, _too_late)
    with _without(args.off):
        if args.all:
            print(_summary(files, image, watch), file=answers)
            return
        for line in sys.stdin:
            print(json.dumps(_try(line, files, image, watch)), file=answers, flush=True)


def _try(text: str, files: dict[str, tuple[dict[str, Any], bytes]], image: Any, watch: Any) -> Any:
    import zoo
    from zoo.errors import ZooError

    task = "instance" if '"task": "instance"' in text else "semantic"
    header, tensors = files[task]
    path = Path(watch.folder) / "hostile.safetensors"
    head = json.dumps({"__metadata__": {"zoo": text.rstrip("\n")}, **header}).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + tensors)
    Path("/proc/self/clear_refs").write_text("5")
    before_kb, start_s = _status_kb("VmRSS"), time.monotonic()
    signal.alarm(ALARM_S)
    with watch:
        try:
            zoo.load(str(path), device="cpu")(image)
        except ZooError as error:
            outcome, message = "refused", error.message
        except TimeoutError:
            outcome, message = "late", ""
        except BaseException as error:  # noqa: BLE001  whatever it is, it is the result
            outcome, message = "error", f"{type(error).__name__}: {error}"
        else:
            outcome, message = "predicts", ""
    signal.alarm(0)
    return {
        "outcome": outcome,
        "message": message[:300],
        "events": watch.events,
        "mb": (_status_kb("VmHWM") - before_kb) // 1024,
        "seconds": round(time.monotonic() - start_s, 2),
    }


def _summary(files: Any, image: Any, watch: Watch) -> str:
    from hostile_records import hostile_records

    rows = [_try(text, files, image, watch) for _, text in hostile_records()]
    outcomes = Counter(row["outcome"] for row in rows)
    most = {key: max(row[key] for row in rows) for key in ("mb", "seconds")}
    events = [event for row in rows for event in row["events"]]
    return f"{len(rows)} records: {dict(outcomes)}, {len(events)} events, at most {most}"


def _write_bases(folder: Path) -> dict[str, tuple[dict[str, Any], bytes]]:
    """Return the header and the tensors of a file of each base, and warm everything up."""
    import torch
    from hostile_records import BASES
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    import zoo
    from zoo.engine.checkpoints.published import write_published
    from zoo.engine.records.record import parse_record

    found = {}
    for task, values in BASES.items():
        record = parse_record(json.dumps(values), task)
        init_default_scope(record.scope)
        torch.manual_seed(0)
        weights = MODELS.build(Config(record.config).model).state_dict()
        path = write_published(folder / f"{task}.safetensors", weights, record)
        zoo.load(str(path), device="cpu")(np.zeros((70, 50, 3), np.uint8))
        data = path.read_bytes()
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:end])
        del header["__metadata__"]
        found[task] = header, data[end:]
    return found


@contextlib.contextmanager
def _without(parts: list[str]) -> Any:
    """Switch protections off, for the controls."""
    from zoo.engine.checkpoints import published
    from zoo.engine.patching import exchanged
    from zoo.engine.prediction import model as models

    with contextlib.ExitStack() as stack:
        if "list" in parts:
            stack.enter_context(exchanged(published, check_record=lambda *_: None))
        if "budget" in parts:
            stack.enter_context(exchanged(models, within_budget=contextlib.nullcontext))
        if "registries" in parts:
            stack.enter_context(exchanged(models, registries_alone=contextlib.nullcontext))
        yield


def _status_kb(key: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{key}:")[2].split()[0])


def _too_late(*_: object) -> None:
    raise TimeoutError


if __name__ == "__main__":
    main()
