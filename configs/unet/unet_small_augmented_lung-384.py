"""As unet_small_lung-512 at 384x384, varied as if from other hospitals, with averaged weights.

Results: docs/results.md.
"""

_base_ = [
    "../_base_/unet_small.py",
    "../_base_/lung_xray_augmented.py",
    "../_base_/schedule_1200.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=(384, 384)))

# Saves the mean of the weights of the last steps.
custom_hooks = dict(_edit_=True, _after_=dict(type="EMAHook", momentum=0.004))
optim_wrapper = dict(optimizer=dict(weight_decay=1e-2))
param_scheduler = dict(_edit_=True, PolyLR=dict(end=2000))
train_cfg = dict(max_iters=2000)
