# SPDX-License-Identifier: Apache-2.0
"""Read an image file into the model's input, through the config's own test pipeline."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import find_spacing_mm, read_file, read_picture, to_uint8
from zoo.data.pictures.decoding import BandChoice
from zoo.data.pictures.formats import check_whole, kind_of
from zoo.data.source.reading import open_file
from zoo.engine.config.building import explaining
from zoo.engine.config_parts.parts import find_test_pipeline
from zoo.engine.imports.light import light_imports
from zoo.engine.prediction.image_meta import meta_so_far, plain_meta
from zoo.engine.records.budget import current_budget
from zoo.engine.scenes.arrays import as_picture
from zoo.errors import ConfigError, DataError

if TYPE_CHECKING:
    from mmengine.config import Config
    from numpy.typing import NDArray

__all__ = ["ImageReader", "ReadImage"]

# What decoders raise on files of another format than expected; PIL raises SyntaxErrors too.
_READER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True, eq=False)
class ReadImage:
    """One image as read.

    Args:
        batch: The input of ``model.test_step``, a batch of one.
        shown: ``(H, W)`` or ``(H, W, 3)`` RGB uint8, for people to look at.
        meta: What the reader states about the image, as plain JSON values.
    """

    batch: dict[str, list[Any]]
    shown: NDArray[np.uint8]
    meta: dict[str, Any]


class ImageReader:
    """Reads images through a config's test pipeline, without its annotations.

    The first transforms load. If that is mmcv's own ``LoadImageFromFile``, pictures are read by
    :func:`zoo.data.read_picture`, as in ``zoo data prepare``, unless the config reads them
    ``unchanged``; then they are only checked to be complete. A plugin's loading transform gets
    the path and reads it by itself. Its optional method ``reads(path) -> bool`` says which files
    of other suffixes are images to it; with a method ``load_pixels(results, pixels) -> results``
    it also accepts arrays as pictures; and a method ``show(img) -> pixels`` returns what it loaded
    for people to look at, ``(H, W)`` or ``(H, W, 3)`` RGB uint8.

    Args:
        config: A resolved config; its default scope is set.
        bands: The bands of a TIFF that are red, green and blue, counted from 1, if it does not name
            them; a plugin's loading transform finds them under ``bands``.

    Raises:
        ConfigError: It has no test pipeline, or one that loads no image.
    """

    def __init__(self, config: Config, *, bands: BandChoice = None) -> None:
        from mmcv.transforms import LoadImageFromFile
        from mmengine.registry import TRANSFORMS, init_default_scope

        scope = config.get("default_scope", "mmseg")
        init_default_scope(scope)
        pipeline = find_test_pipeline(config)
        with light_imports(pipeline, scope):
            steps = [step for step in pipeline if not _loads_annotations(step)]
            if not steps:
                message = "cannot read images for this model: its test pipeline is empty."
                raise ConfigError(message, where="test_dataloader.dataset.pipeline")
            with explaining(config):
                self._steps: list[Callable[[dict[str, Any]], dict[str, Any] | None]] = [
                    TRANSFORMS.build(step) if isinstance(step, Mapping) else step for step in steps
                ]
        self._loader: Any = self._steps[0]
        self._bands = bands
        self._is_stock = type(self._loader) is LoadImageFromFile

    @property
    def steps(self) -> tuple[Callable[[dict[str, Any]], dict[str, Any] | None], ...]:
        """The built transforms without those of annotations; the first loads."""
        return tuple(self._steps)

    @property
    def takes_pixels(self) -> bool:
        """Whether 8-bit grey or RGB pixels can replace a file, as with mmcv's own loader."""
        return self._is_stock and self._loader.color_type != "unchanged"

    @property
    def takes_pictures(self) -> bool:
        """Whether pictures without a file are accepted, by mmcv's loader or ``load_pixels``."""
        return self._is_stock or hasattr(self._loader, "load_pixels")

    def reads(self, path: Path) -> bool:
        """Return whether the loading transform itself says that a file is an image.

        Args:
            path: A file; it is not opened unless the transform does.
        """
        own: Callable[[Path], bool] | None = getattr(self._loader, "reads", None)
        return own is not None and own(path)

    def read(
        self, image: str | os.PathLike[str] | NDArray[Any], *, where: str | None = None
    ) -> ReadImage:
        """Return one image as the model takes it.

        Args:
            image: A path; or an array, ``(H, W)`` grey or ``(H, W, 3)`` RGB, 8 or 16 bit. For a
                plugin's loading transform without ``load_pixels``, what that would have read.
            where: Its name in messages: for a part of a scene, the scene's file.

        Raises:
            DataError: The file cannot be read, is incomplete, or the pipeline fails on it.
        """
        if where is None:
            where = "an array" if isinstance(image, np.ndarray) else os.fspath(image)
        results: dict[str, Any] = {"img_path": where, "seg_fields": [], "reduce_zero_label": False}
        if self._bands is not None:
            results["bands"] = self._bands
        steps = self._steps
        if isinstance(image, np.ndarray):
            steps = [self._take_array(image), *steps[1:]]
        elif self.takes_pixels:
            pixels = self._decode(image)
            if pixels is not None:
                results["img"] = pixels
                steps = steps[1:]
        elif self._is_stock:
            check_whole(read_file(image), os.fspath(image))
        return self._run(steps, results, where)

    def _take_array(self, image: NDArray[Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """Return a step that uses an array instead of what the loading transform would read."""
        load_pixels = getattr(self._loader, "load_pixels", None)
        if load_pixels is not None:
            picture = as_picture(image)
            return lambda results: load_pixels(results, picture)
        pixels = self._as_loaded(image) if self._is_stock else image
        return lambda results: {**results, "img": pixels}

    def _run(
        self, steps: Sequence[Callable[..., Any]], results: dict[str, Any], where: str
    ) -> ReadImage:
        told, budget = meta_so_far(results), current_budget()
        for step in steps:
            if budget is not None and told is not None:
                budget.see_image(told["img"].shape[1], told["img"].shape[0], where)
                budget.check_step(step, results["img"])
            results = self._step(step, results, where)
            told = told or meta_so_far(results)
            if budget is not None and told is not None and "img" in results:
                budget.see_image(told["img"].shape[1], told["img"].shape[0], where)
                budget.check_picture(results["img"], step)
        if told is None or "inputs" not in results:
            message = f"cannot read {Path(where).name!r}: the test pipeline returns no input for "
            message += "the model."
            raise DataError(message, path=where)
        sample = results["data_samples"]
        if "ori_shape" not in sample.metainfo:
            message = f"cannot read {Path(where).name!r}: the test pipeline packs no 'ori_shape'."
            hint = "add it to meta_keys, or remove meta_keys."
            raise DataError(message, path=where, hint=hint)
        batch = {"inputs": [results["inputs"]], "data_samples": [sample]}
        shown = self._shown(told["img"], sample.metainfo["ori_shape"])
        meta = plain_meta({**told, **sample.metainfo})
        spacing_mm = None if "spacing_mm" in meta else find_spacing_mm(where)
        if spacing_mm is not None:
            meta["spacing_mm"] = list(spacing_mm)
        return ReadImage(batch, shown, meta)

    def _step(
        self, step: Callable[..., Any], results: dict[str, Any], where: str
    ) -> dict[str, Any]:
        import cv2

        try:
            done: dict[str, Any] | None = step(results)
        except (*_READER_ERRORS, cv2.error) as error:
            message = f"cannot read {Path(where).name!r}: {_reason(error)}."
            raise DataError(message, path=where) from error
        if done is None:
            message = f"cannot read {Path(where).name!r}: {type(step).__name__} returns nothing."
            raise DataError(message, path=where)
        return done

    def _decode(self, path: str | os.PathLike[str]) -> NDArray[Any] | None:
        """Return a file's pixels, or None if the loader itself must convert them to grey."""
        is_upright = not self._loader.color_type.endswith("ignore_orientation")
        picture = read_picture(path, bands=self._bands, upright=is_upright)
        # Codecs convert colours to grey by different rules, and training used OpenCV's.
        is_color = picture.pixels.ndim == 3 and not picture.is_deep
        if is_color and self._loader.color_type.startswith("grayscale"):
            with open_file(path) as stream:
                if kind_of(stream.read(1024)) in ("PNG", "JPEG"):
                    return None
        return self._as_loaded(picture.to_uint8())

    def _as_loaded(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return grey or RGB pixels as mmcv's loader would: 8-bit, BGR or grey, as configured."""
        import cv2

        loader = self._loader
        if loader.color_type == "unchanged":
            return image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
        pixels: NDArray[Any] = to_uint8(as_picture(image))
        is_grey = pixels.ndim == 2
        if loader.color_type.startswith("grayscale"):
            pixels = pixels if is_grey else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        elif is_grey:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
        else:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        return pixels.astype(np.float32) if loader.to_float32 else pixels

    def _shown(self, loaded: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.uint8]:
        import cv2

        show = getattr(self._loader, "show", None)
        if show is not None:
            image = show(loaded)
        else:
            image = loaded[..., 0] if loaded.ndim == 3 and loaded.shape[2] < 3 else loaded
        if show is None and image.ndim == 3:
            # OpenMMLab reads BGR; of more channels the first three are shown.
            image = np.ascontiguousarray(image[..., 2::-1])
        if self._is_stock and image.dtype == np.float32:
            image = np.clip(image, 0, 255).astype(np.uint8)
        if image.dtype != np.uint8:
            image = to_uint8(image)
        if tuple(shape[:2]) != image.shape[:2]:
            image = cv2.resize(image, (int(shape[1]), int(shape[0])), interpolation=cv2.INTER_AREA)
        return np.asarray(image, np.uint8)


def _loads_annotations(step: Any) -> bool:
    """Return whether a step reads masks: by its name, or as a subclass of mmcv's own."""
    from mmcv.transforms import LoadAnnotations
    from mmengine.registry import TRANSFORMS

    if not isinstance(step, Mapping):
        return isinstance(step, LoadAnnotations)
    kind = step["type"]
    name = kind if isinstance(kind, str) else kind.__name__
    last = name.rpartition(".")[2]
    if last.startswith("Load") and "Annotation" in last:
        return True
    found = TRANSFORMS.get(kind) if isinstance(kind, str) else kind
    return isinstance(found, type) and issubclass(found, LoadAnnotations)


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0].rstrip('.')}" if text else type(error).__name__
