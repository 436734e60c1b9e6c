# SPDX-License-Identifier: Apache-2.0
"""``zoo dicom``: predictions of DICOM images as DICOM."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
