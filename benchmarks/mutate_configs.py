# SPDX-License-Identifier: Apache-2.0
"""Mutate configs at random, train each up to its first step, and count the outcomes.

    python benchmarks/mutate_configs.py --out work_dirs/mutated.jsonl --each 20 \
        --data-semantic data/masks --data-instance data/boxes CONFIG...
    python benchmarks/mutate_configs.py --out work_dirs/mutated.jsonl --table

A config is a path or a name such as ``mmseg::unet/x.py``; the first run of each is unchanged. A
mutation renames, removes or replaces one value anywhere in the resolved config. Every exception
must be an error of zoo with one message. Parameters are not initialised, and the step itself runs
only with ``--step``.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import resource
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Place = tuple[Any, ...]
_VALUES = (
    -1,
    0,
    1,
    -3,
    0.5,
    100_000,
    "x",
    "",
    None,
    True,
    [],
    {},
    [1, 2],
    (0.5, -1),
    {"type": "X"},
)
# Keys outside the model and its training, and file names, which other errors cover.
_LEFT = {"work_dir", "launcher", "zoo_command", "zoo_data_digest", "data_root", "ann_file"}


class StepError(BaseException):
    """The run has reached its first step."""


def main() -> None:
    """Mutate configs, or print the table of an earlier run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="*")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, one a run")
    parser.add_argument("--each", type=int, default=10, help="mutations of a config")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-semantic", type=Path, help="prepared folder of masks")
    parser.add_argument("--data-instance", type=Path, help="prepared folder of instances")
    parser.add_argument("--step", action="store_true", help="do the first step, too")
    parser.add_argument("--table", action="store_true", help="print Markdown from --out and stop")
    args = parser.parse_args()
    if not args.table:
        _run(args)
    rows = [json.loads(line) for line in args.out.read_text().splitlines()]
    print(_table(rows))


def _run(args: argparse.Namespace) -> None:
    _keep_small(fill=args.step)
    rng = random.Random(args.seed)
    with args.out.open("a") as file:
        for name in args.configs:
            for number in range(args.each + 1):
                row = {"config": name, **_try(name, args, rng if number else None)}
                file.write(json.dumps(row) + "\n")
                file.flush()
                shown = row.get("error", "").splitlines()[:1]
                print(f"{row['end']:<9} {name} {row['mutation']} {shown}", file=sys.stderr)


def _keep_small(*, fill: bool) -> None:
    import torch

    import zoo  # noqa: F401  mmcv's ops

    resource.setrlimit(resource.RLIMIT_AS, (24 * 2**30, 24 * 2**30))
    torch.set_num_threads(1)
    for name in () if fill else dir(torch.nn.init):
        if name.endswith("_") and not name.startswith("_"):
            setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)


def _try(name: str, args: argparse.Namespace, rng: random.Random | None) -> dict[str, Any]:
    from zoo.engine.config.reading import read_config
    from zoo.engine.config_parts.parts import family_of
    from zoo.engine.runs.train import train
    from zoo.errors import ZooError

    mutation = "none"
    with tempfile.TemporaryDirectory() as folder:
        try:
            task = family_of(read_config(name, pretrained="none")._cfg_dict)
            data = args.data_instance if task == "instance" else args.data_semantic
            config = read_config(name, data=data, pretrained="none", work_dir=folder)
            _shorten(config)
            if rng is not None:
                mutation = _spoil(config._cfg_dict, rng)
            train(_stopping(config, step=args.step))
            end, error = "trained", ""
        except StepError:
            end, error = "step", ""
        except ZooError as caught:
            end, error = "message", str(caught)
        except BaseException:  # noqa: BLE001  this is what is looked for
            end, error = "traceback", traceback.format_exc()
    return {"mutation": mutation, "end": end, "error": error}


def _shorten(config: Any) -> None:
    """Read without workers and log nothing to other services."""
    for key in list(config):
        if key.endswith("_dataloader") and config[key]:
            config[key].num_workers = 0
            config[key].persistent_workers = False
            config[key].batch_size = 2
    config.log_level = "ERROR"


def _stopping(config: Any, *, step: bool) -> Any:
    """Return the config with a hook that ends the run at its first step, or after it."""
    from mmengine.hooks import Hook
    from mmengine.registry import HOOKS

    class StopAtStep(Hook):
        priority = "LOWEST"

        def before_train_iter(self, *_: Any, **__: Any) -> None:
            if not step:
                raise StepError

        def after_train_iter(self, *_: Any, **__: Any) -> None:
            raise StepError

    HOOKS.register_module(module=StopAtStep, force=True)
    hooks = config.get("custom_hooks")
    if isinstance(hooks, (list, tuple)) or hooks is None:
        config.custom_hooks = [*(hooks or ()), {"type": "mmengine.StopAtStep"}]
    return config


def _spoil(tree: Any, rng: random.Random) -> str:
    """Change one value in place, and return which."""
    parent, key = rng.choice(list(_places(tree)))
    last = key[-1]
    shown = ".".join(map(str, key))
    way = rng.choice(("rename", "remove", "replace", "replace", "replace"))
    if way == "rename" and isinstance(parent, dict):
        parent[f"{last}s"] = parent.pop(last)
    elif way == "remove" and isinstance(parent, dict):
        del parent[last]
    else:
        value = copy.deepcopy(rng.choice(_VALUES))
        parent[last] = value
        return f"{shown} = {value!r}"
    return f"{way} {shown}"


def _places(node: Any, key: Place = ()) -> Iterator[tuple[Any, Place]]:
    parts = node.items() if isinstance(node, dict) else enumerate(node)
    for name, value in list(parts):
        if name in _LEFT:
            continue
        yield node, (*key, name)
        if isinstance(value, (dict, list)):
            yield from _places(value, (*key, name))


def _table(rows: list[dict[str, Any]]) -> str:
    counts = Counter(row["end"] for row in rows)
    lines = ["| end | runs |", "|---|---|"]
    lines += [f"| {end} | {count} |" for end, count in sorted(counts.items())]
    lines.append(f"| of configs | {len({row['config'] for row in rows})} |")
    for row in rows:
        if row["end"] == "traceback":
            lines.append(f"\n{row['config']}: {row['mutation']}\n{row['error']}")
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.setdefault("XDG_STATE_HOME", tempfile.gettempdir())
    main()
