# SPDX-License-Identifier: Apache-2.0
"""Bad requests: one problem each, and never a neighbour's."""

from __future__ import annotations

import json
import socket
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow, pytest.mark.timeout(400)]

SLEEPS, DIES, FAILS = 201, 202, 203
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
FORM = "multipart/form-data; boundary=x"


@pytest.fixture(scope="module")
def moody(starting: Any) -> Any:
    """Serve the moody model with narrow limits."""
    limits = ["--queue", "2", "--timeout", "5", "--max-size", "0.5", "--max-pixels", "1"]
    return starting.serve(starting.moody, *limits)


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def bomb(side: int) -> bytes:
    """Return a small PNG of many pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000) * (side * (side + 1) // 1000 + 1), 9)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def form(*parts: tuple[str, bytes]) -> bytes:
    found = b"".join(
        b"--x\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + body + b"\r\n"
        for head, body in parts
    )
    return found + b"--x--\r\n"


VRT = b"""<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename>/etc/hostname</SourceFilename></SimpleSource></VRTRasterBand>
</VRTDataset>"""


@pytest.mark.parametrize(
    ("status", "body", "headers", "told"),
    [
        (400, b"", {}, "empty"),
        (415, b"no picture at all", {}, "no image"),
        (415, b"\x80\x04\x95pickle", {}, "no image"),
        (415, b"https://example.org/x.png", {}, "no image"),
        (415, b"/etc/passwd", {}, "no image"),
        (415, VRT, {}, "names other files"),
        (415, bytes(128) + b"DICM" + bytes(500), {}, "reads no DICOM"),
        (415, b"{}", {"Content_Type": "application/json"}, "'application/json'"),
        (415, b"<p>", {"Content_Type": "text/html"}, "'text/html'"),
        (415, b"x", {"Content_Encoding": "gzip"}, "compressed"),
        (413, bytes(600_000), {}, "0.5 MB"),
        (400, b"", {"Content_Type": FORM}, "form"),
        (400, b"--x\r\nbroken", {"Content_Type": FORM}, "form"),
        (400, b"x", {"Content_Type": "multipart/form-data"}, "boundary"),
        (400, form(("name=image", b"x")), {"Content_Type": FORM}, "No file"),
        (400, form(*[(f"name=f; filename={n}", b"x") for n in "ab"]), {"Content_Type": FORM}, "1"),
        (400, form(*[(f"name=f{n}", b"x") for n in range(20)]), {"Content_Type": FORM}, "fields"),
        (406, b"x", {"Accept": "text/html"}, "image/png"),
        (406, b"x", {"Accept": "application/vnd.coco+json"}, "image/png"),
    ],
)
def test_bad_body_is_one_problem(
    moody: Any, status: int, body: bytes, headers: dict[str, str], told: str
) -> None:
    """Problem details of RFC 9457, which name what is wrong and nothing of the server."""
    got = moody.post(body, **headers)

    assert got.status == status, got.body
    check_problem(got, told)


@pytest.mark.parametrize(("side", "status"), [(1200, 413), (15000, 413), (17000, 422)])
def test_small_file_of_many_pixels_is_one_problem(moody: Any, side: int, status: int) -> None:
    """By its header, which the answer names."""
    got = moody.post(bomb(side))

    assert got.status == status, got.body
    check_problem(got, f"{side}x{side}")


def check_problem(got: Any, told: str = "") -> None:
    assert got.kind == "application/problem+json"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "no-store"
    problem = got.json
    assert {"type", "title", "status", "detail"} <= set(problem)
    assert problem["status"] == got.status
    assert told in problem["detail"]
    text = json.dumps(problem)
    assert not any(
        secret in text for secret in ("Traceback", "/tmp", "/srv", "site-packages", ".py")
    )


def test_every_cut_of_an_image_is_told(moody: Any, picture: Any) -> None:
    """However much of a PNG arrives, it is a problem, and never a picture or a 500."""
    whole = picture().png
    for length in (1, 7, 8, 20, 33, 40, len(whole) // 2, len(whole) - 1):
        got = moody.post(whole[:length])
        assert got.status in (415, 422), (length, got.body)
        check_problem(got)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/models/other/predict", 404),
        ("POST", "/v1/models/..%2f..%2fetc%2fpasswd/predict", 404),
        ("POST", "/v1/models/%00/predict", 404),
        ("POST", f"/v1/models/{'x' * 5000}/predict", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/page.js", 404),
        ("GET", "/v1/models/other", 404),
        ("GET", "/v1/models/", 404),
        ("GET", "/docs/", 404),
        ("GET", "/predict", 405),
        ("DELETE", "/v1/models/moody", 405),
        ("POST", "/predict?include=weights", 400),
        ("POST", "/predict?score_thr=0.5", 400),
        ("POST", "/predict?path=/etc/passwd", 400),
        ("POST", "/overlay?opacity=2", 400),
        ("POST", "/overlay?opacity=nan", 400),
        ("POST", "/overlay?style=a&style=b", 400),
    ],
)
def test_bad_address_is_one_problem(
    moody: Any, picture: Any, method: str, path: str, status: int
) -> None:
    """Names of models come from the command line alone, and unknown parameters are refused."""
    accept = "image/png" if "overlay" in path else "*/*"
    got = moody.ask(method, path, picture().png if method == "POST" else None, Accept=accept)

    assert got.status == status, got.body
    check_problem(got)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd.png", "passwd.png"),
        ("C:\\\\Users\\\\x\\\\scan 1.PNG", "scan_1.PNG"),
        ("....//....//x", "x"),
        (".png", "image.png"),
        ("a" * 4000 + ".png", "a" * 80 + ".png"),
        ("\u202egnp.exe", "gnp.exe"),
        ("$(touch x);.png", "touch_x.png"),
    ],
)
def test_name_of_an_upload_is_reduced_to_letters(
    moody: Any, picture: Any, given: str, shown: str
) -> None:
    """Whatever a client calls its file, no path is made of it, and it is predicted."""
    body = form((f'name=image; filename="{given}"', picture().png))

    got = moody.post(body, Content_Type=FORM, Accept="application/json")

    assert got.status == 200, got.body
    assert got.json["images"][0]["file"] == shown


def raw(port: int, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Return all that a connection answers to some bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        found = b""
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause_s)
            while data := connection.recv(65536):
                found += data
        except ConnectionError:
            pass
        return found


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 60_000 + b"\r\n\r\n"], b" 431 "),
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n"], b" 400 "),
        ([b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"], b" 400 "),
        ([POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"], b" 400 "),
        ([b"GET / HTTP/1.1\r\nHo"], b" 408 "),
        ([], b" 408 "),
        ([POST + b"Content-Length: 100\r\n\r\nslow"], b" 408 "),
    ],
)
def test_bad_http_ends_with_an_answer(moody: Any, parts: list[bytes], status: bytes) -> None:
    """A header too large, no HTTP, and clients too slow for --timeout."""
    begun_s = time.monotonic()

    answer = raw(moody.port, *parts)

    assert status in answer.partition(b"\r\n")[0], answer
    assert b"application/problem+json" in answer
    assert time.monotonic() - begun_s < 60


def test_chunked_body_without_end_is_cut_off(moody: Any) -> None:
    """A body that states no length ends at --max-size."""
    got = moody.post(iter([bytes(100_000)] * 8))

    assert got.status == 413


def test_code_that_fails_tells_nothing_of_the_server(moody: Any, picture: Any) -> None:
    """What a model's own error says, a path among it, does not reach the client."""
    got = moody.post(picture(mood=FAILS).png)

    assert got.status == 422
    check_problem(got, "the model fails on this image; the server's log says why")
    assert "weights" not in got.body.decode()


def test_neighbours_of_bad_images_get_their_own_answers(moody: Any, picture: Any) -> None:
    """Thirty clients at once, of which every third sends rubbish, and one kills the process."""
    restarts = moody.metric("zoo_process_restarts_total")
    deadline_s = time.monotonic() + 300  # on a busy machine a process takes long to start

    def good(seed: int) -> str:
        while (got := moody.post(picture(seed).png)).status in (429, 503, 504):
            assert time.monotonic() < deadline_s, got.body
            time.sleep(0.1)  # as the header says: later
        return "" if got.body == picture(seed).labels else f"{seed}: {got.status} {got.body!r}"

    def bad(seed: int) -> str:
        body = [b"rubbish", picture(seed).png[:-9], picture(mood=FAILS).png][seed % 3]
        got = moody.post(body)
        is_told = got.status in (415, 422, 429, 503, 504)
        return "" if is_told else f"{seed}: {got.status} {got.body!r}"

    with ThreadPoolExecutor(6) as pool:
        fatal = pool.submit(moody.post, picture(mood=DIES).png)
        found = [pool.submit(bad if seed % 3 == 0 else good, seed) for seed in range(30)]
        assert fatal.result().status == 500, fatal.result().body
        check_problem(fatal.result())
        assert [each.result() for each in found] == [""] * 30

    assert moody.metric("zoo_process_restarts_total") == restarts + 1
    assert moody.ask("GET", "/health/ready").status == 200


def test_full_queue_says_when_to_come_again(moody: Any, picture: Any, in_background: Any) -> None:
    """One runs, two wait, and the fourth is refused before its body is read."""
    waiting = []
    deadline_s = time.monotonic() + 60
    for number, seconds in enumerate((3, 0, 0)):
        slow = picture(mood=SLEEPS, seconds=seconds).png
        waiting.append(in_background(lambda slow=slow: moody.post(slow)))
        while moody.metric("zoo_requests_in_progress") <= number:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)

    refused = moody.post(picture().png)

    assert refused.status == 429, refused.body
    check_problem(refused)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert [wait().status for wait in waiting] == [200, 200, 200]
    assert moody.post(picture().png).status == 200


def test_work_of_a_client_that_vanished_is_dropped(
    moody: Any, picture: Any, in_background: Any
) -> None:
    """Its image waits behind another; it leaves, and is never predicted."""
    predicted = moody.metric("zoo_predict_seconds_count")
    vanished = moody.metric("zoo_vanished_total")
    first = in_background(lambda: moody.post(picture(mood=SLEEPS, seconds=3).png))
    while moody.metric("zoo_requests_in_progress") < 1:
        time.sleep(0.02)

    body = picture().png
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", moody.port)) as gone:
        gone.sendall(head.encode() + body)
        while moody.metric("zoo_queue_length") < 1:
            time.sleep(0.02)

    assert first().status == 200
    while moody.metric("zoo_requests_in_progress") > 0:
        time.sleep(0.02)
    assert moody.metric("zoo_vanished_total") == vanished + 1
    assert moody.metric("zoo_predict_seconds_count") == predicted + 1


def test_image_that_takes_too_long_is_ended(moody: Any, picture: Any) -> None:
    """Its client hears of it, its process is replaced, and the next image is predicted."""
    restarts = moody.metric("zoo_process_restarts_total")

    got = moody.post(picture(mood=SLEEPS, seconds=25).png)

    assert got.status == 504, got.body
    check_problem(got)
    deadline_s = time.monotonic() + 300
    while (got := moody.post(picture().png)).status != 200 and time.monotonic() < deadline_s:
        time.sleep(0.2)
    assert got.body == picture().labels
    assert moody.metric("zoo_process_restarts_total") == restarts + 1
