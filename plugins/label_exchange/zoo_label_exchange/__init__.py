# SPDX-License-Identifier: Apache-2.0
"""Formats of labelling tools: read for training, and written for people to correct."""

# Register zoo's bridge also in processes that import only this package.
import zoo as zoo
