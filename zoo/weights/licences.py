# SPDX-License-Identifier: Apache-2.0
"""What a licence of weights permits, as far as its identifier says."""

from __future__ import annotations

import re

__all__ = ["restriction_of"]

# Identifiers of SPDX that forbid commercial use, or use in production, in themselves.
_NON_COMMERCIAL = re.compile(
    r"\b(CC-BY-NC|PolyForm-Noncommercial|Aladdin|NCGL-UK|BUSL)\b", re.IGNORECASE
)


def restriction_of(licence: str, non_commercial: bool | None) -> str | None:
    """Return what keeps a licence from being taken unasked, or None.

    Args:
        licence: SPDX expression or text.
        non_commercial: What the row says of it.
    """
    if non_commercial or _NON_COMMERCIAL.search(licence):
        return "forbids commercial use"
    if not _is_spdx(licence):
        return "is no SPDX licence, so nobody can tell what it permits"
    # As SPDX does, whatever the case.
    if "licenseref-" in licence.lower() and non_commercial is None:
        return (
            "is not one that SPDX lists, and the row does not say whether it permits commercial use"
        )
    return None


def _is_spdx(text: str) -> bool:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return False
    return True
