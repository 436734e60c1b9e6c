# SPDX-License-Identifier: Apache-2.0
"""The configs that ship with zoo, as a plugin like any other; installed as ``zoo_configs``."""

import zoo as zoo
