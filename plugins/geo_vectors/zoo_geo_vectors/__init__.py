# SPDX-License-Identifier: Apache-2.0
"""Predictions as vectors for GIS: GeoPackage, GeoJSON, Shapefile and CSV."""

# Register zoo's bridge also in processes that import only this package.
import zoo as zoo
