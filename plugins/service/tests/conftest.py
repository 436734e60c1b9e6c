# SPDX-License-Identifier: Apache-2.0
"""Real services on loopback, and a model whose mood is a pixel."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from zoo.data import encode_png

PLUGINS = "service,moody,lung_xray,oil_storage,efficientnet_lite,configs"
ZOO = Path(sys.executable).with_name("zoo")

_MANIFEST = """
[plugin]
name = "moody"
version = "0.1.0"
api = 1
summary = "tells bright pixels from dark ones, in a mood"
license = "Apache-2.0"

[[model]]
name = "Moody"
target = "zoo_moody.parts:Moody"
"""

_PARTS = """
import os
import time

import torch
from mmseg.models import BaseSegmentor


class Moody(BaseSegmentor):
    align_corners = False

    def __init__(self):
        super().__init__(data_preprocessor=dict(type='SegDataPreProcessor'))
        self.level = torch.nn.Parameter(torch.tensor(127.5))

    def predict(self, inputs, data_samples=None):
        mood = int(inputs[0, 0, 0, 0])
        if mood == 201:  # for tenths of a second, which the next pixel states
            time.sleep(int(inputs[0, 0, 0, 1]) / 10)
        if mood == 202:
            os._exit(9)
        if mood == 203:
            raise RuntimeError('cannot open /srv/secret/weights.pth')
        above = inputs.mean(1, keepdim=True) - self.level
        return self.postprocess_result(torch.cat([-above, above], 1), data_samples)

    def extract_feat(self, inputs): raise NotImplementedError
    def encode_decode(self, inputs, data_samples): raise NotImplementedError
    def loss(self, inputs, data_samples): raise NotImplementedError
    def _forward(self, inputs, data_samples=None): raise NotImplementedError
"""

_CONFIG = """
default_scope = 'mmseg'
model = dict(type='zoo.moody.Moody')
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
test_dataloader = dict(dataset=dict(
    type='BaseSegDataset', img_suffix='.png', pipeline=test_pipeline,
    metainfo=dict(classes=['background', 'lung'], palette=[[0, 0, 0], [200, 40, 10]])))
"""


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        return self.headers.get("content-type", "")


class Served:
    """A service that runs."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        **headers: str,
    ) -> Got:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=150)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, found, answer.read())
        finally:
            connection.close()

    def post(self, body: bytes | Iterator[bytes], path: str = "/predict", **headers: str) -> Got:
        return self.ask("POST", path, body, **{"Accept": "image/png", **headers})

    def metric(self, name: str) -> float:
        """Return the sum of a counter over its labels."""
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        found = [line for line in lines if line.partition("{")[0].partition(" ")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in found)


class Starting:
    """Starts services, and ends what is left of them."""

    program = ZOO
    served = Served

    def __init__(self, env: Mapping[str, str], moody: Path) -> None:
        fence = {"ZOO_PLUGIN_PATH": str(moody.parent)}
        self.env = {**env, **fence, "ZOO_PLUGINS": PLUGINS}
        self.moody = f"moody={moody}"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._stack.close()

    def begin(self, *args: str | Path, **more: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [ZOO, "serve", *args],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **{"env": self.env, **more},
        )
        self._stack.callback(_end, process)
        return process

    def serve(self, *args: str | Path, **more: Any) -> Served:
        process = self.begin(*args, "--port", "0", **more)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving "), (line, process.stderr and process.stderr.read())
        return Served(process, int(line.rpartition(":")[2]))


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def starting(
    tmp_path_factory: pytest.TempPathFactory, env_of_zoo: dict[str, str]
) -> Iterator[Starting]:
    """Return what starts services; the model ``moody`` is a work dir."""
    import torch

    folder = tmp_path_factory.mktemp("moody")
    package = folder / "zoo_moody"
    run = folder / "run"
    package.mkdir()
    run.mkdir()
    (package / "__init__.py").write_text('"""Moody."""\nimport zoo\n')
    (package / "zoo_plugin.toml").write_text(_MANIFEST)
    (package / "parts.py").write_text(_PARTS)
    (run / "moody.py").write_text(_CONFIG)
    meta = {"dataset_meta": {"classes": ("background", "lung")}, "iter": 20}
    torch.save(
        {"meta": meta, "state_dict": {"level": torch.tensor(100.5)}}, run / "best_dice_iter_20.pth"
    )
    with Starting(env_of_zoo, run) as ready:
        yield ready


@dataclass(frozen=True)
class Picture:
    """Noise for the model ``moody``."""

    seed: int = 0
    mood: int = 0
    seconds: float = 0.0
    height: int = 24
    width: int = 32

    @property
    def pixels(self) -> NDArray[np.uint8]:
        rng = np.random.default_rng(self.seed)
        pixels = rng.integers(0, 200, (self.height, self.width), np.uint8)
        pixels[0, :2] = self.mood, round(self.seconds * 10)
        return pixels

    @property
    def png(self) -> bytes:
        return encode_png(self.pixels)

    @property
    def labels(self) -> bytes:
        """Return what the model makes of it: what is brighter than 100.5."""
        return encode_png((self.pixels > 100).astype(np.uint8))


@pytest.fixture(scope="session")
def picture() -> type[Picture]:
    """Return what draws pictures in a mood."""
    return Picture


@pytest.fixture(scope="session")
def in_background() -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Return a function that starts a call in a thread, and returns what waits for its result."""

    def start(call: Callable[[], Any]) -> Callable[[], Any]:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(call()))
        thread.start()

        def wait() -> Any:
            thread.join()
            return found[0]

        return wait

    return start
