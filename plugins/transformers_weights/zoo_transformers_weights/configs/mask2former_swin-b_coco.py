"""Mask2Former with Swin-B (window 12), instances of COCO."""

_base_ = ["mmdet::mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco.py"]
model = dict(
    backbone=dict(
        init_cfg=None,
        pretrain_img_size=384,
        embed_dims=128,
        num_heads=[4, 8, 16, 32],
        window_size=12,
    ),
    panoptic_head=dict(in_channels=[128, 256, 512, 1024]),
)
