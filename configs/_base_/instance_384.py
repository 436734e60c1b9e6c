"""Your own images and instances, as `zoo data prepare folder_data --task instance` writes them.

In crops of 384x384, enlarged by half; for objects seen from above. Classes and colours come from
the prepared folder: train with --data.
"""

_base_ = ["tanks_384.py"]
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
