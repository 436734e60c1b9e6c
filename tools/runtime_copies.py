# SPDX-License-Identifier: Apache-2.0
"""Copy the modules of zoo that the runtime has too, with their imports renamed.

The runtime is installed without zoo and reads pictures, cleans labels and draws overlays exactly
as zoo does: docs/adr/0024 says why they are copies. A module is changed in zoo and copied again.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from generated_files import write_or_check

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "zoo_runtime.copied"
FOLDER = ROOT / "plugins" / "runtime" / "zoo_runtime" / "copied"

# Module of zoo, folder of its copy.
COPIES = {
    "zoo.texts": "",
    "zoo.documents": "",
    "zoo.engine.threads.cgroups": "",
    "zoo.engine.threads.cores": "",
    "zoo.data.source.reading": "",
    "zoo.engine.records.exported_values": "",
    **{
        f"zoo.data.decoders.{name}": "decoders"
        for name in (
            *("faults", "header", "jpeg", "jpeg_markers", "opencv", "png", "tiff", "tiff_tags"),
        )
    },
    **{
        f"zoo.data.pictures.{name}": "pictures"
        for name in ("depth", "drawing", "legend", "picture", "pixels", "turning")
    },
    "zoo.engine.scenes.arrays": "pictures",
    "zoo.engine.prediction.given": "pictures",
    "zoo.data.coco.runs": "scenes",
    "zoo.data.geometry.shapes": "scenes",
    "zoo.data.geometry.windows": "scenes",
    **{
        f"zoo.engine.scenes.{name}": "scenes"
        for name in ("blending", "merging", "overlaps", "pasting", "roi_mask")
    },
    "zoo.engine.scenes.scene": "scenes",
    **{
        f"zoo.engine.overlays.{name}": "overlays"
        for name in ("instances", "labels", "palette", "places", "style")
    },
    "zoo.engine.prediction.areas": "overlays",
    "zoo.engine.cleaning.parts": "cleaning",
    "zoo.engine.cleaning.postprocess": "cleaning",
}
# What the runtime has of its own instead.
OWN = {
    "zoo.errors": "zoo_runtime.errors",
    "zoo.data.pictures.lettering": "zoo_runtime.lettering",
    "zoo.data.pictures.decoding": "zoo_runtime.decoding",
}
# The names that `zoo.data` offers, by the module that has them.
FACES = {
    "Window": "zoo.data.geometry.windows",
    "count_labels": "zoo.data.pictures.pixels",
    "draw_overlay": "zoo.data.pictures.drawing",
    "resize_image": "zoo.data.pictures.pixels",
    "resize_mask": "zoo.data.pictures.pixels",
}
ABOUT = {
    "": "Modules of zoo, copied by tools/runtime_copies.py: change them there.",
    "cleaning": "Label maps after prediction: parts dropped, holes filled.",
    "decoders": "Formats of pictures: what a header says, and how pixels are decoded.",
    "overlays": "Labels and instances drawn over their picture.",
    "pictures": "Pictures as arrays.",
    "scenes": "Windows of large images, and what overlapping ones found, merged.",
}
_LICENCE = "# SPDX-License-Identifier: Apache-2.0\n"
_FACE = re.compile(r"^( *)from zoo\.data import (.+)$", re.MULTILINE)
_IMPORT = re.compile(r"^( *)from (zoo\.[.\w]+) import", re.MULTILINE)


def files() -> Mapping[Path, str]:
    """Return path -> text of all copies."""
    texts = {FOLDER / folder / "__init__.py": _room(folder) for folder in ABOUT}
    texts |= {_target(module): _copied(module) for module in COPIES}
    return {path: _formatted(path, text) for path, text in texts.items()}


def _target(module: str) -> Path:
    return FOLDER / COPIES[module] / f"{module.rpartition('.')[2]}.py"


def _copied(module: str) -> str:
    text = (ROOT / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8")
    text = text.replace("from zoo import documents", f"from {PACKAGE} import documents")
    text = _FACE.sub(lambda found: "\n".join(_faces(*found.groups())), text)
    text = _IMPORT.sub(lambda found: f"{found[1]}from {_renamed(found[2])} import", text)
    told = f"{_LICENCE}# A copy of {module}, by tools/runtime_copies.py.\n"
    return text.replace(_LICENCE, told, 1)


def _faces(indent: str, names: str) -> Iterator[str]:
    for name in names.split(", "):
        yield f"{indent}from {FACES[name.partition(' as ')[0]]} import {name}"


def _renamed(module: str) -> str:
    if module in OWN:
        return OWN[module]
    parts = (PACKAGE, COPIES[module], module.rpartition(".")[2])
    return ".".join(part for part in parts if part)


def _room(folder: str) -> str:
    names = [module.rpartition(".")[2] for module, place in COPIES.items() if place == folder]
    names += [] if folder else [name for name in ABOUT if name]
    listed = ", ".join(f'"{name}"' for name in sorted(names))
    future = "from __future__ import annotations"
    return f'{_LICENCE}"""{ABOUT[folder]}"""\n\n{future}\n\n__all__ = [{listed}]\n'


def _formatted(path: Path, text: str) -> str:
    """Return a text as the linter of this repository sorts and formats it."""
    for words in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *words, "--stdin-filename", str(path), "-"]
        text = subprocess.run(
            command, input=text, capture_output=True, check=True, text=True, cwd=ROOT
        ).stdout
    return text


def main() -> int:
    """Write the copies, or compare them with ``--check``; return the exit code."""
    for folder in ABOUT:
        (FOLDER / folder).mkdir(parents=True, exist_ok=True)
    return write_or_check(files, __doc__ or "")


if __name__ == "__main__":
    sys.exit(main())
