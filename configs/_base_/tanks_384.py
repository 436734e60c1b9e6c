"""As tanks, in crops of 384x384 enlarged by half, for a CPU; locates small tanks more exactly."""

_base_ = ["tanks_val_loss.py"]
crop_size = (384, 384)  # px, width and height
zoom = 1.5  # input pixels of the network per image pixel
_resize = dict(_edit_=True, Resize=dict(scale_factor=zoom))

train_pipeline = dict(
    _edit_=True, RandomInstanceCrop=dict(size=crop_size, scale=(zoom / 1.6, zoom * 1.6))
)
train_dataloader = dict(sampler=dict(type="InfiniteSampler", shuffle=True))
test_pipeline = _resize
val_loss_dataloader = dict(dataset=dict(pipeline=_resize))
