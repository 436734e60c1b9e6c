# SPDX-License-Identifier: Apache-2.0
"""How far to trust a semantic model: calibrated probabilities, and thresholds with a guarantee."""

# Register zoo's bridge also in processes that import only this package.
import zoo as zoo
