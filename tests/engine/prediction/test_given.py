# SPDX-License-Identifier: Apache-2.0
"""A predictor takes what Python has for pictures, all alike, and refuses the rest by what it is."""

from __future__ import annotations

import io
import os
import pathlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zoo.errors import DataError, ZooError

pytestmark = pytest.mark.mm
torch = pytest.importorskip("torch")
pil = pytest.importorskip("PIL.Image")

from zoo.engine.prediction.given import take_image  # noqa: E402 (after the skip)
from zoo.engine.prediction.predictor import Predictor, load  # noqa: E402


class Text(str):
    """A path as some libraries have it."""


class Mapped:
    """What gives an array when asked, as arrays of other libraries do."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._array


def rgb() -> Any:
    return np.random.default_rng(7).integers(0, 256, (12, 17, 3), np.uint8)


def png(array: Any) -> bytes:
    stream = io.BytesIO()
    pil.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def stream(data: bytes, place: int = 0) -> io.BytesIO:
    found = io.BytesIO(data)
    found.seek(place)
    return found


def memory_map(array: Any, folder: Path) -> Any:
    found = np.memmap(folder / "x.raw", np.uint8, "w+", shape=array.shape)
    found[:] = array
    return found


def palette() -> Any:
    """Return a picture of eight colours, by numbers."""
    return pil.fromarray(rgb() & 0x80).quantize(8, dither=pil.Dither.NONE)


Make = Callable[[Any, Path], Any]
SAME: dict[str, Make] = {
    "grey column": lambda a, _: a,
    "rgba": lambda a, _: np.dstack([a, a[..., :1] // 2]),
    "fortran": lambda a, _: np.asfortranarray(a),
    "strided": lambda a, _: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2],
    "reversed": lambda a, _: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    "read-only": lambda a, _: np.frombuffer(a.tobytes(), np.uint8).reshape(a.shape),
    "masked, nothing of it": lambda a, _: np.ma.array(a),
    "memory map": memory_map,
    "other library": lambda a, _: Mapped(a),
    "memoryview": lambda a, _: memoryview(a),
    "tensor, channels last": lambda a, _: torch.from_numpy(a),
    "tensor, channels first": lambda a, _: torch.from_numpy(a).permute(2, 0, 1),
    "tensor, rgba first": lambda a, _: torch.from_numpy(
        np.dstack([a, a[..., :1]]).transpose(2, 0, 1).copy()
    ),
    "parameter": lambda a, _: torch.nn.Parameter(torch.from_numpy(a), requires_grad=False),
    "pil": lambda a, _: pil.fromarray(a),
    "pil rgba": lambda a, _: pil.fromarray(np.dstack([a, a[..., :1] // 2])),
    "pil cmyk of it": lambda a, _: pil.fromarray(a).convert("CMYK"),
    "pil opened": lambda a, _: pil.open(stream(png(a))),
    "bytes": lambda a, _: png(a),
    "bytearray": lambda a, _: bytearray(png(a)),
    "memoryview of bytes": lambda a, _: memoryview(png(a)),
    "stream": lambda a, _: stream(png(a)),
    "stream at its end": lambda a, _: stream(png(a), place=10**6),
    "stream in the middle": lambda a, _: stream(png(a), place=5),
}


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
def test_take_image_when_it_is_the_same_picture_then_equal_to_its_array(
    make: Make, tmp_path: Path
) -> None:
    """Transparency is dropped, not blended; nothing is turned, mirrored or put in another order."""
    from zoo.engine.scenes.arrays import as_picture

    taken, _ = take_image(make(rgb(), tmp_path))

    assert isinstance(taken, np.ndarray)
    assert np.array_equal(as_picture(taken), rgb())


GREY: dict[str, Make] = {
    "array": lambda a, _: a,
    "array with a channel": lambda a, _: a[..., None],
    "tensor": lambda a, _: torch.from_numpy(a),
    "tensor, channel first": lambda a, _: torch.from_numpy(a)[None],
    "pil": lambda a, _: pil.fromarray(a),
    "pil, grey and alpha": lambda a, _: pil.fromarray(np.dstack([a, a // 3]), "LA"),
}


@pytest.mark.parametrize("make", GREY.values(), ids=GREY)
def test_take_image_when_grey_then_rows_and_columns(make: Make, tmp_path: Path) -> None:
    from zoo.engine.scenes.arrays import as_picture

    grey = rgb()[..., 0].copy()

    taken, _ = take_image(make(grey, tmp_path))

    assert np.array_equal(as_picture(taken), grey)


DEEP: dict[str, Make] = {
    "big endian": lambda a, _: a.astype(">u2"),
    "tensor": lambda a, _: torch.from_numpy(a),
    "pil of 16 bits": lambda a, _: pil.fromarray(a),
    "pil of 32 bits": lambda a, _: pil.fromarray(a.astype(np.int32)),
    "bytes": lambda a, _: png(a),
}


@pytest.mark.parametrize("make", DEEP.values(), ids=DEEP)
def test_take_image_when_16_bits_then_all_of_them(make: Make, tmp_path: Path) -> None:
    """No kind cuts the lower byte off, or swaps the two."""
    deep = rgb()[..., 0].astype(np.uint16) * 200 + 7

    taken, _ = take_image(make(deep, tmp_path))

    assert isinstance(taken, np.ndarray)
    assert taken.dtype == np.uint16
    assert taken.dtype.isnative
    assert np.array_equal(taken, deep)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (pil.fromarray(rgb()[..., 0] > 99), (rgb()[..., 0] > 99) * 255),
        (palette(), np.asarray(palette().convert("RGB"))),
    ],
    ids=["one bit", "palette"],
)
def test_take_image_when_pil_has_numbers_for_colours_then_colours(
    picture: Any, expected: Any
) -> None:
    taken, _ = take_image(picture)

    assert np.array_equal(taken, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_take_image_when_pil_has_an_orientation_then_as_its_file_is_seen(
    orientation: int, tmp_path: Path
) -> None:
    """An opened file and its path are one picture."""
    from zoo.data import decode_image

    exif = pil.Exif()
    exif[0x112] = orientation
    smooth = np.kron(rgb()[:3, :4], np.ones((16, 16, 1), np.uint8))
    pil.fromarray(smooth).save(tmp_path / "x.jpg", quality=95, subsampling=0, exif=exif)

    taken, _ = take_image(pil.open(tmp_path / "x.jpg"))

    expected = decode_image((tmp_path / "x.jpg").read_bytes(), "x.jpg")
    assert taken.shape == expected.shape  # type: ignore[union-attr]
    assert np.abs(np.asarray(taken, np.int16) - expected).max() <= 4


@pytest.mark.parametrize(
    "kind", [str, Text, Path, pathlib.PurePosixPath], ids=["str", "subclass", "Path", "PurePath"]
)
def test_take_image_when_path_then_text(kind: Callable[[str], Any]) -> None:
    """A path stays one, be the file there or not."""
    assert take_image(kind("a/b.png")) == ("a/b.png", False)


# What is not a picture of numbers, and what an obedient reader does about it.
REFUSED: dict[str, tuple[Any, str]] = {
    "0 to 1": (rgb() / 255.0, "shape (12, 17, 3) and type float64"),
    "0 to 1 halved": ((rgb() / 255).astype(np.float16), "shape (12, 17, 3) and type float16"),
    "0 to 255": (rgb().astype(np.float32), "shape (12, 17, 3) and type float32"),
    "0 to 65535": (rgb()[..., 0] * 257.0, "shape (12, 17) and type float64"),
    "negative": (rgb() - 128.0, "shape (12, 17, 3) and type float64"),
    "huge": (rgb() * 1e9, "shape (12, 17, 3) and type float64"),
    "nan": (np.where(rgb() > 250, np.nan, rgb()), "shape (12, 17, 3) and type float64"),
    "int64": (rgb().astype(np.int64), "shape (12, 17, 3) and type int64"),
    "int8": (rgb().view(np.int8), "shape (12, 17, 3) and type int8"),
    "uint32": (rgb()[..., 0].astype(np.uint32) * 200, "shape (12, 17) and type uint32"),
    "bool": (rgb()[..., 0] > 99, "shape (12, 17) and type bool"),
    "channels first": (rgb().transpose(2, 0, 1), "shape (3, 12, 17) and type uint8"),
    "channels first, floats": ((rgb() / 255).transpose(2, 0, 1), "shape (3, 12, 17)"),
    "batch": (rgb()[None], "shape (1, 12, 17, 3) and type uint8"),
    "batch, channels first": (rgb().transpose(2, 0, 1)[None], "shape (1, 3, 12, 17)"),
    "bands": (np.dstack([rgb(), rgb()]), "shape (12, 17, 6) and type uint8"),
    "two channels": (rgb()[..., :2], "shape (12, 17, 2) and type uint8"),
    "masked": (np.ma.masked_greater(rgb(), 250), "of its values are masked"),
    "encoded": (np.frombuffer(png(rgb()), np.uint8), "and type uint8"),
    "list": (rgb().tolist(), "a list of shape (12, 17, 3) and type int64"),
    "tuple": (tuple((rgb()[..., 0] / 255).tolist()), "a tuple of shape (12, 17) and type float64"),
    "tensor 0 to 1": (torch.rand(3, 12, 17), "shape (3, 12, 17) and type torch.float32"),
    "tensor half": (torch.rand(12, 17, 3).bfloat16(), "type torch.bfloat16"),
    "tensor of gradients": (torch.rand(3, 12, 17, requires_grad=True), "type torch.float32"),
    "tensor normalised": (torch.randn(3, 12, 17), "type torch.float32"),
    "tensor int64": (torch.randint(0, 256, (12, 17)), "shape (12, 17) and type torch.int64"),
    "tensor bool": (torch.rand(12, 17) > 0.5, "type torch.bool"),
    "tensor batch": (torch.zeros(2, 3, 12, 17, dtype=torch.uint8), "shape (2, 3, 12, 17)"),
    "tensor of bands": (torch.zeros(6, 12, 17, dtype=torch.uint8), "shape (6, 12, 17)"),
    "tensor ambiguous": (torch.zeros(3, 12, 3, dtype=torch.uint8), "shape (3, 12, 3)"),
    "tensor sparse": (torch.zeros(12, 17, dtype=torch.uint8).to_sparse(), "shape (12, 17)"),
}
CODE = re.compile(r"give (?P<code>(?:image|numpy|torch|\().*)\.$")


@pytest.mark.parametrize(("image", "says"), REFUSED.values(), ids=REFUSED)
def test_take_image_when_refused_then_its_hints_lead_to_a_picture(image: Any, says: str) -> None:
    """Shape and type are named; each hint holds code, and following them ends in a picture."""
    from zoo.engine.scenes.arrays import as_picture

    def follow(image: Any, depth: int = 0) -> Any:
        try:
            return as_picture(take_image(image)[0])  # type: ignore[arg-type]
        except DataError as error:
            refusal = error
        code = CODE.search(str(refusal.hint))
        if depth == 0:
            assert says in refusal.message
        assert code, refusal.hint
        assert depth < 5, "the hints lead in a circle"
        names = {"image": image, "numpy": np, "torch": torch}
        return follow(eval(code["code"], names), depth + 1)

    picture = follow(image)

    assert picture.dtype in (np.uint8, np.uint16)
    assert picture.size


class OnDevice:
    """An array that its library does not let go."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        message = "Implicit conversion to a NumPy array is not allowed."
        raise TypeError(message)


NO_IMAGE: dict[str, tuple[Any, str]] = {
    "array on a device": (OnDevice(), "an object of the type OnDevice"),
    "none": (None, "cannot read None as an image"),
    "number": (3, "cannot read 3 as an image"),
    "float": (0.5, "cannot read 0.5 as an image"),
    "true": (True, "cannot read True as an image"),
    "object": (object(), "an object of the type object"),
    "function": (print, "an object of the type builtin_function_or_method"),
    "dict": ({"image": 1}, "a dict of 1"),
    "paths": (["a.png", "b.png"], "a list of 2"),
    "arrays": ([rgb(), rgb()[:5]], "a list of 2"),
    "empty list": ([], "a list of 0"),
    "no text": ("", "''"),
    "nul": ("a\0.png", "'a\\x00.png'"),
    "bytes of nothing": (b"", "an empty file"),
    "bytes of text": (b"a.png", "starts with b'a.png'"),
    "cut": (png(rgb())[:-20], "truncated"),
    "empty": (rgb()[:0], "shape (0, 17, 3) and type uint8"),
    "empty tensor": (torch.zeros(0, 12, 3), "shape (0, 12, 3) and type torch.float32"),
    "scalar": (np.uint8(3), "shape () and type uint8"),
    "flat": (rgb().ravel().astype(float), "shape (612,) and type float64"),
    "text array": (np.array([["a", "b"]]), "shape (1, 2) and type <U1"),
    "objects": (np.array([[None, {}]]), "shape (1, 2) and type object"),
    "complex": (rgb()[..., 0] * 1j, "type complex128"),
    "complex tensor": (torch.zeros(3, 12, 17, dtype=torch.complex64), "type torch.complex64"),
    "meta tensor": (torch.zeros(3, 12, 17, device="meta"), "type torch.float32"),
    "pil of nothing": (pil.new("RGB", (0, 5)), "shape (5, 0, 3)"),
    "pil of floats": (pil.new("F", (5, 5), -7), "shape (5, 5) and type float32"),
    "closed stream": (stream(b"x").close() or None, "cannot read None as an image"),
    "text stream": (io.StringIO("x"), "it gives str, expected bytes"),
}


@pytest.mark.parametrize(("image", "says"), NO_IMAGE.values(), ids=NO_IMAGE)
def test_take_image_when_it_is_no_image_then_one_message_names_it(image: Any, says: str) -> None:
    """Never an error of Python's, and a hint each."""
    from zoo.engine.scenes.arrays import as_picture

    with pytest.raises(DataError) as caught:
        as_picture(take_image(image)[0])  # type: ignore[arg-type]

    assert says in caught.value.message
    assert caught.value.hint


@settings(max_examples=300, deadline=None)
@given(
    hnp.arrays(
        st.one_of(
            hnp.boolean_dtypes(),
            hnp.integer_dtypes(),
            hnp.unsigned_integer_dtypes(endianness="?"),
            hnp.floating_dtypes(endianness="?"),
            hnp.complex_number_dtypes(),
            hnp.datetime64_dtypes(),
            hnp.byte_string_dtypes(max_len=4),
        ),
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6),
    )
)
def test_take_image_when_any_array_then_a_picture_or_one_error(array: Any) -> None:
    """Of every type, byte order and number of axes: nothing else comes of it."""
    from zoo.engine.scenes.arrays import as_picture

    try:
        picture = as_picture(take_image(array)[0])  # type: ignore[arg-type]
    except DataError as error:
        refusal = error
    else:
        assert picture.dtype in (np.uint8, np.uint16)
        assert picture.ndim == 2 or picture.shape[2:] == (3,)
        assert picture.shape[:2] == array.shape[:2]
        return

    assert f"of shape {array.shape} and type " in refusal.message
    assert refusal.hint


def test_take_image_when_stream_then_left_where_it_was() -> None:
    """Its owner may read on."""
    opened = stream(png(rgb()), place=3)

    take_image(opened)

    assert opened.tell() == 3


def test_take_image_when_stream_is_closed_or_only_written_then_refused(tmp_path: Path) -> None:
    closed = stream(png(rgb()))
    closed.close()
    with (tmp_path / "x").open("wb") as written:
        for opened in (closed, written):
            with pytest.raises(DataError, match="it returns no bytes"):
                take_image(opened)


def test_predictor_when_given_the_same_in_many_forms_then_the_same_labels(
    bright_run: Path, tmp_path: Path
) -> None:
    """Through a model, to its areas."""
    predictor = Predictor(bright_run)
    expected = predictor(rgb())

    for name, make in SAME.items():
        found = predictor(make(rgb(), tmp_path))
        assert np.array_equal(found.labels, expected.labels), name  # type: ignore[union-attr]


def test_predictor_when_given_instances_in_many_forms_then_the_same_objects(
    make_blobs_run: Callable[..., Path],
) -> None:
    """The way of scenes, which is cut into windows."""
    predictor = Predictor(make_blobs_run())
    scene = np.zeros((90, 130, 3), np.uint8)
    scene[20:30, 40:60] = 180
    expected = predictor(scene)

    for picture in (pil.fromarray(scene), png(scene), torch.from_numpy(scene).permute(2, 0, 1)):
        found = predictor(picture)
        assert found.counts == expected.counts == {"tank": 1, "roof": 0}  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("bands", [None, (3, 2, 1)])
def test_predictor_when_given_the_bytes_of_a_raster_then_as_its_file(
    bright_run: Path, tmp_path: Path, dtype: str, bands: Any
) -> None:
    """Bands that were chosen, and what is missing of 16 bits, count as in the file."""
    rasterio = pytest.importorskip("rasterio")
    values = np.moveaxis(rgb(), 2, 0).astype(dtype) * (200 if dtype == "uint16" else 1)
    values[:, :3] = 0
    shape = {"width": 17, "height": 12, "count": 3, "dtype": dtype}
    with rasterio.open(tmp_path / "x.tif", "w", driver="GTiff", nodata=0, **shape) as dataset:
        dataset.write(values)
    predictor = Predictor(bright_run, bands=bands)

    found = predictor((tmp_path / "x.tif").read_bytes())

    expected = predictor(tmp_path / "x.tif")
    assert np.array_equal(found.shown, expected.shown)  # type: ignore[union-attr]
    assert np.array_equal(found.labels, expected.labels)  # type: ignore[union-attr]


@pytest.mark.parametrize("image", [None, 3, [1], "no.png", Path("no.png"), "", b"x", rgb() / 2])
def test_predictor_when_it_cannot_read_then_a_zoo_error(bright_run: Path, image: Any) -> None:
    """A caller catches one class of errors, whatever was given."""
    with pytest.raises(ZooError, match=r"cannot (read|decode)"):
        Predictor(bright_run)(image)


@pytest.mark.parametrize("name", [5, None, 0.5, b"unet", "", "a\0b", [], object(), rgb()])
@pytest.mark.parametrize("make", [load, Predictor])
def test_load_when_name_is_none_then_a_zoo_error(make: Callable[..., Any], name: Any) -> None:
    with pytest.raises(ZooError, match="cannot open the model") as caught:
        make(name)

    assert "zoo.list_weights()" in str(caught.value.hint)


@pytest.mark.parametrize("score_thr", [None, "0.5", float("nan"), -1, 2, []])
def test_predictor_when_threshold_is_none_then_a_zoo_error(
    bright_run: Path, score_thr: Any
) -> None:
    with pytest.raises(ZooError, match="cannot filter instances by the score"):
        Predictor(bright_run, score_thr=score_thr)


@pytest.mark.parametrize("device", [None, 0.5, [], "gpu", "cuda:99", object()])
def test_predictor_when_device_is_none_then_a_zoo_error(bright_run: Path, device: Any) -> None:
    with pytest.raises(ZooError, match="cannot use the device"):
        Predictor(bright_run, device=device)


def test_predictor_when_path_is_of_a_class_of_its_own_then_read(
    bright_run: Path, tmp_path: Path
) -> None:
    """As cloud paths and temporary files have it."""
    (tmp_path / "x.png").write_bytes(png(rgb()))

    class Place(os.PathLike):  # type: ignore[type-arg]
        def __fspath__(self) -> str:
            return str(tmp_path / "x.png")

    predictor = Predictor(bright_run)

    assert np.array_equal(
        predictor(Place()).labels,  # type: ignore[union-attr]
        predictor(rgb()).labels,  # type: ignore[union-attr]
    )


@pytest.mark.parametrize("task", ["semantic", None])
def test_load_of_the_task_that_is_wanted_gives_its_result(bright_run: Path, task: Any) -> None:
    """``task`` is checked against the model; it changes nothing else."""
    predictor = load(bright_run, task=task, device="cpu")

    assert predictor(np.zeros((4, 4), np.uint8)).task == predictor.model.task == "semantic"


def test_load_when_the_task_is_another_then_refused_with_a_way_out(bright_run: Path) -> None:
    """The hint is followed: it loads."""
    with pytest.raises(ZooError, match="for the task 'instance': its task is 'semantic'") as caught:
        load(bright_run, task="instance")

    assert caught.value.hint == "load it with task='semantic'."
    assert load(bright_run, task="semantic").model.task == "semantic"


@pytest.mark.parametrize("task", ["panoptic", "", 3, [], True])
def test_load_when_the_task_is_unknown_then_a_zoo_error(bright_run: Path, task: Any) -> None:
    with pytest.raises(ZooError, match="expected 'semantic' or 'instance'"):
        load(bright_run, task=task)
