# SPDX-License-Identifier: Apache-2.0
"""The page in Chromium, opened from disk: its labels are those of the runtime without a browser."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from zoo_html_export.exporter import export
from zoo_runtime import Predictor

import zoo
from zoo.interfaces import ExportOptions

pytestmark = [pytest.mark.mm, pytest.mark.slow]

PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def exported(
    package: Path, write_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Return a file with postprocessing and its page."""
    steps = {"keep_largest": {"lung": 3}, "fill_holes": ["heart"]}
    path, out = write_model(postprocess=steps), tmp_path_factory.mktemp("page") / "toy.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        model = zoo.load(str(path), device="cpu")
        export(model, out, ExportOptions(name="toy", runtime=str(package)))
        export(model, out, ExportOptions(name="toy"))  # the cache keeps the package
    return path, out


@pytest.fixture(scope="module")
def page(browser: Any, exported: tuple[Path, Path]) -> Iterator[Any]:
    """Return the opened page; nothing may be refused by its policy, raised or requested."""
    faults: list[str] = []
    requests: list[str] = []
    opened = browser.new_context(accept_downloads=True).new_page()
    opened.set_default_timeout(PATIENCE_MS)
    opened.on("console", lambda message: faults.append(message.text))
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("request", lambda asked: requests.append(asked.url))
    opened.goto(exported[1].as_uri())
    opened.wait_for_selector("#status:text('Ready'), #problem:not([hidden])")
    assert opened.is_hidden("#problem"), opened.inner_text("#problem")
    yield opened
    opened.close()
    assert faults == []
    # The worker's script is a part of the page.
    assert [url for url in requests[1:] if not url.startswith("blob:null/")] == []


def _image(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return pixels of blots, so that labels have parts and holes."""
    coarse = np.random.default_rng(seed).random((height // 6 + 2, width // 6 + 2, 3), np.float32)
    drawn = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(drawn * 255, 0, 255).astype(np.uint8)


def _png(image: Image.Image, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG", **options)
    return data.getvalue()


def _given(page: Any, name: str, data: bytes) -> None:
    kind = "image/jpeg" if name.endswith("jpg") else "image/png"
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": data})
    page.wait_for_selector(f"#status:text('{name}: '), #problem:has-text('{name}')")


def _labels(page: Any, name: str, data: bytes) -> NDArray[np.uint8]:
    """Return the labels that the page saves."""
    _given(page, name, data)
    assert page.is_hidden("#problem")
    with page.expect_download() as saved:
        page.click("text=Labels PNG")
    written = Path(saved.value.path()).read_bytes()
    image = Image.open(io.BytesIO(written))
    assert (saved.value.suggested_filename, image.mode) == (f"{name[:-4]}_label.png", "L")
    return np.asarray(image)


PNGS: dict[str, Callable[[], Image.Image]] = {
    "color": lambda: Image.fromarray(_image(130, 170)),
    "wide": lambda: Image.fromarray(_image(31, 301, 1)),
    "one pixel": lambda: Image.fromarray(_image(1, 1, 2)),
    "grey": lambda: Image.fromarray(_image(97, 64, 3)[..., 0]),
    "palette": lambda: Image.fromarray(_image(70, 90, 4)).quantize(60),
    "opaque": lambda: Image.fromarray(_image(50, 60, 5)).convert("RGBA"),
}


@pytest.mark.parametrize("kind", PNGS)
def test_labels_of_a_png_are_those_of_the_runtime(
    kind: str, page: Any, exported: tuple[Path, Path]
) -> None:
    """Colours, grey and palettes, with the postprocessing that the file states."""
    data = _png(PNGS[kind](), gamma=0.5)  # a gamma that a browser would apply

    found = _labels(page, f"{kind.replace(' ', '_')}.png", data)

    wanted = Predictor(exported[0])(data).labels
    assert found.shape == wanted.shape
    assert (found != wanted).mean() <= 1e-4


def test_postprocessing_changes_what_the_tests_compare(exported: tuple[Path, Path]) -> None:
    """Or else the comparison would not see it."""
    image = _image(130, 170)

    cleaned, raw = Predictor(exported[0])(image), Predictor(exported[0], postprocess=None)(image)

    removed, filled = (
        (raw.labels == 1) > (cleaned.labels == 1),
        (cleaned.labels == 2) > (raw.labels == 2),
    )
    assert removed.sum() > 50
    assert filled.sum() > 5


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_jpeg_is_upright_and_its_labels_are_nearly_those_of_the_runtime(
    orientation: int, page: Any, exported: tuple[Path, Path]
) -> None:
    """Decoders may round another way."""
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(_image(80, 120, 6)).save(data, "JPEG", quality=95, exif=exif)

    found = _labels(page, f"turned_{orientation}.jpg", data.getvalue())

    wanted = Predictor(exported[0])(data.getvalue()).labels
    assert found.shape == wanted.shape
    assert (found != wanted).mean() < 0.02


def _transparent() -> bytes:
    pixels = np.dstack([_image(20, 20), np.full((20, 20), 255, np.uint8)])
    pixels[3, 4, 3] = 254
    return _png(Image.fromarray(pixels))


def _four_inks() -> bytes:
    data = io.BytesIO()
    Image.fromarray(_image(20, 20)).convert("CMYK").save(data, "JPEG")
    return data.getvalue()


REFUSED = {
    "16.png": (lambda: _png(Image.fromarray(np.full((9, 9), 5000, np.uint16))), "it has 16 bits"),
    "seen.png": (_transparent, "it has transparent pixels"),
    "inks.jpg": (_four_inks, "it is a JPEG of four inks"),
    "chest.dcm": (lambda: bytes(128) + b"DICM" + bytes(64), "it is a DICOM"),
    "scan.tif": (lambda: b"II*\0" + bytes(64), "it is a TIFF"),
    "cut.png": (lambda: _png(Image.fromarray(_image(90, 90)))[:2000], "it is damaged"),
    "text.png": (lambda: b"no image", "it is no PNG or JPEG"),
    "empty.png": (lambda: b"", "it is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_browser_would_change_is_refused(name: str, page: Any) -> None:
    """With one message, and what to do instead; the next image is predicted."""
    make, fault = REFUSED[name]

    _given(page, name, make())

    assert f"Cannot read {name}: {fault}" in page.inner_text("#problem strong")
    assert "zoo predict" in page.inner_text("#problem span")
    _labels(page, "next.png", _png(Image.fromarray(_image(20, 30))))


def test_table_tells_areas_and_the_page_what_it_runs(
    page: Any, exported: tuple[Path, Path]
) -> None:
    """The areas of the runtime, the record and the certificate."""
    data = _png(Image.fromarray(_image(40, 50, 7)))

    _labels(page, "areas.png", data)
    rows = page.locator("#legend tbody tr").all_inner_texts()
    page.click("text=About this model")
    facts = page.inner_text("#facts")

    wanted = Predictor(exported[0])(data).areas_px
    assert [f"{wanted[name]:,} px" in row for name, row in zip(wanted, rows, strict=True)] == [
        True
    ] * 3
    assert Predictor(exported[0]).sha256 in facts
    assert "onnxruntime-web 1.30.0" in facts
