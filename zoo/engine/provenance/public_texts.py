# SPDX-License-Identifier: Apache-2.0
"""Texts about a run that strangers may read: no place of this machine, no password, no token.

When in doubt, more is cut than needed: a text without a word is a nuisance, a token that everybody
can read is harm.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "is_secret_name",
    "public_address",
    "public_option",
    "public_values",
    "without_places",
    "without_secrets",
]

_HIDDEN = "***"
_KEYS = "api|access|secret|private|account|auth|client|encryption|license|service|signing|ssh"
_NAME = (
    r"(?:(?=[\w.-]*?(?:secret|passw|passphrase|credential))[\w.-]*+"
    rf"|(?:[\w.-]*[._-])?(?:{_KEYS})[_-]?keys?"
    r"|[\w.-]*?(?:token|authorization|bearer|signature)"
    r"|(?:[\w.-]*[._-])?(?:auth|sig|pat|pwd|pw|pass))"
)
_HOLDERS = (str, bytes, list, tuple, set, frozenset, dict)  # numbers are no secrets
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_PLAIN = r"(?:True|False|None|true|false|none|null)(?![\w.-])"  # no secrets, as of with_cls_token
_TEXT = r"(?:'(?:[^'\\]|\\[\s\S])*+'|\"(?:[^\"\\]|\\[\s\S])*+\")"
_SOFT = r"[^'\"()\[\]{}]"
_GROUP = rf"[(\[{{](?:{_SOFT}|{_TEXT})*+[)\]}}]"  # with texts, of which any may hold a bracket
for _depth in range(3):
    _GROUP = rf"[(\[{{](?:{_SOFT}|{_TEXT}|{_GROUP})*+[)\]}}]"
# Texts that follow each other are one, as shells quote a quote. What never ends goes to its line's.
_SECRET = rf"(?:{_GROUP}|{_TEXT}+|[(\[{{'\"][^\n]*|(?:(?:Bearer|Basic|Token)[ \t]+)?[^\s'\"]+)"
_PAIR = re.compile(
    rf"(?<![\w.-])(?P<name>--?{_NAME}[ \t]+|['\"]?(?:--?)?{_NAME}['\"]?[ \t]*[=:][ \t]*)"
    rf"(?!{_PLAIN}){_SECRET}",
    re.IGNORECASE,
)
_HEADER = re.compile(  # its scheme is any word, and parameters may follow
    r"(?<![\w.-])(?P<name>[\w.-]*?authorization['\"]?[ \t]*[:=][ \t]*)"
    rf"(?!{_PLAIN})(?=[^\s'\"(\[{{])(?:=[ \t]*{_TEXT}|[^'\"\n])+",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS
    r"|\b(?:gh[opsru]_|github_pat_|glpat-|hf_|npm_|dckr_pat_|pypi-|sk-|xox[abeprs]-|AIza)[\w-]{16,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # a JSON web token
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
    r"|\b(?:Bearer|Basic)[ \t]+[\w.~+/-]{16,}=*"
)
_SSH_USER = re.compile(
    r"(?<![^\s'\"=,(\[])[\w.+~-]+@(?=(?:[\w-]+\.)+\w+:[^\s])"
)  # user@host.org:path
_SEAMLESS = re.compile(r"[^\s'\"]+")  # within which user, password and host stand
_HOST_SIGN = re.compile(r"@(?=[\w\[])")
_USER = re.compile(r"[^:/@=]+(?P<sign>:?)")  # and what precedes it
_SEAM = re.compile(r"[,(\[]")
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{0,30}://"
_SCHEME_START = re.compile(r"[A-Za-z][\w+.-]{0,30}://")
_NET = re.compile(
    r"(?:https?|ftps?|sftp|s3|gs|az|abfss?|hdfs|file|ssh|git|svn|smb|nfs|rsync|davs?|hf|github)://",
    re.IGNORECASE,
)
_URL = re.compile(
    rf"(?<![A-Za-z0-9+.-])(?:{_SCHEME}|file:)"
    rf"(?:[^\s'\"/]*@)?[^\s,'\"\])?#]*(?:[?#](?:(?!,{_SCHEME})[^\s'\"])*)?",
    re.IGNORECASE,
)
_START = r"(?:~[\w.-]*[/\\]|/+(?=[^\s/])|[A-Za-z]:[/\\]|\\\\)"  # of a full path
_QUOTED = re.compile(rf"(?P<quote>['\"])(?P<path>{_START}(?:(?!(?P=quote)).)*)(?P=quote)")
_WORD = r"[^\s,'\"\])}]"
_PATH = re.compile(
    rf"(?<![^=\[({{<,:;'\"\s])(?!(?<=:)//){_START}{_WORD}*"
    rf"(?:(?: [^\s,'\"\])}}/]+){{0,2}} (?!/){_WORD}*/{_WORD}*)*"  # folders with spaces
)
_ODD_USER = re.compile(rf"{_SCHEME}[^/]*[?#][^/]*@")  # or a query with an @: nobody knows
_NO_PORT = re.compile(r"^[^/:\[\]]+:(?!\d*(?:/|$))[^/]*")  # a password up to a # or ? in it
_TRANSPORT = re.compile(r"(?:[A-Za-z][\w+.-]*::)+")
_HOST_AND_PATH = re.compile(r"(?P<host>[\w.-]{2,}):(?P<path>[^\\\s?#]+)(?:[?#].*)?")


def is_secret_name(name: str) -> bool:
    """Return whether a value of this name is nobody's business, such as ``api_key``.

    Args:
        name: Of an option, a variable, a key or a part of a query; dotted keys by their last part.
    """
    return _SECRET_NAME.fullmatch(name.lstrip("-")) is not None


def without_secrets(text: str) -> str:
    """Return a text with ``***`` for passwords and tokens.

    Args:
        text: Such as a message or a command.

    Example:
        >>> without_secrets("--api-key abc, token=x: sent to me:pw@example.org")
        '--api-key *** token=*** sent to example.org'
    """
    text = _URL.sub(lambda found: _open_url(found[0]), text)
    for pattern in (_HEADER, _PAIR):
        text = pattern.sub(lambda found: f"{found['name']}{_HIDDEN}", text)
    text = _SEAMLESS.sub(lambda found: _without_user(found[0]), _TOKEN.sub(_HIDDEN, text))
    return _SSH_USER.sub("", text)


def without_places(text: str) -> str:
    """Return a text without secrets, with full paths and addresses cut to their last part.

    Args:
        text: Such as a message.

    Example:
        >>> without_places("cannot open /home/me/a.pth of https://me:pw@example.org/b.pth?sig=c")
        'cannot open a.pth of b.pth'
    """
    text = _URL.sub(lambda found: _cut_url(found[0]), text)
    text = _QUOTED.sub(lambda found: f"{found[1]}{_last_part(found['path'])}{found[1]}", text)
    return without_secrets(_PATH.sub(lambda found: _last_part(found[0]), text))


def public_option(option: str) -> str:
    """Return a ``key=value`` for strangers; its value may hold spaces.

    Args:
        option: One ``--cfg-options`` of a command.
    """
    key, sign, value = option.partition("=")
    if sign and is_secret_name(key) and re.fullmatch(_PLAIN, value) is None:
        return f"{key}={_HIDDEN}"
    if re.match(_START, value) and not re.search(r"[,'\"\[\](){}]|://", value):
        return f"{key}={_last_part(value)}"
    return without_places(option)


def public_values(value: Any, *, places: bool = False) -> Any:
    """Return JSON-like values for strangers: tables and lists of texts and numbers.

    Args:
        value: Any value; those that are no text, table or list are returned as they are.
        places: Whether full paths and addresses may stay.
    """
    if isinstance(value, dict):
        return {
            key: _HIDDEN
            if isinstance(part, _HOLDERS) and part and is_secret_name(str(key))
            else public_values(part, places=places)
            for key, part in value.items()
        }
    if isinstance(value, (list, tuple)):
        kind = tuple if isinstance(value, tuple) else list
        return kind(public_values(part, places=places) for part in value)
    if isinstance(value, str):
        return without_secrets(value) if places else without_places(value)
    return value


def public_address(remote: str) -> str:
    """Return a remote's address without user, password, query, and without a path on this machine.

    Args:
        remote: A URL, ``user@host:path``, or a path; git's ``transport::address`` too.

    Example:
        >>> public_address("https://user:token@example.org/team/x.git?private_token=1")
        'https://example.org/team/x.git'
        >>> public_address("git@example.org:team/x.git"), public_address("/home/me/x.git")
        ('example.org:team/x.git', 'x.git')
    """
    transport = found[0] if (found := _TRANSPORT.match(remote)) else ""
    address = remote[len(transport) :]
    if transport.lower() == "ext::":  # a command follows
        return transport
    if re.match(f"(?!file:){_SCHEME}", address, re.IGNORECASE):
        shown = _public_url(address)
    elif re.match(rf"{_START}|\.|file:", address, re.IGNORECASE):
        shown = _last_part(re.split("[?#]", address)[0])
    else:
        address = address.rpartition("@")[2]
        parts = _HOST_AND_PATH.fullmatch(address)
        shown = f"{parts['host']}:{parts['path']}" if parts else _last_part(address)
    return without_secrets(f"{transport}{shown}")


def _public_url(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if _ODD_USER.match(address):
        return f"{parts.scheme}://{_HIDDEN}"
    host, path = parts.netloc.rpartition("@")[2], parts.path
    if "@" in path and re.fullmatch(r"[\w.-]+\.[\w-]+(:\d*)?", host) is None:
        # A password with a slash in it: what seems to be the host is a part of it.
        host, sign, path = path.rpartition("@")[2].partition("/")
        path = f"{sign}{path}"
    return f"{parts.scheme}://{_HIDDEN if _NO_PORT.search(host) else host}{path}"


def _open_url(address: str) -> str:
    """Return an address without user and query; a digest behind it stays."""
    if address.lower().startswith("file:"):
        return address
    if address.lower().startswith(("hf://", "github://")):  # an @ precedes a revision
        shown = re.sub("://[^/]*@", "://", re.split("[?#]", address)[0])
    else:
        shown = _public_url(address) or _HIDDEN
    digest = re.search("#sha256=[0-9A-Fa-f]{64}$", address)
    return f"{shown}{digest[0] if digest else ''}"


def _cut_url(address: str) -> str:
    """Return the last part of an address on a network; of another kind, all but user and query."""
    if _ODD_USER.match(address):
        return _HIDDEN
    plain = re.split("[?#]", address)[0]
    scheme, sign, rest = plain.partition("://")
    rest = _NO_PORT.sub(_HIDDEN, rest.rpartition("@")[2])
    if not sign or _NET.match(plain):
        return _last_part(rest or plain)
    return f"{scheme}://{rest}"


def _without_user(word: str) -> str:
    """Return a word without ``user:password@`` in front of a host; each character is read once."""
    signs = list(_HOST_SIGN.finditer(word))
    for user in _USER.finditer(word, 0, signs[-1].start()) if signs else ():
        if not user["sign"]:
            continue
        starts = [seam.end() for seam in _SEAM.finditer(word, user.start(), user.end() - 2)]
        if user.start() == 0 or word[user.start() - 1] == "=":
            starts.insert(0, user.start())
        for start in starts:
            if not _SCHEME_START.match(word, start):
                return word[:start] + word[signs[-1].end() :]
    return word


def _last_part(place: str) -> str:
    return re.split(r"[/\\]", place.rstrip("/\\"))[-1]
