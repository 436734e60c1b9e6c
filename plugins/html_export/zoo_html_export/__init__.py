# SPDX-License-Identifier: Apache-2.0
"""HTML export: a semantic model as one page that runs it in the browser, without a server."""

# Register zoo's bridge also in processes that import only this package.
import zoo as zoo
