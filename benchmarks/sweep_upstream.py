# SPDX-License-Identifier: Apache-2.0
"""Build the model of every config of mmdet and mmsegmentation, and report what is missing.

    python benchmarks/sweep_upstream.py --out work_dirs/sweep.jsonl
    python benchmarks/sweep_upstream.py --out work_dirs/sweep.jsonl --table > sweep.md

Weights are not read (``pretrained``, ``init_cfg`` and ``teacher_ckpt`` are dropped) and parameters
are not initialised, so a model needs address space, not memory. One worker builds the configs; it
is replaced if it dies or takes too long. A second run continues where the first ended.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import selectors
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

Row = dict[str, Any]

# How upstream's own messages name a package that is missing, the surest first.
_ASKS_FOR_PACKAGE = (
    r"mim install (\w[\w-]*)",
    r"pip install (\w[\w-]*)",
    r"[Pp]lease install (\w+) first",
    r"(\w+) is not installed",
    r"To use (\w+) model, please install required packages",
)


def main() -> None:
    """Sweep, or print the table of an earlier sweep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, one a config")
    parser.add_argument("--timeout-s", type=float, default=180, help="for one config")
    parser.add_argument("--table", action="store_true", help="print Markdown from --out and stop")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        _work(sys.stdin, sys.stdout)
    elif args.table:
        print(_table(_read(args.out)))
    else:
        _sweep(args.out, args.timeout_s)


def find_configs() -> Iterator[tuple[str, Path]]:
    """Yield ``mmdet/retinanet/x.py`` and its path for every config that is not a base."""
    for package in ("mmdet", "mmseg"):
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            message = f"{package} is not installed"
            raise SystemExit(message)
        root = Path(spec.origin).parent / ".mim" / "configs"
        for path in sorted(root.rglob("*.py")):
            if "_base_" not in path.relative_to(root).parts:
                yield f"{package}/{path.relative_to(root).as_posix()}", path


def _sweep(out: Path, timeout_s: float) -> None:
    done = {row["config"] for row in _read(out)}
    todo = [(name, path) for name, path in find_configs() if name not in done]
    out.parent.mkdir(parents=True, exist_ok=True)
    worker = _Worker()
    with out.open("a") as file:
        for number, (name, path) in enumerate(todo, 1):
            row = worker.build(path, timeout_s)
            file.write(json.dumps({"config": name, **row}) + "\n")
            file.flush()
            print(f"{number}/{len(todo)} {row['status']:<16} {name}", file=sys.stderr)
    worker.stop()


class _Worker:
    """A process that builds one config at a time, restarted if it is lost."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def build(self, path: Path, timeout_s: float) -> Row:
        """Return the row of one config."""
        process = self._process or self._start()
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            message = "the worker has no pipes"
            raise RuntimeError(message)
        stdin.write(f"{path}\n")
        stdin.flush()
        start_s = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            line = stdout.readline() if selector.select(timeout_s) else ""
        if line:
            return json.loads(line)
        self.stop()
        late = time.monotonic() - start_s >= timeout_s
        what = f"took more than {timeout_s:.0f} s" if late else "the process died"
        return {"status": "lost", "reason": what}

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", __file__, "--worker", "--out", "-"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self._process

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _work(requests: IO[str], answers: IO[str]) -> None:
    import torch

    import zoo  # noqa: F401  mmcv's ops

    # Values do not matter here, but initialising hundreds of millions of them takes time.
    for name in dir(torch.nn.init):
        if name.endswith("_") and not name.startswith("_"):
            setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)
    # mmcv's SyncBatchNorm requires the process group of a launcher.
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    sys.stdout = sys.stderr  # output of upstream is not an answer
    for line in requests:
        answers.write(json.dumps(_build(Path(line.strip()))) + "\n")
        answers.flush()


def _build(path: Path) -> Row:
    from zoo.errors import UnsupportedOpError

    start_s = time.monotonic()
    # Configs of distillation name the teacher's config relative to the checkout.
    os.chdir(path.parents[len(path.parts) - path.parts.index(".mim") - 2])
    try:
        row = _build_model(path)
    except UnsupportedOpError as error:
        row = {"status": "missing op", "reason": error.op}
    except Exception as error:  # noqa: BLE001  whatever upstream raises is the result
        row = _explain(error)
    return {**row, "seconds": round(time.monotonic() - start_s, 2)}


def _build_model(path: Path) -> Row:
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    cfg = Config.fromfile(path)
    if "model" not in cfg:
        return {"status": "no model", "reason": "the config states no model"}
    scope = cfg.get("default_scope", "mmdet" if "mmdet" in path.parts else "mmseg")
    init_default_scope(scope)
    __import__(f"{scope}.utils").utils.register_all_modules(init_default_scope=False)
    _drop_weights(cfg.model)
    model = MODELS.build(cfg.model)
    ops = {type(module).__name__ for module in model.modules() if _is_op(module)}
    return {
        "status": "built",
        "ops": sorted(ops | set(_named_ops(cfg.model))),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def _is_op(module: Any) -> bool:
    return type(module).__module__.startswith("mmcv.ops.")


def _named_ops(node: Any) -> Iterator[str]:
    """Yield the ops that a config names and no module has."""
    if isinstance(node, dict):
        name = str(node.get("type"))
        if name in ("soft_nms", "FocalLoss", "TOODHead", "ScoreHLRSampler"):
            yield name
        for value in node.values():
            yield from _named_ops(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _named_ops(value)


def _drop_weights(node: Any) -> None:
    """Set everything that names weights to None, in place."""
    if isinstance(node, dict):
        for key in ("pretrained", "init_cfg", "teacher_ckpt"):
            if key in node:
                node[key] = None
        for value in node.values():
            _drop_weights(value)
    elif isinstance(node, list | tuple):
        for value in node:
            _drop_weights(value)


def _explain(error: BaseException) -> Row:
    """Return the missing package, otherwise the error's first line."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ModuleNotFoundError) and seen.name:
            return {"status": "missing package", "reason": seen.name.partition(".")[0]}
        seen = seen.__cause__ or seen.__context__
    text = " ".join(str(error).split()).replace(sys.prefix, "")
    for pattern in _ASKS_FOR_PACKAGE:
        found = re.search(pattern, text)
        if found:
            return {"status": "missing package", "reason": found[1].lower(), "text": text[:300]}
    return {"status": "error", "reason": f"{type(error).__name__}: {text[:300]}"}


def _read(out: Path) -> list[Row]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def _table(rows: list[Row]) -> str:
    """Return Markdown: counts, then each distinct reason with its families."""
    lines = ["| result | mmdet | mmseg | all |", "|---|---|---|---|"]
    counts = Counter((row["status"], row["config"].partition("/")[0]) for row in rows)
    for status in sorted({row["status"] for row in rows}):
        pair = [counts[status, package] for package in ("mmdet", "mmseg")]
        lines.append(f"| {status} | {pair[0]} | {pair[1]} | {sum(pair)} |")
    reasons: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    ops: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row["status"] != "built":
            reasons[row["status"], row["reason"]].append(row["config"])
        for op in row.get("ops", ()):
            ops[op].append(row["config"])
    lines += ["", "| not built | reason | configs | families |", "|---|---|---|---|"]
    for (status, reason), configs in sorted(reasons.items()):
        lines.append(f"| {status} | {reason} | {len(configs)} | {_families(configs)} |")
    lines += ["", "| op in a built model | configs | families |", "|---|---|---|"]
    lines += [f"| {op} | {len(names)} | {_families(names)} |" for op, names in sorted(ops.items())]
    return "\n".join(lines)


def _families(configs: list[str]) -> str:
    return ", ".join(sorted({"/".join(name.split("/")[:2]) for name in configs}))


if __name__ == "__main__":
    main()
