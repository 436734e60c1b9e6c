"""The U-Net of 2015 (31 M parameters), 572 px to 388, on lung X-rays, for a GPU; not yet trained.

X-rays are scaled to 388 px and mirror-padded by 92 px, so that every pixel is used in training.
"""

_base_ = ["unet_original-s16_lung-260.py"]
image_size = (388, 388)  # px, width and height
max_iters = 5000
model = dict(
    data_preprocessor=dict(size=(572, 572)),
    backbone=dict(base_channels=64),
    decode_head=dict(in_channels=64, channels=64),
)
_resize = dict(_edit_=True, Resize=dict(scale=image_size))
train_pipeline = dict(_edit_=True, RandomAffine=dict(size=image_size))
test_pipeline = _resize
train_dataloader = dict(batch_size=8, num_workers=8)
val_dataloader = dict(num_workers=4)
val_loss_dataloader = dict(batch_size=8, dataset=dict(pipeline=_resize))
test_dataloader = dict(num_workers=4)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = dict(
    _edit_=True,
    LinearLR=dict(end=200),
    PolyLR=dict(eta_min=1e-6, begin=200, end=max_iters),
)
train_cfg = dict(max_iters=max_iters, val_interval=500)
default_hooks = dict(checkpoint=dict(interval=500))
