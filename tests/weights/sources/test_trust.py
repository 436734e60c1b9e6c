# SPDX-License-Identifier: Apache-2.0
"""What an index must be to be trusted; what is refused changes nothing."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zoo.errors import SourceError, ZooError
from zoo.weights.sources.book import read_book
from zoo.weights.sources.updating import add_source, remove_source, update_source

Publisher = Any
State = Callable[[], dict[str, bytes]]


def _refused(match: str, act: Callable[[], object], state: State) -> ZooError:
    """Check that an act is refused with a message and a hint, and leaves the state as it was."""
    before = state()
    with pytest.raises(SourceError, match=match) as caught:
        act()
    assert caught.value.hint
    assert state() == before
    return caught.value


def test_added_source_keeps_the_key_that_signed_it(publisher: Publisher) -> None:
    """The first key is trusted, by its fingerprint."""
    publisher.publish()

    source = add_source(publisher.address)

    assert (source.name, source.key, source.rows) == ("acme", publisher.fingerprint, 1)
    assert source.marks == ()
    assert read_book() == {"acme": source}


@pytest.mark.parametrize("form", ["whole", "bare", "upper", "file"])
def test_key_that_is_given_is_compared(publisher: Publisher, form: str, tmp_path: Any) -> None:
    """A key may be given as its fingerprint, in any spelling, or as the file of the public key."""
    from cryptography.hazmat.primitives import serialization as forms

    publisher.publish()
    digits = publisher.fingerprint.removeprefix("sha256:")
    file = tmp_path / "acme.pub"
    pem = (forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    file.write_bytes(publisher.key.public_key().public_bytes(*pem))
    key = {"whole": publisher.fingerprint, "bare": digits, "upper": digits.upper()}

    source = add_source(publisher.address, key=key.get(form, str(file)))

    assert source.key == publisher.fingerprint


def test_another_key_than_the_given_one_is_refused(
    publisher: Publisher, other_publisher: Publisher, state: State
) -> None:
    """The message names both keys."""
    publisher.publish()

    error = _refused(
        "is signed by",
        lambda: add_source(publisher.address, key=other_publisher.fingerprint),
        state,
    )

    assert publisher.fingerprint in error.message
    assert other_publisher.fingerprint in error.message


@pytest.mark.parametrize("seed", range(20))
def test_one_flipped_bit_is_refused_before_anything_is_parsed(
    publisher: Publisher, state: State, seed: int
) -> None:
    """The signature is over the bytes as they lie; also a change that JSON ignores counts."""
    data = bytearray(publisher.publish())
    chosen = random.Random(seed)
    data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
    publisher.server.files[publisher.index_path] = bytes(data)

    _refused("signature beside it is not", lambda: add_source(publisher.address), state)


def test_added_space_is_refused(publisher: Publisher, state: State) -> None:
    """Equal JSON is not enough."""
    publisher.server.files[publisher.index_path] = publisher.publish() + b"\n"

    _refused("signature beside it is not", lambda: add_source(publisher.address), state)


def _b64(count: int) -> str:
    return base64.b64encode(bytes(count)).decode()


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"{}",
        b"[]",
        b"not json",
        b"\xff\xfe{}",
        b"[" * 500,
        *(
            json.dumps(each).encode()
            for each in (
                {"format": 2, "algorithm": "ed25519", "key": _b64(32), "signature": _b64(64)},
                {"format": 1, "algorithm": "none", "key": _b64(32), "signature": _b64(64)},
                {"format": 1, "algorithm": "ed25519", "key": _b64(31), "signature": _b64(64)},
                {"format": 1, "algorithm": "ed25519", "key": _b64(32), "signature": _b64(63)},
                {"format": 1, "algorithm": "ed25519", "key": _b64(32), "signature": ""},
                {"format": 1, "algorithm": "ed25519", "key": "!!", "signature": _b64(64)},
                {"format": 1, "algorithm": "ed25519", "key": None, "signature": _b64(64)},
                {"format": 1, "algorithm": "ed25519", "key": _b64(32)},
                {"format": 1, "algorithm": "ed25519", "key": _b64(32), "signature": _b64(64)},
            )
        ),
    ],
)
def test_malformed_signature_is_refused(
    publisher: Publisher, state: State, signature: bytes
) -> None:
    """No form of it is taken for "no signature"."""
    publisher.publish()
    publisher.server.files[f"{publisher.index_path}.sig"] = signature

    _refused("cannot trust the index", lambda: add_source(publisher.address), state)
    _refused("cannot trust the index", lambda: add_source(publisher.address, tolerates=True), state)


def test_signature_of_another_key_over_the_same_bytes_is_refused(
    publisher: Publisher, other_publisher: Publisher, state: State
) -> None:
    """The index names its key, so nobody can sign another's index anew."""
    data = publisher.publish()
    publisher.server.files[f"{publisher.index_path}.sig"] = other_publisher.signature(data)

    _refused("names the key", lambda: add_source(publisher.address), state)


def test_index_without_signature_is_refused_unless_it_is_asked_for(
    publisher: Publisher, state: State
) -> None:
    """The hint leads out, and the source is marked."""
    publisher.publish(signs=False)

    error = _refused("there is no signature", lambda: add_source(publisher.address), state)
    source = add_source(publisher.address, tolerates=True)

    assert "zoo source add --unsigned" in str(error.hint)
    assert (source.key, source.marks) == (None, ("unsigned",))


def test_unsigned_is_no_way_around_a_given_key(publisher: Publisher, state: State) -> None:
    """Whoever names a key wants a signature."""
    publisher.publish(signs=False)

    _refused(
        "no signature, expected one",
        lambda: add_source(publisher.address, key=publisher.fingerprint, tolerates=True),
        state,
    )


def test_expired_index_is_refused_unless_it_is_asked_for(
    publisher: Publisher, state: State
) -> None:
    """It is still checked by its signature, and marked."""
    publisher.publish(created="2020-01-01T00:00:00Z", expires="2021-01-01T00:00:00Z")

    error = _refused("it expired at 2021-01-01", lambda: add_source(publisher.address), state)
    source = add_source(publisher.address, tolerates=True)

    assert "zoo source add --unsigned" in str(error.hint)
    assert (source.key, source.marks) == (publisher.fingerprint, ("expired",))


def test_update_by_the_same_key_is_taken(added: Publisher) -> None:
    """The number rises, the rows are the new ones."""
    added.publish(added.row("unet_road"), added.row("unet_field"))

    result = update_source("acme")

    assert result.is_changed
    assert (result.source.sequence, result.source.rows) == (2, 2)
    assert read_book()["acme"] == result.source


def test_changed_key_is_refused(added: Publisher, state: State) -> None:
    """A thief of the server cannot sign; the old index stays in use."""
    added.key = Ed25519PrivateKey.generate()
    added.publish()

    _refused("is signed by", lambda: update_source("acme"), state)


@pytest.mark.parametrize("tolerates", [False, True])
def test_lost_signature_is_refused(publisher: Publisher, state: State, tolerates: bool) -> None:
    """A signed source does not become an unsigned one, even if that was tolerated at first."""
    publisher.publish()
    add_source(publisher.address, tolerates=tolerates)
    publisher.publish(signs=False)

    _refused("no signature, expected one", lambda: update_source("acme"), state)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_rollback_is_refused(publisher: Publisher, state: State, number: int) -> None:
    """A lower number, and another index of the same number, are old copies or forgeries."""
    publisher.publish(sequence=3)
    add_source(publisher.address)
    publisher.publish(publisher.row("other"), sequence=number)

    _refused(f"number {number}, expected one after 3", lambda: update_source("acme"), state)


def test_index_of_another_name_is_refused(added: Publisher, state: State) -> None:
    """An index of the same publisher for something else does not replace this one."""
    added.publish(name="acme_beta")

    _refused("is called 'acme_beta', expected 'acme'", lambda: update_source("acme"), state)


def test_expired_update_is_refused(added: Publisher, state: State) -> None:
    """Old promises are not taken for new ones."""
    added.publish(created="2020-01-01T00:00:00Z", expires="2021-01-01T00:00:00Z")

    error = _refused("it expired", lambda: update_source("acme"), state)

    address = read_book()["acme"].address
    hint = f"zoo source remove acme, then zoo source add {address} --unsigned"
    assert hint in str(error.hint)
    remove_source("acme")
    assert add_source(address, tolerates=True).marks == ("expired",)


def test_unsigned_source_that_is_signed_at_last_keeps_the_key(publisher: Publisher) -> None:
    """From then on it is a signed one."""
    publisher.publish(signs=False)
    add_source(publisher.address, tolerates=True)
    publisher.publish()

    assert update_source("acme").source.key == publisher.fingerprint
    publisher.publish(signs=False)
    with pytest.raises(SourceError, match="no signature, expected one"):
        update_source("acme")


def test_signature_uploaded_after_the_index_is_waited_for(added: Publisher) -> None:
    """Both files cannot change at once; one that does not fit is fetched once more."""
    old = added.server.files[f"{added.index_path}.sig"]
    data = added.publish()
    new = added.server.files[f"{added.index_path}.sig"]
    added.server.files[f"{added.index_path}.sig"] = old

    def late(handler: Any) -> None:
        handler.serve()
        added.server.files[f"{added.index_path}.sig"] = new

    added.server.faults[f"{added.index_path}.sig"] = [late]

    assert update_source("acme").source.sequence == 2
    assert added.server.files[added.index_path] == data
