# SPDX-License-Identifier: Apache-2.0
"""The gate before restricted weights: what their licence forbids is said before any byte comes."""

from __future__ import annotations

import os

from zoo.catalog import Found
from zoo.errors import DownloadError
from zoo.manifest.rows import LivingRow, WeightsFacts
from zoo.weights.licences import restriction_of
from zoo.weights.lock import Accepted, accept_licence, accepted_licence

__all__ = ["check_accepted", "check_policy", "find_restriction"]

_POLICY = "ZOO_LICENCES"
_COMMERCIAL = "commercial"


def find_restriction(row: WeightsFacts) -> str | None:
    """Return what keeps the licence of a row from being taken unasked, or None.

    Args:
        row: A row of weights.
    """
    return restriction_of(row.licence, row.non_commercial)


def check_policy(found: Found, row: WeightsFacts) -> None:
    """Raise if ``ZOO_LICENCES`` refuses the licence of a row, whoever accepted it.

    Args:
        found: The row and its plugin.
        row: The same row.

    Raises:
        DownloadError: It refuses it, or has an unknown value.
    """
    policy = os.environ.get(_POLICY, "").strip()
    if not policy:
        return
    if policy != _COMMERCIAL:
        message = f"cannot use {_POLICY}={policy!r}: expected {_COMMERCIAL}, or nothing."
        raise DownloadError(
            message, where=_POLICY, hint=f"set {_POLICY}={_COMMERCIAL}, or unset it."
        )
    restriction = find_restriction(row)
    if restriction is not None:
        message = f"cannot use the weights {row.name!r}: their licence {row.licence!r} "
        message += f"{restriction}, and {_POLICY}={_COMMERCIAL} refuses such weights."
        hint = "zoo list --commercial shows weights that permit it."
        raise DownloadError(message, where=f"plugin {found.record.name}", hint=hint)


def check_accepted(found: Found, row: WeightsFacts, *, accept: bool = False) -> None:
    """Raise unless the licence of a row may be taken unasked, or the user accepted it.

    Args:
        found: The row and its plugin.
        row: The same row.
        accept: Whether the user accepts it now; `zoo.lock` remembers that.

    Raises:
        DownloadError: It is restricted, and was not accepted; or the lock cannot be used.
    """
    restriction = find_restriction(row)
    if restriction is None:
        return
    if accept:
        accept_licence(Accepted(row.name, found.record.name, row.licence))
    elif accepted_licence(row.name, found.record.name) != row.licence:
        message = f"cannot get the weights {row.name!r}: their licence {row.licence!r} "
        message += f"{restriction}. Nothing was downloaded."
        is_unknown = isinstance(row, LivingRow) and not row.digest.is_full
        pin = "--pin " if is_unknown else ""  # which would be asked for next
        hint = f"read the licence; zoo download {row.name} {pin}--accept-licence accepts it."
        raise DownloadError(message, where=found.record.label, hint=hint)
