# SPDX-License-Identifier: Apache-2.0
"""Shared tools for ``prepare`` and the prepared layout, independent of raw formats.

Steps of a semantic data set: :func:`open_source` reads a folder or a zip in place, the plugin finds
each :class:`Pair` of image and masks, and :func:`prepare_semantic` decodes, checks, resizes, splits
by group, and writes a complete prepared folder or nothing.
For instances, the plugin creates a :class:`Scene` per image with its :class:`Instance` objects, and
:func:`prepare_instances` splits, cuts into tiles, and writes COCO JSON.

Each name is imported on first use, because a plugin needs only a few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.data.bands.reading import BandImage, read_bands
    from zoo.data.bands.showing import show_bands
    from zoo.data.bands.table import Band, BandChoice, BandTable
    from zoo.data.coco.masks import box_of_segmentation, crop_of_rle, rle_of_polygons
    from zoo.data.coco.reading import CocoAnnotation, CocoFile, CocoImage, read_coco
    from zoo.data.decoders.faults import MOST_PX
    from zoo.data.decoders.raster import opened_dataset
    from zoo.data.decoders.raster_bands import parse_bands
    from zoo.data.draft import Draft
    from zoo.data.geometry.shapes import box_polygon, ellipse_polygon, polygon_from_box
    from zoo.data.geometry.windows import Tiling, Window, chip_window, parse_tiling, tile_windows
    from zoo.data.layout.check import check_prepared
    from zoo.data.layout.check_instances import ObjectCount, count_objects, count_split_objects
    from zoo.data.layout.contact_sheet import show_prepared
    from zoo.data.layout.dataset_json import read_prepared
    from zoo.data.layout.exact_splits import assign_exact_splits, exact_counts
    from zoo.data.layout.identity import DatasetIdentity
    from zoo.data.layout.prepared import (
        IGNORE_INDEX,
        MaskedFile,
        Prepared,
        PreparedFile,
        Split,
        WindowFile,
    )
    from zoo.data.layout.spacing import find_spacing_mm
    from zoo.data.layout.splits import SPLITS, Shares, assign_splits, digest_of, parse_shares
    from zoo.data.pictures.color_ids import ColorEncoder
    from zoo.data.pictures.decoding import decode_picture, read_picture
    from zoo.data.pictures.drawing import draw_overlay
    from zoo.data.pictures.formats import kind_of, read_header
    from zoo.data.pictures.legend import draw_legend
    from zoo.data.pictures.mask_alpha import DecodedMask, decode_mask
    from zoo.data.pictures.picture import Picture
    from zoo.data.pictures.pixels import (
        count_labels,
        decode_image,
        encode_jpeg,
        encode_png,
        find_limits,
        fit_size,
        parse_size,
        resize_image,
        resize_mask,
        to_uint8,
    )
    from zoo.data.prepare.coco_document import coco_document
    from zoo.data.prepare.instance import Instance, Scene
    from zoo.data.prepare.instance_masks import instances_from_ids, instances_from_masks
    from zoo.data.prepare.instances import prepare_instances
    from zoo.data.prepare.pair import EncodeMask, Pair
    from zoo.data.prepare.semantic import prepare_semantic
    from zoo.data.report import Report
    from zoo.data.source.endings import Endings, find_endings
    from zoo.data.source.opening import open_source
    from zoo.data.source.pairing import IMAGE_SUFFIXES, StemPair, pair_by_stem, spell_endings
    from zoo.data.source.reading import read_file
    from zoo.data.source.source import Source, SourceFile
    from zoo.data.source.spelling import compose, find_near
    from zoo.data.source.synthetic import Synthetic
    from zoo.data.source.table import Table, TableRow, read_table
    from zoo.data.staging import check_places, staged_folder
    from zoo.files import replace_file, write_file
else:
    from zoo.faces import lazy_names as _lazy_names

    __getattr__, __dir__ = _lazy_names(
        __name__,
        {
            "zoo.data.bands.reading": ["BandImage", "read_bands"],
            "zoo.data.bands.showing": ["show_bands"],
            "zoo.data.bands.table": ["Band", "BandChoice", "BandTable"],
            "zoo.data.coco.masks": ["box_of_segmentation", "crop_of_rle", "rle_of_polygons"],
            "zoo.data.coco.reading": ["CocoAnnotation", "CocoFile", "CocoImage", "read_coco"],
            "zoo.data.decoders.faults": ["MOST_PX"],
            "zoo.data.decoders.raster": ["opened_dataset"],
            "zoo.data.decoders.raster_bands": ["parse_bands"],
            "zoo.data.draft": ["Draft"],
            "zoo.data.geometry.shapes": ["box_polygon", "ellipse_polygon", "polygon_from_box"],
            "zoo.data.geometry.windows": [
                "Tiling",
                "Window",
                "chip_window",
                "parse_tiling",
                "tile_windows",
            ],
            "zoo.data.layout.check": ["check_prepared"],
            "zoo.data.layout.check_instances": [
                "ObjectCount",
                "count_objects",
                "count_split_objects",
            ],
            "zoo.data.layout.contact_sheet": ["show_prepared"],
            "zoo.data.layout.dataset_json": ["read_prepared"],
            "zoo.data.layout.exact_splits": ["assign_exact_splits", "exact_counts"],
            "zoo.data.layout.identity": ["DatasetIdentity"],
            "zoo.data.layout.prepared": [
                "IGNORE_INDEX",
                "MaskedFile",
                "Prepared",
                "PreparedFile",
                "Split",
                "WindowFile",
            ],
            "zoo.data.layout.spacing": ["find_spacing_mm"],
            "zoo.data.layout.splits": [
                "SPLITS",
                "Shares",
                "assign_splits",
                "digest_of",
                "parse_shares",
            ],
            "zoo.data.pictures.color_ids": ["ColorEncoder"],
            "zoo.data.pictures.decoding": ["decode_picture", "read_picture"],
            "zoo.data.pictures.drawing": ["draw_overlay"],
            "zoo.data.pictures.formats": ["kind_of", "read_header"],
            "zoo.data.pictures.legend": ["draw_legend"],
            "zoo.data.pictures.mask_alpha": ["DecodedMask", "decode_mask"],
            "zoo.data.pictures.picture": ["Picture"],
            "zoo.data.pictures.pixels": [
                "count_labels",
                "decode_image",
                "encode_jpeg",
                "encode_png",
                "find_limits",
                "fit_size",
                "parse_size",
                "resize_image",
                "resize_mask",
                "to_uint8",
            ],
            "zoo.data.prepare.coco_document": ["coco_document"],
            "zoo.data.prepare.instance": ["Instance", "Scene"],
            "zoo.data.prepare.instance_masks": ["instances_from_ids", "instances_from_masks"],
            "zoo.data.prepare.instances": ["prepare_instances"],
            "zoo.data.prepare.pair": ["EncodeMask", "Pair"],
            "zoo.data.prepare.semantic": ["prepare_semantic"],
            "zoo.data.report": ["Report"],
            "zoo.data.source.endings": ["Endings", "find_endings"],
            "zoo.data.source.opening": ["open_source"],
            "zoo.data.source.pairing": [
                "IMAGE_SUFFIXES",
                "StemPair",
                "pair_by_stem",
                "spell_endings",
            ],
            "zoo.data.source.reading": ["read_file"],
            "zoo.data.source.source": ["Source", "SourceFile"],
            "zoo.data.source.spelling": ["compose", "find_near"],
            "zoo.data.source.synthetic": ["Synthetic"],
            "zoo.data.source.table": ["Table", "TableRow", "read_table"],
            "zoo.data.staging": ["check_places", "staged_folder"],
            "zoo.files": ["replace_file", "write_file"],
        },
    )

__all__ = [
    "IGNORE_INDEX",
    "IMAGE_SUFFIXES",
    "MOST_PX",
    "SPLITS",
    "Band",
    "BandChoice",
    "BandImage",
    "BandTable",
    "CocoAnnotation",
    "CocoFile",
    "CocoImage",
    "ColorEncoder",
    "DatasetIdentity",
    "DecodedMask",
    "Draft",
    "EncodeMask",
    "Endings",
    "Instance",
    "MaskedFile",
    "ObjectCount",
    "Pair",
    "Picture",
    "Prepared",
    "PreparedFile",
    "Report",
    "Scene",
    "Shares",
    "Source",
    "SourceFile",
    "Split",
    "StemPair",
    "Synthetic",
    "Table",
    "TableRow",
    "Tiling",
    "Window",
    "WindowFile",
    "assign_exact_splits",
    "assign_splits",
    "box_of_segmentation",
    "box_polygon",
    "check_places",
    "check_prepared",
    "chip_window",
    "coco_document",
    "compose",
    "count_labels",
    "count_objects",
    "count_split_objects",
    "crop_of_rle",
    "decode_image",
    "decode_mask",
    "decode_picture",
    "digest_of",
    "draw_legend",
    "draw_overlay",
    "ellipse_polygon",
    "encode_jpeg",
    "encode_png",
    "exact_counts",
    "find_endings",
    "find_limits",
    "find_near",
    "find_spacing_mm",
    "fit_size",
    "instances_from_ids",
    "instances_from_masks",
    "kind_of",
    "open_source",
    "opened_dataset",
    "pair_by_stem",
    "parse_bands",
    "parse_shares",
    "parse_size",
    "parse_tiling",
    "polygon_from_box",
    "prepare_instances",
    "prepare_semantic",
    "read_bands",
    "read_coco",
    "read_file",
    "read_header",
    "read_picture",
    "read_prepared",
    "read_table",
    "replace_file",
    "resize_image",
    "resize_mask",
    "rle_of_polygons",
    "show_bands",
    "show_prepared",
    "spell_endings",
    "staged_folder",
    "tile_windows",
    "to_uint8",
    "write_file",
]
