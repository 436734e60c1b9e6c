# SPDX-License-Identifier: Apache-2.0
"""Plugins of every sort on disk: plain, hostile, broken; and sources, signed and not."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ZOO = Path(sys.executable).with_name("zoo")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
# Each stands in every text of the hostile plugin that takes any text.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></script><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}{# x",
    "javascript:alert(1)",
    "\u202egpj.exe\u202c\u2066abc",
    "שלום עולם",
    "w" * 500,
    "a\tb\x07c",
    "&lt;b&gt;&amp;&#60;",
    "]]><!--",
)
HOSTILE_CARD = """# Title

<script>alert(1)</script> <img src=x onerror=alert(1)>

[run](javascript:alert(1)) [data](data:text/html,<script>alert(1)</script>) [file](file:///etc/passwd)
[here](other.md) [top](#x) [web](https://example.org/card "t\\"><script>") <javascript:alert(1)>
[mixed](JaVaScRiPt:alert(1)) [entity](&#106;avascript:alert(1)) [slashes](//example.org/x)

![mine](picture.png) ![theirs](https://example.org/x.png) ![up](../../../outside.png)
![svg](picture.svg) ![link](link.png) ![](data:image/png;base64,AAAA)

| a | <b>b</b> |
|:--|--:|
| `</code><script>` | \u202e |

```html
</code></pre><script>alert(1)</script>
```

> > > > > > deep

{{ 7 * 7 }}
"""
WEB = {
    "https://example.org/card",
    "https://example.org/x.png",
    "https://example.org/home",
    "https://example.org/protocol",
}


def quoted(text: str) -> str:
    """Return a text as TOML writes it."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def weights_row(name: str, **changes: Any) -> dict[str, Any]:
    """Return a row of weights, as TOML and as JSON have it; None leaves a key out."""
    row = {
        "name": name,
        "task": "semantic",
        "config": "unet_small",
        "urls": [f"https://example.org/files/{name}.safetensors"],
        "sha256": hashlib.sha256(name.encode()).hexdigest(),
        "size_bytes": 7_290_312,
        "format": "safetensors",
        "licence": "Apache-2.0",
        "data_licence": "CC0-1.0",
        "parameters": 1_814_610,
        "metrics": [metric()],
        **changes,
    }
    return {key: value for key, value in row.items() if value is not None}


def metric(**changes: Any) -> dict[str, Any]:
    """Return a value of a row."""
    named = {"name": "mIoU", "value": 0.8123, "dataset": "Ponds", "split": "test"}
    return {**named, "labels": "true", "protocol": "docs", **changes}


def toml_row(kind: str, row: Mapping[str, Any]) -> str:
    """Return a row of a manifest."""
    return f"\n[[{kind}]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in row.items())


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return repr(value)


def write_plugin(root: Path, name: str, rows: str = "", **header: str) -> Path:
    """Write a plugin whose code must not be imported; return its package."""
    package = root / name / f"zoo_{name}"
    package.mkdir(parents=True)
    values = {"name": name, "version": "0.1.0", "summary": f"about {name}", "license": "MIT"}
    head = "".join(f"{key} = {quoted(value)}\n" for key, value in {**values, **header}.items())
    (package / "zoo_plugin.toml").write_text(f"[plugin]\napi = 1\n{head}{rows}", encoding="utf-8")
    (package / "__init__.py").write_text("raise SystemExit('a plugin was imported')\n")
    (package / "unet.py").write_text("raise SystemExit('a config was run')\n")
    return package


def run_gallery(
    out: Path, env: Mapping[str, str], root: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    """Run ``zoo gallery`` in a process of its own, on the plugins in a folder."""
    names = ",".join(["gallery", *sorted(path.name for path in root.iterdir() if path.is_dir())])
    fence = {"ZOO_PLUGIN_PATH": str(root), "ZOO_PLUGINS": names}
    return subprocess.run(
        [ZOO, "gallery", "--out", out, *words],
        env={**env, **fence},
        capture_output=True,
        text=True,
        check=False,
    )


def write_zoo(root: Path) -> None:
    """Write plugins of every sort: plain, hostile, broken, twice there, with cards and pictures."""
    config = toml_row("config", {"name": "unet_small", "file": "unet.py", "summary": "a U-Net"})
    plain = write_plugin(root, "plain", config + toml_row("weights", weights_row("unet_ponds")))
    (plain.parent / "pyproject.toml").write_text(
        '[project]\nname = "mmzoo-plain"\nauthors = [{ name = "Ada" }]\n'
    )
    (plain.parent / "README.md").write_text(HOSTILE_CARD, encoding="utf-8")
    cards = plain.parent / "cards"
    cards.mkdir()
    (cards / "unet_ponds.md").write_text(HOSTILE_CARD, encoding="utf-8")
    for folder in (cards, plain.parent):
        (folder / "picture.png").write_bytes(PNG)
        (folder / "picture.svg").write_text("<svg onload='alert(1)'/>")
    (root / "outside.png").write_bytes(PNG + b"outside")
    (cards / "link.png").symlink_to(root / "outside.png")
    (cards / "unet_ponds.in.png").write_bytes(PNG + b"in")
    (cards / "unet_ponds.out.png").write_bytes(PNG + b"out")
    write_plugin(root, "hostile", _hostile_rows(), summary=HOSTILE[1], notice=HOSTILE[0])
    write_plugin(root, "versions", _rows_of_versions())
    write_plugin(root, "names", "".join(toml_row("weights", weights_row(n)) for n in NAMES))
    write_plugin(root, "broken", "\nthis is no TOML = [")
    write_plugin(root, "nothing")
    write_plugin(root, "homely", homepage="javascript:alert(1)")
    write_plugin(root, "shelved", "\n[[shelf]]\nfile = 'shelf.json'\n")
    shelf = {"format": 1, "weights": [weights_row("half", summary=None, source="\ud800<b>")]}
    (root / "shelved" / "zoo_shelved" / "shelf.json").write_text(json.dumps(shelf))


NAMES = (
    "index",
    "con",
    "con-1143da2b",
    "UNet",
    "unet",
    "a" * 180,
    "x.v1",
    "trailing.",
    "unet_ponds",
)


def _hostile_rows() -> str:
    rows = []
    for number, text in enumerate(HOSTILE):
        once = text if text.strip() else "x"
        rows.append(
            toml_row(
                "weights",
                weights_row(
                    f"hostile_{number}",
                    config=once,
                    licence=text,
                    data_licence=text,
                    source=text,
                    replaces=[text],
                    classes=[text, "cell"],
                    yanked=text if number % 3 == 0 else None,
                    successor=text if number % 3 == 1 else None,
                    metrics=[
                        metric(name=text, dataset=text, split=text, protocol=text),
                        metric(published="https://example.org/protocol"),
                        metric(published=text),
                    ],
                ),
            )
        )
        dataset = {"name": f"Set{number}", "target": "zoo_hostile.x:X", "task": "semantic"}
        rows.append(
            toml_row("dataset", {**dataset, "classes": [text], "licence": text, "summary": text})
        )
        loss = {"name": f"Loss{number}", "target": "zoo_hostile.x:X", "summary": text}
        rows.append(toml_row("loss", loss))
        rows.append(
            toml_row("config", {"name": f"config_{number}", "file": "unet.py", "summary": text})
        )
    return "".join(rows)


def _rows_of_versions() -> str:
    rows = [
        weights_row("road", version=1),
        weights_row("road", version=2, sha256="1" * 64),
        weights_row("road", version=3, sha256="2" * 64, yanked="it was trained on its test"),
        weights_row("to_pin", sha256=None, size_bytes=None, md5_prefix="abcdef12"),
        weights_row("nc", licence="CC-BY-NC-4.0", non_commercial=True, task="instance"),
        weights_row("part", task="backbone", config=None, metrics=None),
        weights_row("boxes", task="detection"),
        weights_row("data_nc", data_licence="Cityscapes: non-commercial"),
        weights_row(
            "hub", urls=[f"hf://org/repo@{'a' * 40}/model.safetensors"], classes=["pond", "Lake"]
        ),
    ]
    return "".join(toml_row("weights", row) for row in rows)


def add_sources(folder: Path, env: Mapping[str, str]) -> None:
    """Add a signed source, and one whose index is not signed."""
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    raw = key.public_key().public_bytes(forms.Encoding.Raw, forms.PublicFormat.Raw)
    fingerprint = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    for name, words in (("signed", ["--key", fingerprint]), ("loose", ["--unsigned"])):
        is_signed = name == "signed"
        document = {
            "index": 1,
            "name": name,
            "sequence": 7,
            "licence": "CC0-1.0",
            "created": "2024-01-01T00:00:00Z",
            "expires": "2124-01-01T00:00:00Z",
            "homepage": "https://example.org/home",
            "key": fingerprint if is_signed else None,
            "shelf": {
                "format": 1,
                "weights": [
                    weights_row("unet_ponds"),
                    weights_row("old", version=1),
                    weights_row("old", version=2, sha256="3" * 64),
                ],
            },
            "plugins": [
                {
                    "name": "lakes",
                    "distribution": "mmzoo-lakes",
                    "version": "1.2.3",
                    "summary": HOSTILE[0],
                    "kinds": ["dataset"],
                    "homepage": "https://example.org/home",
                }
            ],
        }
        path = folder / name / "index.json"
        path.parent.mkdir(parents=True)
        data = json.dumps(document).encode()
        path.write_bytes(data)
        if is_signed:
            parts = {"key": raw, "signature": key.sign(data)}
            told = {each: base64.b64encode(value).decode() for each, value in parts.items()}
            signed = json.dumps({"format": 1, "algorithm": "ed25519", **told})
            path.with_name("index.json.sig").write_text(signed)
        added = [ZOO, "source", "add", path.as_uri(), "--as", name, *words]
        subprocess.run(added, env=dict(env), check=True, capture_output=True)
