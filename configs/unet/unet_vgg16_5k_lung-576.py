"""VGG-16 U-Net as keras-segmentation's vgg_unet, at 576x576, for a GPU; not yet trained.

From scratch, so the encoder also has batch norm. For ImageNet weights, which you download:
--cfg-options model.backbone.encoder.init_cfg.type=Pretrained
model.backbone.encoder.init_cfg.checkpoint=FILE (torchvision's vgg16_bn; its vgg16 and Keras' .h5
also need model.backbone.encoder.norm_cfg=None). Five epochs of 215 images: max_iters 135.
"""

_base_ = [
    "../_base_/unet_vgg16.py",
    "../_base_/lung_xray_256.py",
    "../_base_/schedule_250.py",
    "../_base_/default_runtime.py",
]
image_size = (576, 576)  # px, width and height
max_iters = 5000
model = dict(
    data_preprocessor=dict(size=image_size),
    backbone=dict(
        # Its fifth block is not used; one convolution per stage.
        encoder=dict(num_blocks=4),
        bridge_channels=512,
        decoder_channels=(256, 128, 64),
        num_convs=1,
        upsample="nearest",
    ),
    decode_head=dict(in_channels=64, channels=64, num_convs=0, concat_input=False),
)
_resize = dict(_edit_=True, Resize=dict(scale=image_size))
train_pipeline = dict(_edit_=True, RandomAffine=dict(size=image_size))
test_pipeline = _resize
train_dataloader = dict(batch_size=8, num_workers=8)
val_dataloader = dict(num_workers=4)
val_loss_dataloader = dict(batch_size=8, dataset=dict(pipeline=_resize))
test_dataloader = dict(num_workers=4)
param_scheduler = dict(_edit_=True, PolyLR=dict(end=max_iters))
train_cfg = dict(max_iters=max_iters, val_interval=500)
default_hooks = dict(checkpoint=dict(interval=500))
