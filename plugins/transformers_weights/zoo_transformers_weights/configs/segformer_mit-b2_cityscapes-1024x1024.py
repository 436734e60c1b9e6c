"""SegFormer B2 on Cityscapes as transformers computes it.

Its level projections have no ReLU, its LayerNorms an epsilon of 1e-5, its head 768 channels.
"""

_base_ = ["mmseg::segformer/segformer_mit-b2_8xb1-160k_cityscapes-1024x1024.py"]
model = dict(
    backbone=dict(init_cfg=None, norm_cfg=dict(type="LN", eps=1e-5)),
    decode_head=dict(channels=768, act_cfg=None),
)
