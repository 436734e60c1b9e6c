# SPDX-License-Identifier: Apache-2.0
"""Data sets: prepared from raw files, read by a run, and transformed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

if TYPE_CHECKING:
    from zoo.data import Draft, Report, Shares

__all__ = [
    "Dataset",
    "ImageValues",
    "InitTarget",
    "PrepareTarget",
    "Progress",
    "SampleTarget",
    "Transform",
]

Progress = Callable[[int, int], None]
"""Called with how many files are done and how many there are; may be called rarely."""


class Dataset(Protocol):
    """Images with labels; follows mmengine's ``BaseDataset``.

    Built with the keywords ``data_root``, ``ann_file``, ``data_prefix``, ``pipeline``,
    ``metainfo`` and ``test_mode``. With ``--data DIR`` the engine sets the first three and
    ``metainfo`` from ``DIR/dataset.json``:

    * semantic: ``ann_file="splits/<split>.txt"`` (stems, one per line),
      ``data_prefix=dict(img_path="images", seg_map_path="masks")``, files
      ``<stem>.png``. Each item holds ``inputs``, a uint8 tensor ``(3, H, W)``, and
      ``data_samples``, a mmseg ``SegDataSample`` whose ``gt_sem_seg.data`` is ``(1, H, W)`` int64
      with ids in ``[0, C)``, or 255 for ignored pixels.
    * instance: ``ann_file`` is COCO JSON. ``data_samples`` is a mmdet ``DetDataSample`` whose
      ``gt_instances`` has ``bboxes`` ``(K, 4)`` xyxy in px, half-open, ``labels`` ``(K,)`` int64
      and ``masks``.

    The ``data_samples.metainfo`` of an item holds at least ``img_path``, ``ori_shape`` and
    ``img_shape``. The object must be picklable: loader workers are spawned and unpickle it.
    """

    @property
    def metainfo(self) -> Mapping[str, Any]:
        """``classes``, in the order of ids, and ``palette``, one ``[r, g, b]`` per class."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, index: int) -> Any:
        """Return one item after the pipeline."""

    def get_data_info(self, index: int) -> Mapping[str, Any]:
        """Return the input of the pipeline: ``img_path``, ``seg_map_path``, ...

        Args:
            index: Index of the image, from 0.
        """

    def full_init(self) -> None:
        """Read the annotations; called once before the first item."""


class Transform(Protocol):
    """One step of a data pipeline, usually a subclass of mmcv's ``BaseTransform``.

    ``results`` holds what earlier steps have added: ``img`` ``(H, W, 3)`` or ``(H, W)``
    array in BGR order, ``img_path``, ``img_shape`` and ``ori_shape`` as ``(H, W)``,
    ``gt_seg_map`` ``(H, W)`` uint8, ``gt_bboxes`` ``(K, 4)``, ``gt_bboxes_labels`` ``(K,)``,
    ``gt_masks``, and ``seg_fields``, the keys that geometric steps must transform with the image.
    Test pipelines also run without labels; skip missing ones. A random transform draws from
    ``numpy.random`` or ``random``, which the loader seeds in each worker. It must be picklable.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Return the results, changed in place or not; None replaces this image by another."""


class ImageValues(TypedDict):
    """Values of one image: ``file`` is its path in the data set (``img_path``)."""

    file: str
    values: dict[str, float]


class PrepareTarget(Protocol):
    """The function behind ``zoo data prepare``: raw download -> prepared folder."""

    def __call__(
        self,
        source: Path,
        out: Path,
        *,
        shares: Shares,
        progress: Progress | None = None,
        **options: Any,
    ) -> Report:
        """Write the prepared folder and return its report.

        Deterministic and idempotent: a second call with the same arguments writes nothing, and the
        report says so. The source is never changed. ``out`` is created completely or not at all.

        Args:
            source: Folder or .zip in the raw layout.
            out: Folder to write. It then contains ``images/``, ``masks/``, ``splits/``,
                ``dataset.json`` and ``report.json``.
            shares: Shares of train, val and test.
            progress: Called as files are done.
            options: One keyword per ``[[dataset.option]]``, with underscores for dashes.

        Raises:
            DataError: The source does not contain what it must; nothing is left at ``out``.
        """


class InitTarget(Protocol):
    """The function behind ``zoo data prepare --init``: a file to edit before ``prepare``."""

    def __call__(self, source: Path, *, progress: Progress | None = None, **options: Any) -> Draft:
        """Write one new file, such as a list of classes, and return a summary of it.

        Args:
            source: Folder or .zip, ideally in the raw layout.
            progress: Called as files are done.
            options: Options of the prepare target.

        Raises:
            DataError: The file already exists, or the source does not allow a guess; nothing is
                written.
        """


class SampleTarget(Protocol):
    """The function behind ``zoo data sample``: a synthetic data set in the raw layout."""

    def __call__(
        self,
        out: Path,
        *,
        seed: int = 0,
        count: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Write files that the prepare target accepts as a source.

        If the target also has the keyword ``size_px``, it receives ``--size`` of the command.

        Args:
            out: Output folder, new or empty.
            seed: Equal seeds give equal bytes.
            count: Number of images; None for the plugin's default.
            progress: Called as files are done.
        """
