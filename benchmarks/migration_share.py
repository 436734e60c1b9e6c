# SPDX-License-Identifier: Apache-2.0
"""Count how many old configs `zoo migrate` carries whole, and what of the others it could not.

    python benchmarks/migration_share.py [DIR...] [--build] [--json FILE]

Without DIR, the sample of plugins/openmmlab_migration/tests is counted: 120 configs that a seed
draws, and ten odd ones. With it, every `.py` below that is a config and no base: the configs of a
checkout or wheel of mmseg 0.x (`mmseg/.mim/configs`) or mmdet 2.x. `--build` also builds each
model, without data for its weights. Exits 1 if a config of the seeded sample is not whole.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import json
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLUGIN = Path(__file__).parent.parent / "plugins/openmmlab_migration"
SAMPLE = PLUGIN / "tests/old_configs"
sys.path.insert(0, str(PLUGIN))  # the plugin need not be installed

from zoo_openmmlab_migration.checking import check_values  # noqa: E402
from zoo_openmmlab_migration.configs.migration import MigratedConfig, migrate_config  # noqa: E402
from zoo_openmmlab_migration.reading.files import read_config  # noqa: E402

import zoo as zoo  # noqa: E402
from zoo.errors import ZooError  # noqa: E402


def main() -> None:
    """Count, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR")
    parser.add_argument("--build", action="store_true", help="build each model on no device")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was counted")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        files = _files(arguments.folders) if arguments.folders else _sample(Path(scratch))
        rows = [_count(kind, file, build=arguments.build) for kind, file in files]
    _print(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    if any(row["kind"] == "sample" and not row["whole"] for row in rows):
        sys.exit(1)


def _sample(folder: Path) -> Iterator[tuple[str, Path]]:
    name = "migration_old_configs"
    spec = importlib.util.spec_from_file_location(
        name, SAMPLE / "__init__.py", submodule_search_locations=[str(SAMPLE)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    yield from (("sample", old.write(folder)) for old in module.sample())
    yield from (("odd", old.write(folder)) for old, _ in module.ODD.values())


def _files(folders: list[Path]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            if not {"_base_", "__pycache__"} & set(file.parts):
                yield str(folder), file


def _count(kind: str, file: Path, *, build: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": kind, "file": file.name, "whole": False, "lost": []}
    try:
        made = migrate_config(read_config(file))
    except ZooError as error:
        return row | {"lost": [error.message]}
    check_values(made.family, made.values, made.ledger)
    lost = [f"{entry.key}: {entry.text}" for entry in made.ledger.lost]
    row |= {"family": made.family, "whole": made.ledger.is_whole, "lost": lost}
    if build and "model" in made.values:
        row["built"] = _built(made)
    return row


def _built(made: MigratedConfig) -> str:
    """Build the model without memory for its weights; return an error, or an empty text."""
    import torch
    from mmengine.config import ConfigDict
    from mmengine.registry import init_default_scope

    registry: Any = importlib.import_module(f"{made.family}.registry")
    init_default_scope(made.family)
    model = ConfigDict(made.values["model"])
    model.pop("pretrained", None)
    try:
        with torch.device("meta"):
            registry.MODELS.build(model)
    except Exception as error:  # noqa: BLE001  # whatever a builder raises is counted
        return f"{type(error).__name__}: {error}"[:200]
    return ""


def _print(rows: list[dict[str, Any]]) -> None:
    reasons: collections.Counter[str] = collections.Counter()
    for kind in dict.fromkeys(row["kind"] for row in rows):
        of_kind = [row for row in rows if row["kind"] == kind]
        whole = sum(row["whole"] for row in of_kind)
        share = f"{100 * whole / len(of_kind):.1f} %"
        built = [row["built"] for row in of_kind if "built" in row]
        more = (
            f", {sum(not error for error in built)} of {len(built)} models built" if built else ""
        )
        print(f"{kind}: {whole} of {len(of_kind)} whole ({share}){more}")
    for row in rows:
        reasons.update({re.sub(r"\d+", "N", text) for text in row["lost"]})
    for text, count in reasons.most_common(40):
        print(f"  {count:4d} not carried: {text}")


if __name__ == "__main__":
    main()
