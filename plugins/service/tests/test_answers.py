# SPDX-License-Identifier: Apache-2.0
"""Answers are those of ``zoo predict``, byte for byte, in every form."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.data import encode_png

pytestmark = [pytest.mark.mm, pytest.mark.slow, pytest.mark.timeout(400)]

LUNG, TANKS = "unet_lung_montgomery", "mask_rcnn_small_tanks"
JSON, COCO, GEOJSON = "application/json", "application/vnd.coco+json", "application/geo+json"


@pytest.fixture(scope="module")
def both(starting: Any) -> Any:
    """Serve a semantic and an instance model."""
    return starting.serve(LUNG, f"tanks={TANKS}")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write one image of each kind."""
    folder = tmp_path_factory.mktemp("images")
    zoo.sample("lung_xray", folder / "xrays", count=1)
    xray = next((folder / "xrays/Lung Segmentation/CXR_png").iterdir())
    (folder / "xray.png").write_bytes(xray.read_bytes())
    rng = np.random.default_rng(3)
    (folder / "deep.png").write_bytes(encode_png(rng.integers(0, 4000, (90, 70), np.uint16)))
    (folder / "scan.dcm").write_bytes(dicom(rng.integers(0, 255, (64, 48), np.uint8)))
    write_scene(folder)
    return folder


def dicom(pixels: Any) -> bytes:
    """Return a radiograph as DICOM, with a pixel spacing."""
    pydicom = pytest.importorskip("pydicom")
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = pydicom.dataset.FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelSpacing = [0.5, 0.25]
    dataset.PixelData = pixels.tobytes()
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def write_scene(folder: Path) -> None:
    """Write a part of a synthetic scene with tanks, plain and with coordinates."""
    rasterio = pytest.importorskip("rasterio")
    zoo.sample("oil_storage", folder / "scenes", count=1)
    with rasterio.open(next((folder / "scenes/images").iterdir())) as source:
        pixels = source.read(window=((0, 256), (0, 256)))
    place = {"crs": "EPSG:32632", "transform": rasterio.Affine(1.2, 0, 400000, 0, -1.2, 5500000)}
    shape = {"driver": "GTiff", "height": 256, "width": 256, "count": 3, "dtype": "uint8"}
    with rasterio.open(folder / "scene.tif", "w", **shape, **place) as target:
        target.write(pixels)
    (folder / "scene.png").write_bytes(encode_png(np.moveaxis(pixels, 0, -1)))


@pytest.fixture(scope="module")
def predicted(
    files: Path, starting: Any, warm_zoo: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Return a function that predicts a file in its folder by ``zoo predict``, once each."""
    done: dict[tuple[str, ...], Path] = {}

    def run(*words: str) -> Path:
        if words not in done:
            out = done[words] = tmp_path_factory.mktemp("predicted")
            command: list[str | Path] = [warm_zoo, "predict", *words, "--out", out]
            subprocess.run(command, cwd=files, env=starting.env, check=True, capture_output=True)
        return done[words]

    return run


def form(name: str, body: bytes) -> tuple[bytes, str]:
    head = f'--x\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    return head.encode() + body + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"


def send(
    served: Any, files: Path, model: str, name: str, accept: str, what: str = "predict"
) -> Any:
    body, kind = form(name, (files / name).read_bytes())
    path = f"/v1/models/{model}/{what}"
    got = served.post(body, path, Accept=accept, Content_Type=kind)
    assert got.status == 200, got.body
    assert got.kind == accept
    return got


@pytest.mark.parametrize("name", ["xray.png", "deep.png", "scan.dcm"])
def test_labels_and_overlay_are_the_files_of_zoo_predict(
    both: Any, files: Path, predicted: Callable[..., Path], name: str
) -> None:
    """8 bit, 16 bit and DICOM: the same PNG bytes, as a form and as a plain body."""
    out, stem = predicted(LUNG, name), name.partition(".")[0]

    labels = send(both, files, LUNG, name, "image/png")
    overlay = send(both, files, LUNG, name, "image/png", "overlay")
    plain = both.post((files / name).read_bytes(), f"/v1/models/{LUNG}/predict")

    assert labels.body == plain.body == (out / f"{stem}_label.png").read_bytes()
    assert overlay.body == (out / f"{stem}_overlay.png").read_bytes()


@pytest.mark.parametrize(
    ("model", "address", "name"),
    [(LUNG, LUNG, "xray.png"), (LUNG, LUNG, "scan.dcm"), (TANKS, "tanks", "scene.tif")],
)
def test_json_is_that_of_zoo_predict(
    both: Any, files: Path, predicted: Callable[..., Path], model: str, address: str, name: str
) -> None:
    """The same document, but for the names of files beside it and what names the batch."""
    wanted = json.loads((predicted(model, name) / "predictions.json").read_text())
    del wanted["run"]
    if "coco" in wanted:
        wanted["coco"] = None
    for key in {"label", "overlay", "geojson"} & set(wanted["images"][0]):
        wanted["images"][0][key] = None

    assert send(both, files, address, name, JSON).json == wanted


def test_coco_and_geojson_are_the_files_of_zoo_predict(
    both: Any, files: Path, predicted: Callable[..., Path]
) -> None:
    """Byte for byte, and there is something in them."""
    out = predicted(TANKS, "scene.tif")

    coco = send(both, files, "tanks", "scene.tif", COCO)
    geojson = send(both, files, "tanks", "scene.tif", GEOJSON)

    assert coco.json["annotations"]
    assert coco.body == (out / "coco.json").read_bytes()
    assert geojson.body == (out / "scene.geojson").read_bytes()


def test_image_without_coordinates_has_no_geojson(both: Any, files: Path) -> None:
    """It is the image that lacks them, not the answer."""
    got = both.post((files / "scene.png").read_bytes(), "/v1/models/tanks/predict", Accept=GEOJSON)

    assert got.status == 422, got.body
    assert "coordinates" in got.json["detail"]


def test_score_thr_is_that_of_zoo_predict(
    both: Any, files: Path, predicted: Callable[..., Path]
) -> None:
    """Of one request alone: the next has the usual one."""
    out = predicted(TANKS, "scene.png", "--score-thr", "0.95")
    body, kind = form("scene.png", (files / "scene.png").read_bytes())
    path = "/v1/models/tanks/predict?score_thr=0.95"

    got = both.post(body, path, Accept=COCO, Content_Type=kind)

    assert got.body == (out / "coco.json").read_bytes()
    later = both.post(body, "/v1/models/tanks/predict", Accept=JSON, Content_Type=kind)
    assert later.json["images"][0]["score_thr"] == 0.5


def test_json_includes_pixels_on_demand(both: Any, files: Path) -> None:
    """The labels, the masks, and the picture as the model saw it."""
    xray, scene = (files / "xray.png").read_bytes(), (files / "scene.png").read_bytes()
    lung, tanks = f"/v1/models/{LUNG}/predict", "/v1/models/tanks/predict"

    one = both.post(xray, f"{lung}?include=image,label", Accept=JSON).json["images"][0]
    two = both.post(scene, f"{tanks}?include=masks", Accept=JSON).json["images"][0]

    head, _, label = one["label"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(label) == both.post(xray, lung).body
    assert base64.b64decode(one["image"].partition(",")[2]).startswith(b"\xff\xd8\xff")
    coco = both.post(scene, tanks, Accept=COCO).json["annotations"]
    assert [each["segmentation"] for each in two["instances"]] == [
        each["segmentation"] for each in coco
    ]


def test_accept_chooses_by_preference(both: Any, files: Path) -> None:
    """Quality decides, then the order of what is offered; no header means JSON."""
    body, path = (files / "xray.png").read_bytes(), f"/v1/models/{LUNG}/predict"
    for accept, kind in (
        ("image/png;q=0.4, application/json;q=0.5", JSON),
        ("image/*", "image/png"),
        ("*/*", JSON),
        ("application/json;q=0, */*;q=0.1", "image/png"),
    ):
        assert both.post(body, path, Accept=accept).kind == kind, accept


def test_short_addresses_need_one_model(both: Any, files: Path) -> None:
    """With two models, the problem names them."""
    got = both.post((files / "xray.png").read_bytes())

    assert got.status == 404
    assert LUNG in got.json["detail"]
    assert "tanks" in got.json["detail"]


def test_description_names_addresses_that_answer(both: Any, files: Path) -> None:
    """Every operation of /openapi.json answers, with a status and a type that it states."""
    description = both.ask("GET", "/openapi.json").json
    assert description["openapi"].startswith("3.1")
    count = 0
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            body = (files / "xray.png").read_bytes() if method == "post" else None
            content = operation["responses"]["200"]["content"]
            for kind in content:
                got = both.ask(method.upper(), path, body, Accept=kind)
                if kind == GEOJSON:
                    assert got.status == 422
                    continue
                assert got.status == 200, (path, got.body)
                assert got.kind.partition(";")[0] == kind
                count += 1
    assert count >= 11


def test_models_state_their_classes_and_terms(both: Any) -> None:
    """What a client needs to show a result: classes, colours, licence, notice, addresses."""
    models = both.ask("GET", "/v1/models").json["models"]

    assert [model["name"] for model in models] == [LUNG, "tanks"]
    lung = both.ask("GET", f"/v1/models/{LUNG}").json
    assert lung == models[0]
    assert lung["classes"] == ["background", "lung"]
    assert len(lung["palette"]) == 2
    assert "Not a medical device" in lung["notice"]
    assert len(lung["sha256"]) == 64


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_from_elsewhere(both: Any, path: str) -> None:
    """One file each, and a policy that forbids everything else; no script from an address."""
    got = both.ask("GET", path)

    text = got.body.decode()
    assert got.kind.startswith("text/html")
    assert "http://" not in text
    assert "https://" not in text
    assert " src=" not in text
    policy = got.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "/*STYLE*/" not in text
    assert "<!--ROWS-->" not in text


def test_metrics_are_text_of_prometheus(both: Any) -> None:
    """Another reader of the format takes it."""
    parser = pytest.importorskip("prometheus_client.parser")
    got = both.ask("GET", "/metrics")

    families = {each.name for each in parser.text_string_to_metric_families(got.body.decode())}

    assert {
        "zoo_requests",
        "zoo_request_seconds",
        "zoo_queue_length",
        "zoo_processes_ready",
    } <= families
    assert got.headers["content-type"].startswith("text/plain")
