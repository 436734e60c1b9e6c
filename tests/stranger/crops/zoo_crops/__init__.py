# SPDX-License-Identifier: Apache-2.0
"""Crops, weeds and residue in drone tiles."""

import zoo as zoo
