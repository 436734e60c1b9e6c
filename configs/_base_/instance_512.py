"""Your own images and instances, as instance_384, in crops of 512x512 at the size of the files.

For a GPU: each crop shows more, and small objects are not enlarged.
"""

_base_ = ["tanks_val_loss.py"]
dataset_type = "zoo.folder_data.CocoFolderDataset"
data_root = "data/folder_data"
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_loss_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
# For objects in general, COCO's sizes.
sizes = {"_delete_": True, "s": (0, 32), "m": (32, 96), "l": (96, None)}
val_evaluator = dict(ann_file=f"{data_root}/annotations/val.json", sizes=sizes)
test_evaluator = dict(ann_file=f"{data_root}/annotations/test.json", sizes=sizes)
