# SPDX-License-Identifier: Apache-2.0
"""The fences of the root conftest hold; see there."""

from __future__ import annotations

import os
import socket
import urllib.request
from pathlib import Path

import pytest

from zoo.catalog import read_catalog


def test_socket_to_another_machine_is_refused() -> None:
    with (
        socket.socket() as client,
        pytest.raises(RuntimeError, match=r"reached for the network: \('192.0.2.1', 80\)"),
    ):
        client.connect(("192.0.2.1", 80))


def test_name_of_another_machine_is_not_resolved() -> None:
    with pytest.raises(RuntimeError, match=r"reached for the network: 'example\.org'"):
        urllib.request.urlopen("http://example.org/")


def test_socket_to_this_machine_works() -> None:
    """Downloads are tested against a server on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            client.sendall(b"x")
        with server.accept()[0] as accepted:
            assert accepted.recv(1) == b"x"


def test_catalog_of_a_core_test_is_empty_until_it_writes_a_plugin() -> None:
    assert read_catalog().plugins == ()


def test_plugins_of_the_checkout_are_there_when_asked_for(checkout_plugins: Path) -> None:
    assert "configs" in [record.name for record in read_catalog().plugins]
    assert "ZOO_PLUGIN_PATH" not in os.environ


def test_figures_are_drawn_without_a_screen() -> None:
    assert os.environ["MPLBACKEND"] == "Agg"
