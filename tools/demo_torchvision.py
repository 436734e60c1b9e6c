# SPDX-License-Identifier: Apache-2.0
"""Adopt torchvision's Mask R-CNN from a server and fine-tune it on drawn oil storage tanks.

    python tools/demo_torchvision.py --out demo_torchvision --steps 20

The way is the real one, the weights are not: they are random, have torchvision's layers and names,
and come from a server on 127.0.0.1 under a name with 8 digits of their sha256, as torchvision's do.
A row of a plugin lists them, zoo finds, pins and converts them, and training starts from them with
new heads for one class. Nothing is measured. A few minutes on two idle CPU cores; nothing is read
from the internet. Writes mirror/, plugins/, cache/, zoo.lock, raw/, data/, before/, run/, after/.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from demonstration import run

NAME = "mask_rcnn_random"
PLUGINS = Path(__file__).resolve().parent.parent / "plugins"
CONFIG = "tv_mask_rcnn_r50_fpn_v2_coco"
PLUGIN = """\
[plugin]
name = "loopback"
version = "0.1.0"
api = 1
summary = "random weights with the layers of torchvision's Mask R-CNN"
license = "Apache-2.0"

[[weights]]
name = "{name}"
task = "instance"
config = "{config}"
urls = ["https://weights.invalid/{file}"]
sha256_prefix = "{digits}"
format = "pth"
converter = "torchvision_weights.mask_rcnn_v2"
licence = "CC0-1.0"
data_licence = "CC0-1.0: random numbers"
parameters = 46311482
"""


def main() -> None:
    """Read the arguments and run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo_torchvision"), help="made anew")
    parser.add_argument("--steps", type=int, default=20, help="of training")
    parser.add_argument("--size", type=int, default=160, help="of the images, px")
    args = parser.parse_args()
    out: Path = args.out.absolute()
    if out.exists():
        if not (out / "mirror").is_dir():
            sys.exit(f"{out} is there and is not a demo's folder. Name another with --out.")
        shutil.rmtree(out)
    (out / "mirror").mkdir(parents=True)
    write_plugin(out / "plugins" / "zoo_loopback", write_weights(out / "mirror"))
    os.environ |= {
        "ZOO_PLUGIN_PATH": str(out / "plugins"),
        "ZOO_CACHE": str(out / "cache"),
        "ZOO_LOCK": str(out / "zoo.lock"),
    }
    with served(out / "mirror") as address:
        os.environ["ZOO_MIRRORS"] = address
        run("zoo", "list", "--plugin", "loopback")
        run("zoo", "download", NAME, "--pin")
    del os.environ["ZOO_MIRRORS"]  # from here on everything is in the cache
    fine_tune(out, args.steps, args.size)


def write_weights(mirror: Path) -> Path:
    """Write random weights as torchvision's files are: names and tensors, digits in the name.

    Args:
        mirror: Folder of the server.
    """
    import torch

    sys.path.append(str(PLUGINS / "torchvision_weights"))  # where it is not installed
    from zoo_torchvision_weights.mask_rcnn import layout_v2

    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in layout_v2().items():
        if len(shape) > 1:
            fan = torch.Size(shape[1:]).numel()
            tensors[name] = torch.randn(shape, generator=generator) / fan**0.5
        else:
            is_scale = name.endswith(("weight", "running_var"))
            tensors[name] = torch.ones(shape) if is_scale else torch.zeros(shape)
    new = mirror / "new.pth"
    torch.save(tensors, new)
    with new.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return new.rename(mirror / f"maskrcnn_random-{digest[:8]}.pth")


def write_plugin(package: Path, weights: Path) -> None:
    """Write a plugin that lists the weights.

    Args:
        package: Its folder.
        weights: The file, whose name ends with the digits.
    """
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Random weights."""\n\nimport zoo\n', "utf-8")
    digits = weights.stem.rpartition("-")[2]
    manifest = PLUGIN.format(name=NAME, config=CONFIG, file=weights.name, digits=digits)
    (package / "zoo_plugin.toml").write_text(manifest, "utf-8")


class _Quiet(SimpleHTTPRequestHandler):
    """Serve without a line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


class _Server(ThreadingHTTPServer):
    """A server whose clients may leave early: zoo does once it knows what a server can do."""

    def handle_error(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine while the block runs; yields the address.

    Args:
        folder: What to serve.
    """
    handler = partial(_Quiet, directory=str(folder))
    with _Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def fine_tune(out: Path, steps: int, size_px: int) -> None:
    """Predict with the adopted weights, train from them for one class, and predict again.

    Args:
        out: Folder of the demonstration.
        steps: Steps of training, of one image each.
        size_px: Side of the images that the model sees.
    """
    raw, data, work = out / "raw", out / "data", out / "run"
    sample = ("--count", str(2 * steps + 6), "--size", str(max(256, 2 * size_px)))
    run("zoo", "data", "sample", "oil_storage", "--out", raw, *sample)
    shares = ("--layout", "whole", "--shares", "0.8,0.2,0")
    run("zoo", "data", "prepare", "oil_storage", "--source", raw, "--out", data, *shares)
    image = min((raw / "images").iterdir())
    run("zoo", "predict", NAME, image, "--out", out / "before")
    settings = (
        "train_cfg.max_epochs=1",
        "train_cfg.val_begin=2",
        "train_dataloader.batch_size=1",
        f"train_dataloader.dataset.indices={steps}",
        f"train_dataloader.dataset.pipeline.2.scale=({size_px},{size_px})",
        "model.train_cfg.rpn_proposal.max_per_img=64",
        "model.train_cfg.rcnn.sampler.num=32",
        "optim_wrapper.optimizer.lr=0.001",
        "default_hooks.logger.interval=1",
    )
    start = ("--data", data, "--pretrained", NAME, "--work-dir", work)
    run("zoo", "train", CONFIG, *start, "--cfg-options", *settings)
    run("zoo", "predict", work, image, "--out", out / "after")


if __name__ == "__main__":
    main()
