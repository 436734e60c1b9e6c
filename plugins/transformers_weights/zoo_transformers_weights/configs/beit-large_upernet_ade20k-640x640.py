"""BEiT-L with UPerNet on ADE20K: the original's blocks, the hub's normalization.

transformers reads each level two blocks earlier than the original, which its own numbers say.
"""

_base_ = ["mmseg::beit/beit-large_upernet_8xb1-amp-160k_ade20k-640x640.py"]
model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    pretrained=None,
    backbone=dict(norm_cfg=dict(type="LN", eps=1e-12)),
)
