"""The full U-Net (64 base channels, 29 M parameters) on your own data, for a GPU.

Train with --data. Not yet trained.
"""

_base_ = ["../_base_/unet_s5-d16_20k.py", "../_base_/semantic_512.py"]
train_dataloader = dict(batch_size=8, num_workers=8)
val_dataloader = dict(num_workers=4)
val_loss_dataloader = dict(batch_size=8)
test_dataloader = dict(num_workers=4)
