# SPDX-License-Identifier: Apache-2.0
"""Convert the modality and VOI tables of a DICOM file to a form that pydicom can apply.

Source: DICOM PS3.3, C.11.1.1 and C.11.2.1.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo_lung_xray.dicom_refusal import Refusal

__all__ = ["TABLES", "tidy_tables"]

TABLES = {"ModalityLUTSequence": "modality table", "VOILUTSequence": "VOI table"}
_PARTS = ("LUTDescriptor", "LUTData")


def tidy_tables(dataset: Any) -> tuple[str, ...]:
    """Keep the first table of each kind with entries, and return the kinds removed as empty.

    Some devices write a table without descriptor or entries beside a valid window or rescale; such
    a table is ignored.

    Args:
        dataset: Elements of the file, changed in place.

    Raises:
        Refusal: A table's descriptor is invalid, or its entries do not match the descriptor.
    """
    left_out = []
    for keyword, name in TABLES.items():
        items = list(dataset.get(keyword) or ())
        usable = [item for item in items if not any(_is_empty(item.get(part)) for part in _PARTS)]
        if usable:
            _tidy(usable[0], name)
            setattr(dataset, keyword, usable[:1])
        elif keyword in dataset:
            delattr(dataset, keyword)
        if items and not usable:
            left_out.append(name)
    return tuple(left_out)


def _is_empty(value: Any) -> bool:
    return value is None or (hasattr(value, "__len__") and len(value) == 0)


def _tidy(item: Any, name: str) -> None:
    count, first, bits = _read_descriptor(item.LUTDescriptor, name)
    entries = item.LUTData
    if isinstance(entries, bytes):
        # 8-bit entries take 8 bits each, with padding after an odd number of them.
        if len(entries) == count + count % 2:
            entries = np.frombuffer(entries, np.uint8)[:count].astype("<u2").tobytes()
        found = len(entries) // 2
    else:
        entries = [entries] if isinstance(entries, int) else list(entries)
        found = len(entries)
    if found != count:
        fault = f"found a {name} of {found} entries, expected {count} as stated"
        raise Refusal(fault)
    item.LUTData = entries
    item.LUTDescriptor = [count % 2**16, first, 8 if bits == 8 else 16]


def _read_descriptor(descriptor: Any, name: str) -> tuple[int, int, int]:
    """Return the number of entries, the value of the first, and the bits of each."""
    parts = list(descriptor) if hasattr(descriptor, "__len__") else [descriptor]
    if len(parts) != 3 or not all(isinstance(part, int) for part in parts):
        # Text in their place may belong to another element, such as the patient's name.
        shown = f"{parts!r:.40}" if all(isinstance(part, int) for part in parts) else "no numbers"
        fault = f"found a {name} described by {shown}, expected three whole numbers"
        raise Refusal(fault)
    count, first, bits = parts
    if not 8 <= bits <= 16:
        fault = f"found a {name} of {bits} bits, expected 8 to 16"
        raise Refusal(fault, "export the image with a window, or as PNG.")
    return count or 2**16, first, bits
