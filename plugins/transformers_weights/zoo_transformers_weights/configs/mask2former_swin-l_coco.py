"""Mask2Former with Swin-L (window 12), instances of COCO: 200 queries."""

_base_ = ["mmdet::mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco.py"]
model = dict(
    backbone=dict(
        init_cfg=None,
        pretrain_img_size=384,
        embed_dims=192,
        num_heads=[6, 12, 24, 48],
        window_size=12,
    ),
    panoptic_head=dict(in_channels=[192, 384, 768, 1536], num_queries=200),
)
