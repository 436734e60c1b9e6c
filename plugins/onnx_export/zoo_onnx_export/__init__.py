# SPDX-License-Identifier: Apache-2.0
"""ONNX export: a model as one file with pre- and post-processing and a certificate."""

# Register zoo's bridge also in processes that import only this package.
import zoo as zoo
