"""As unet_small_lung-512, with cross-entropy alone; not yet trained."""

_base_ = ["unet_small_lung-512.py"]
model = dict(decode_head=dict(loss_decode=dict(_edit_=True, DiceLoss=None)))
