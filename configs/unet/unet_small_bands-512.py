"""U-Net of 1.8 M parameters on your own TIFFs of any number of bands, for a CPU; with --data."""

_base_ = [
    "../_base_/unet_small.py",
    "../_base_/bands_512.py",
    "../_base_/schedule_1200.py",
    "../_base_/default_runtime.py",
]
model = dict(
    # Sides are multiples of what the encoder divides by; mean, std and in_channels are the data's.
    data_preprocessor=dict(size=None, size_divisor=32, test_cfg=dict(size_divisor=32)),
)
