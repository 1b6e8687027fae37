"""Files by their address: servers that continue, that do not, and that fail in every way."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from servers import answer, answer_range, serving

from ldm_scaling.data import tries
from ldm_scaling.data.fetch_file import fetch
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.workflow.downloads import ARCHIVES

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were taken, in no time."""
    taken = []
    monkeypatch.setattr(tries.time, "sleep", taken.append)
    return taken


@pytest.fixture
def out(tmp_path):
    return tmp_path / "resources" / "archive.zip"


def in_turn(*answers):
    """An answer to each request in turn, the last one for all that follow; and the requests."""
    requests = []

    def get(handler):
        requests.append(dict(handler.headers))
        answers[min(len(requests), len(answers)) - 1](handler)

    return get, requests


def whole(handler, cut=None):
    answer(handler, CONTENT, cut=cut)


def ranges(handler, cut=None, etag='"1"'):
    answer_range(handler, CONTENT, etag, cut)


def cut(server, after):
    return lambda handler: server(handler, cut=after)


def status(code):
    return lambda handler: answer(handler, b"sorry", code)


def only_the_file(out):
    assert out.read_bytes() == CONTENT
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize(
    ("answers", "starts", "waited"),
    [
        ([ranges], [None], []),
        ([whole], [None], []),
        ([cut(ranges, 1_000_000), ranges], [None, 1_000_000], [5]),
        (
            [cut(ranges, 1_000_000), cut(ranges, 500_000), ranges],
            [None, 1_000_000, 1_500_000],
            [5, 5],
        ),
        ([cut(whole, 1_000_000), whole], [None, 1_000_000], [5]),
        ([status(500), status(503), status(429), ranges], [None] * 4, [5, 15, 45]),
        ([cut(ranges, 1_000_000), status(502), ranges], [None, 1_000_000, 1_000_000], [5, 15]),
        ([cut(ranges, 10**6), lambda h: ranges(h, etag='"2"')], [None, 10**6], [5]),
        ([cut(ranges, 10**6), status(416), ranges], [None, 10**6, None], [5, 15]),
    ],
    ids=[
        "ranges",
        "no ranges",
        "cut",
        "twice",
        "cut, no ranges",
        "busy",
        "cut, busy",
        "new",
        "416",
    ],
)
def test_a_file_comes_whole_in_the_end(out, pauses, answers, starts, waited):
    get, requests = in_turn(*answers)
    with serving(get) as url:
        fetch(f"{url}/a.zip", SHA256, out)
    only_the_file(out)
    asked = [request.get("Range") for request in requests]
    assert asked == [start and f"bytes={start}-" for start in starts]
    assert pauses == waited


@pytest.mark.parametrize("size", [0, 1, 999_999])
def test_a_small_file(out, size):
    content = CONTENT[:size]
    with serving(lambda handler: answer(handler, content)) as url:
        fetch(url, hashlib.sha256(content).hexdigest(), out)
    assert out.read_bytes() == content


def test_progress_starts_the_count_of_tries_anew(out, pauses):
    parts = [cut(ranges, 300_000)] * 9
    get, requests = in_turn(*parts, ranges)
    with serving(get) as url:
        fetch(url, SHA256, out)
    only_the_file(out)
    assert len(requests) == 10
    assert pauses == [5] * 9


def test_what_was_sent_since_of_another_version_is_not_mixed(out, pauses):
    """The server's file changes in between, and the server has no If-Range."""
    other = bytes(CONTENT[::-1])

    def second(handler):
        del handler.headers["If-Range"]
        answer_range(handler, other, '"2"')

    get, _ = in_turn(cut(ranges, 1_000_000), second)
    with serving(get) as url, pytest.raises(InputError, match="has unexpected content"):
        fetch(url, SHA256, out)
    assert list(out.parent.glob("*.zip")) == []


def test_wrong_content_is_refused_and_removed(out, pauses):
    wrong = CONTENT[:-1] + b"!"
    get, requests = in_turn(lambda handler: answer_range(handler, wrong, '"1"'))
    with serving(get) as url, pytest.raises(InputError) as caught:
        fetch(f"{url}/a.zip", SHA256, out)
    message = str(caught.value)
    assert f"{url}/a.zip" in message
    assert SHA256 in message
    assert hashlib.sha256(wrong).hexdigest() in message
    assert "\n" not in message
    assert [path.name for path in out.parent.iterdir()] == ["partial-archive.zip.lock"]
    assert len(requests) == 1
    with serving(ranges) as url:
        fetch(url, SHA256, out)  # and nothing of it is in the way
    only_the_file(out)


@pytest.mark.parametrize("code", [401, 403, 404, 410, 416])
def test_what_is_not_there_is_asked_for_once(out, pauses, code):
    get, requests = in_turn(status(code))
    with serving(get) as url, pytest.raises(InputError) as caught:
        fetch(f"{url}/a.zip", SHA256, out)
    assert f"{url}/a.zip gives no file (HTTP status {code}" in str(caught.value)
    assert "copy it from another machine" in str(caught.value)
    assert len(requests) == 1
    assert not out.exists()


def test_no_network_is_one_line_with_the_remedy(out, pauses):
    with serving(ranges) as url:
        pass
    with pytest.raises(InputError) as caught:
        fetch(url, SHA256, out)
    message = str(caught.value)
    assert f"{url} could not be fetched (" in message
    assert "or copy the file from another machine" in message
    assert "\n" not in message
    assert pauses == list(tries.PAUSES)
    assert not out.exists()


@pytest.mark.parametrize("url", ["nowhere", "ftp://127.0.0.1/a", "http://a:b/c"])
def test_what_is_no_address_is_named(out, pauses, url):
    with pytest.raises(InputError, match=re.escape(f"{url} is not an address")):
        fetch(url, SHA256, out)
    assert pauses == []


def test_too_little_disk_is_noticed_before(out, pauses, monkeypatch):
    usage = type("usage", (), {"free": 1_000_000})
    monkeypatch.setattr("ldm_scaling.data.fetch_file.shutil.disk_usage", lambda _: usage)
    with (
        serving(ranges) as url,
        pytest.raises(InputError, match=r"0\.003 GB are missing and 0\.001 GB"),
    ):
        fetch(url, SHA256, out)
    assert not out.exists()


def test_a_complete_file_is_left_alone(out):
    out.parent.mkdir()
    out.write_bytes(CONTENT)
    before = out.stat()
    fetch("http://127.0.0.1:9/nobody-listens", SHA256, out)
    assert out.stat().st_mtime_ns == before.st_mtime_ns
    only_the_file(out)


def test_a_file_that_is_complete_but_unnamed_is_not_fetched_again(out, pauses):
    out.parent.mkdir()
    out.with_name("partial-archive.zip").write_bytes(CONTENT)
    get, requests = in_turn(ranges)
    with serving(get) as url:
        fetch(url, SHA256, out)
    only_the_file(out)
    assert len(requests) == 1  # which sent no content


def test_a_killed_download_continues(out):
    first = threading.Event()

    def slow(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.send_header("ETag", '"1"')
        handler.end_headers()
        handler.wfile.write(CONTENT[:2_500_000])
        handler.wfile.flush()
        first.wait()

    get, requests = in_turn(slow, ranges)
    partial = out.with_name("partial-archive.zip")
    with serving(get) as url:
        command = [sys.executable, "-m", "ldm_scaling.data.fetch_file", "--url", f"{url}/a.zip"]
        command += ["--sha256", SHA256, "--out", str(out)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        while not partial.exists() or partial.stat().st_size < 2_000_000:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        first.set()
        assert not out.exists()
        kept = partial.stat().st_size
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert requests[1]["Range"] == f"bytes={kept}-"
    assert requests[1]["If-Range"] == '"1"'
    assert f"{out} is complete, 3 MB" in done.stdout
    only_the_file(out)


def test_the_archives_are_named_after_their_files():
    for name, archive in ARCHIVES.items():
        assert archive.url.rpartition("/")[2] == name.rpartition("/")[2]
        assert re.fullmatch(r"[0-9a-f]{64}", archive.sha256)
        assert archive.bytes > 10**7
    assert len({archive.sha256 for archive in ARCHIVES.values()}) == len(ARCHIVES)


def test_two_at_once_fetch_it_once(out):
    started, go = threading.Event(), threading.Event()
    requests = []

    def slow(handler):
        requests.append(handler.path)
        started.set()
        go.wait(60)
        whole(handler)

    with serving(slow) as url, ThreadPoolExecutor(2) as both:
        first = both.submit(fetch, url, SHA256, out)
        assert started.wait(60)
        second = both.submit(fetch, url, SHA256, out)
        time.sleep(0.2)  # until it waits for the lock
        go.set()
        first.result(60)
        second.result(60)
    assert len(requests) == 1
    only_the_file(out)
