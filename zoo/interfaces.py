# SPDX-License-Identifier: Apache-2.0
"""What each kind of contribution is called with, and what it must give back.

These are Protocols: a plugin's class fits by having the methods, whatever it inherits from. In
practice most inherit from an mmengine, mmseg or mmdet class, which brings them along; what is
written here is what the engine and OpenMMLab's heads, loops and runners rely on.
``zoo.testing.PluginConformance`` checks it. Shapes follow ``docs/glossary.md``: N images,
C classes, H and W pixels, K instances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.data import Draft, Report, Shares

__all__ = [
    "Buildable",
    "Dataset",
    "Evaluator",
    "Hook",
    "ImageValues",
    "InitTarget",
    "Loop",
    "Loss",
    "MaskLoss",
    "Metric",
    "Module",
    "OptimWrapperConstructor",
    "Optimizer",
    "ParamScheduler",
    "PerImageMetric",
    "PrepareTarget",
    "Progress",
    "SampleTarget",
    "Sampler",
    "Transform",
]

Progress = Callable[[int, int], None]
"""Called with how many files are done and how many there are; may be called rarely."""


class Buildable(Protocol):
    """Anything that a config builds by ``type=`` with the other keys as keyword arguments."""

    def __call__(self, **kwargs: Any) -> Any:
        """Return the instance, or a function's value."""


class Dataset(Protocol):
    """Images with labels, as mmengine's ``BaseDataset`` lays it down.

    Built with ``data_root``, ``ann_file``, ``data_prefix``, ``pipeline``, ``metainfo`` and
    ``test_mode`` as keywords; with ``--data DIR`` the engine sets the first three and
    ``metainfo`` from ``DIR/dataset.json``:

    * semantic: ``ann_file="splits/<split>.txt"`` (stems, one a line),
      ``data_prefix=dict(img_path="images", seg_map_path="masks")``, files
      ``<stem>.png``. Each item holds ``inputs``, a uint8 tensor ``(3, H, W)``, and
      ``data_samples``, a mmseg ``SegDataSample`` whose ``gt_sem_seg.data`` is ``(1, H, W)`` int64
      of ids in ``[0, C)`` or 255, which counts nowhere.
    * instance: ``ann_file`` is COCO JSON. ``data_samples`` is a mmdet ``DetDataSample`` whose
      ``gt_instances`` has ``bboxes`` ``(K, 4)`` xyxy in px, half-open, ``labels`` ``(K,)`` int64
      and ``masks``.

    An item's ``data_samples.metainfo`` holds at least ``img_path``, ``ori_shape`` and
    ``img_shape``. The object must pickle: loader workers are spawned, and build nothing anew.
    """

    @property
    def metainfo(self) -> Mapping[str, Any]:
        """``classes``, in the order of ids, and ``palette``, one ``[r, g, b]`` a class."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, index: int) -> Any:
        """Return one item, gone through the pipeline."""

    def get_data_info(self, index: int) -> Mapping[str, Any]:
        """Return what the pipeline starts from: ``img_path``, ``seg_map_path``, ...

        Args:
            index: Of the image, from 0.
        """

    def full_init(self) -> None:
        """Read the annotations; called once, before the first item."""


class Loss(Protocol):
    """A loss as mmseg's decode heads call it: ``loss(pred, target, weight=..., ignore_index=...)``.

    A head holds one loss or a list of them. Each is called with the same arguments; values of
    equal ``loss_name`` are added up. Only values whose name contains ``loss`` are trained on.
    """

    @property
    def loss_name(self) -> str:
        """Key in the log, such as ``loss_dice``; must contain ``loss``."""

    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Return a loss of shape ``()``, finite and differentiable in ``pred``.

        Args:
            pred: ``(N, C, H, W)`` float logits, already at the size of the target. Under
                mixed precision they are float16 or bfloat16.
            target: ``(N, H, W)`` int64, ids in ``[0, C)`` or ``ignore_index``. All of it may be
                ignored, and classes may be absent: the value stays finite.
            weight: ``(N, H, W)`` float of the head's pixel sampler, or None without one.
            ignore_index: Id of pixels that count nowhere; passed by keyword.
        """


class MaskLoss(Protocol):
    """A loss as mmdet's mask heads call it: ``loss(pred, target, labels)``, by position.

    The head builds one module, not a list, and logs what it returns as ``loss_mask``; it never
    passes ``weight`` or ``ignore_index``, and does not call it when an image has no instance.
    """

    def __call__(self, pred: Tensor, target: Tensor, labels: Tensor) -> Tensor:
        """Return a loss of shape ``()`` or ``(1,)``, differentiable in ``pred``.

        Args:
            pred: ``(K, C, h, w)`` float logits, one plane a class.
            target: ``(K, h, w)`` float, 1 inside the instance and 0 outside.
            labels: ``(K,)`` int64: which plane of each instance counts. A class-agnostic head
                has C = 1 and passes zeros.
        """


class Hook(Protocol):
    """Code that a run calls at its points; a subclass of mmengine's ``Hook``, built once a run.

    The order within a training run: ``before_run``, (``after_load_checkpoint``,)
    ``before_train``, then per epoch ``before_train_epoch``, per step ``before_train_iter`` and
    ``after_train_iter``, ``after_train_epoch``; validation runs between epochs, or between steps of
    an iteration-based loop, as ``before_val``, ``before_val_epoch``, ``before_val_iter``,
    ``after_val_iter``, ``after_val_epoch``, ``after_val``; at last ``after_train`` and
    ``after_run``. A test run has the same points with ``test``. An iteration-based loop calls
    ``before_train_epoch`` and ``after_train_epoch`` once. Hooks of one point run in the order of
    their ``priority``. A hook that raises ends the run, and the checkpoints written so far stay.
    """

    priority: str | int

    def before_run(self, runner: Any) -> None:
        """Run before anything else; model and loaders may not be built yet.

        Args:
            runner: The run.
        """

    def before_train(self, runner: Any) -> None:
        """Run once before training, model, optimizer and loader being there.

        Args:
            runner: The run.
        """

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Mapping[str, Any] | None = None
    ) -> None:
        """Run before a step; ``data_batch`` holds ``inputs`` and ``data_samples`` as collated.

        Args:
            runner: The run.
            batch_idx: Of the step in its epoch, from 0.
            data_batch: As collated.
        """

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Run after a step's optimizer update; ``outputs`` holds ``loss`` and each part of it.

        Reading a value of a tensor here waits for the device: do so only at the intervals needed.

        Args:
            runner: The run.
            batch_idx: Of the step in its epoch, from 0.
            data_batch: As collated.
            outputs: Scalars.
        """

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Run after each validation, with the metrics.

        Args:
            runner: The run.
            metrics: Name -> value.
        """

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Run before a checkpoint is written; what is put in must be tensors and plain values.

        Args:
            runner: The run.
            checkpoint: What is about to be written; changed in place.
        """

    def after_run(self, runner: Any) -> None:
        """Run at the very end of a run that did not fail.

        Args:
            runner: The run.
        """


class Transform(Protocol):
    """One step of a data pipeline, usually a subclass of mmcv's ``BaseTransform``.

    ``results`` holds, as far as earlier steps put it there: ``img`` ``(H, W, 3)`` or ``(H, W)``
    array in BGR order, ``img_path``, ``img_shape`` and ``ori_shape`` as ``(H, W)``,
    ``gt_seg_map`` ``(H, W)`` uint8, ``gt_bboxes`` ``(K, 4)``, ``gt_bboxes_labels`` ``(K,)``,
    ``gt_masks``, and ``seg_fields``, the keys that geometric steps must move along with the image.
    Test pipelines run without labels too: missing ones are left alone. A random transform draws
    from ``numpy.random`` or ``random``, which the loader seeds in each worker. It must pickle.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Return the results, changed in place or not; None drops this image for another one."""


class ImageValues(TypedDict):
    """Values of one image: ``file`` is its path as the data set gives it (``img_path``)."""

    file: str
    values: dict[str, float]


class Metric(Protocol):
    """A score over a data set, usually a subclass of mmengine's ``BaseMetric``."""

    dataset_meta: Mapping[str, Any] | None
    """``classes`` and ``palette`` of the data set; set by the runner before the first batch."""

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Take in one batch of predictions, as dicts; called under ``torch.no_grad``.

        Args:
            data_batch: As collated.
            data_samples: One for each image of the batch.
        """

    def evaluate(self, size: int) -> Mapping[str, float]:
        """Return the values over the ``size`` images taken in, and forget them.

        Args:
            size: Images of the split.
        """


class PerImageMetric(Metric, Protocol):
    """A metric that also tells its values image by image.

    ``zoo test --out FILE.json`` keeps them and ``zoo plot`` draws them.
    """

    def per_image_values(self) -> list[ImageValues]:
        """Return the values of the images of the last ``evaluate``, in the order of the data set.

        A value that an image does not have (the class is absent from both sides) is left out of
        ``values`` rather than NaN.
        """


class Evaluator(Protocol):
    """A group of metrics, as mmengine's ``Evaluator``."""

    def process(self, data_samples: Sequence[Any], data_batch: Any | None = None) -> None:
        """Hand one batch to every metric.

        Args:
            data_samples: One for each image of the batch.
            data_batch: As collated.
        """

    def evaluate(self, size: int) -> Mapping[str, float]:
        """Return the values of all metrics.

        Args:
            size: Images of the split.
        """


class Sampler(Protocol):
    """The order of a data set's indices, built with ``dataset`` and, by mmengine, ``seed``."""

    def __iter__(self) -> Iterator[int]:
        """Yield indices, of this process alone where there are several."""

    def __len__(self) -> int:
        """Return how many are yielded; endless samplers give the data set's length."""

    def set_epoch(self, epoch: int) -> None:
        """Take the number of the epoch, so that shuffling differs and yet repeats.

        Args:
            epoch: From 0.
        """


class Loop(Protocol):
    """A training, validation or test loop, built with ``runner`` and ``dataloader``."""

    def run(self) -> Any:
        """Run all of it, calling the runner's hooks at their points."""


class Optimizer(Protocol):
    """A torch optimizer, built with ``params``."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters by their gradients.

        Args:
            closure: Computes the loss anew; most optimizers take none.
        """

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients.

        Args:
            set_to_none: Whether gradients are None afterwards, rather than 0.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return the state; tensors and plain values only, so that it loads without pickle."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state back.

        Args:
            state_dict: As ``state_dict`` returned it.
        """


class OptimWrapperConstructor(Protocol):
    """Makes an optimizer wrapper; built with ``optim_wrapper_cfg`` and ``paramwise_cfg``."""

    def __call__(self, model: Any) -> Any:
        """Return the wrapper around an optimizer of the model's parameters."""


class ParamScheduler(Protocol):
    """A schedule of one parameter of an optimizer, such as mmengine's ``_ParamScheduler``."""

    def step(self) -> None:
        """Go on by one epoch or step, as ``by_epoch`` says."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state; tensors and plain values only."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state back.

        Args:
            state_dict: As ``state_dict`` returned it.
        """


class Module(Protocol):
    """A network or a part of one: a ``torch.nn.Module``.

    A whole model's ``forward(inputs, data_samples, mode)`` returns a dict of losses for
    ``mode="loss"``, a list of data samples with predictions for ``"predict"``, and tensors for
    ``"tensor"``. A part is called as its place demands: a backbone takes ``(N, 3, H, W)`` and
    returns a tuple of feature maps, a head takes that tuple.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the module makes of its inputs."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return parameters and buffers."""


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
        """Write the prepared folder and return the report that lies in it too.

        Deterministic and idempotent: again with the same arguments, nothing is written and the
        report says so. The source is never changed. ``out`` appears whole or not at all.

        Args:
            source: Folder or .zip in the raw layout.
            out: Folder to write; it holds ``images/``, ``masks/``, ``splits/``,
                ``dataset.json`` and ``report.json`` afterwards.
            shares: Of train, val and test.
            progress: Called as files are done.
            options: One keyword for each ``[[dataset.option]]``, dashes as underscores.

        Raises:
            DataError: The source does not hold what it must; nothing is left at ``out``.
        """


class InitTarget(Protocol):
    """The function behind ``zoo data prepare --init``: a file to edit before ``prepare``."""

    def __call__(self, source: Path, *, progress: Progress | None = None, **options: Any) -> Draft:
        """Write one new file, such as a list of classes, and return what it says.

        Args:
            source: Folder or .zip in the raw layout, or what the user takes for it.
            progress: Called as files are done.
            options: Those of the prepare target.

        Raises:
            DataError: The file is there already, or the source is none that it can guess from;
                nothing is written.
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

        A target that has the keyword ``size_px`` as well gets the ``--size`` of the command.

        Args:
            out: Folder to write into; it is new or empty.
            seed: Equal seeds give equal bytes.
            count: How many images; None for the plugin's own choice.
            progress: Called as files are done.
        """
