"""The full U-Net (64 base channels, 29 M parameters) on lung X-rays at 512x512, for a GPU.

Not yet trained.
"""

_base_ = ["../_base_/unet_s5-d16_20k.py", "../_base_/lung_xray_val_loss.py"]
train_dataloader = dict(batch_size=8, num_workers=8)
val_dataloader = dict(num_workers=4)
val_loss_dataloader = dict(batch_size=8)
test_dataloader = dict(num_workers=4)
