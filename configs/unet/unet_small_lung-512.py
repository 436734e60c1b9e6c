"""U-Net of 1.8 M parameters on lung X-rays at 512x512, cross-entropy and Dice, for a CPU.

Results: docs/results.md.
"""

_base_ = [
    "../_base_/unet_small.py",
    "../_base_/lung_xray_val_loss.py",
    "../_base_/schedule_1200.py",
    "../_base_/default_runtime.py",
]
