"""SegFormer B0 on ADE20K as transformers computes it.

Its level projections have no ReLU, its LayerNorms an epsilon of 1e-5.
"""

_base_ = ["mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py"]
model = dict(
    backbone=dict(init_cfg=None, norm_cfg=dict(type="LN", eps=1e-5)),
    decode_head=dict(act_cfg=None),
)
