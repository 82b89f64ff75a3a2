"""Downloads from a server on this machine: mirrors, retries, limits, and what must not be kept."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skfedmtl.datasets import _download
from skfedmtl.datasets._download import download, read_url
from skfedmtl.datasets._fetch import fetch_arrays
from web import (
    CONTENTS,
    SMALL,
    at,
    gibberish,
    hang_up,
    in_turn,
    redirect,
    send,
    send_chunked,
    send_endlessly,
    serve,
    stall,
    status,
    trickle,
    wait_until,
    zipped,
)

CLOSED = "http://127.0.0.1:1/closed.zip"


@pytest.fixture(scope="module")
def module_server():
    with serve() as server:
        yield server


@pytest.fixture
def server(module_server):
    module_server.requests.clear()
    module_server.answers.clear()
    return module_server


@pytest.fixture
def quick(monkeypatch):
    """Give up a silent server soon."""
    monkeypatch.setattr(_download, "SILENCE", 0.3)
    monkeypatch.setattr(_download, "DEADLINE", 0.5)


@pytest.fixture
def pauses(monkeypatch):
    """Note the pauses instead of making them."""
    noted = []
    monkeypatch.setattr(_download.time, "sleep", noted.append)
    return noted


def fetch(source, folder, download_if_missing=True, n_retries=0, delay=0.0):
    return fetch_arrays(source, folder, download_if_missing, n_retries, delay)


def check(arrays):
    expected = SMALL.parse(CONTENTS)
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name])


def failure(*mirrors, n_retries=0):
    with pytest.raises(OSError) as error:
        download(at(*mirrors), n_retries, 0.0)
    return str(error.value)


# -- answers that will do -----------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        send(zipped()),
        send(zipped(folder="any folder/of any depth/")),
        send(zipped(**{"more.bin": bytes(10**5)})),
        send(zipped({"inner.zip": zipped(), "names.txt": b"x"})),
        send_chunked(zipped()),
        trickle(zipped(), pause=0.001),
    ],
    ids=["plain", "in a folder", "with more", "nested", "chunked", "slow"],
)
def test_an_archive_is_downloaded_and_kept(answer, server, tmp_path):
    folder = tmp_path / "new" / "folder"
    check(fetch(at(server.url("/small.zip", answer)), folder))
    assert [path.name for path in folder.iterdir()] == ["small.npz"]
    assert server.requests == ["/small.zip"]
    check(fetch(at(CLOSED), folder))


def test_a_folder_of_members_is_downloaded(server, tmp_path):
    check(fetch(at(server.files("/a%20folder/", CONTENTS)), tmp_path))
    assert server.requests == ["/a%20folder/rows.csv", "/a%20folder/part/labels.csv"]


def test_what_is_kept_is_read_anywhere(server, tmp_path):
    fetch(at(server.url("/small.zip", send(zipped()))), tmp_path)
    with np.load(tmp_path / "small.npz", allow_pickle=False) as arrays:
        check(dict(arrays))
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "small.npz").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(code, server, tmp_path):
    server.url("/there.zip", send(zipped()))

    def answer(handler):
        handler.send_response(code)
        handler.send_header("Location", "/there.zip")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    check(fetch(at(server.url("/here.zip", answer)), tmp_path))


# -- answers that will not ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (send(zipped(), length=10**6), "was cut off after"),
        (send(zipped()[:-500]), "not a readable zip archive"),
        (send(zipped(), length=300), "not a readable zip archive"),
        (send(b"<html>please log in</html>"), "not a readable zip archive"),
        (send(b""), "not a readable zip archive"),
        (send(zipped({"rows.csv": CONTENTS["rows.csv"]})), "does not hold part/labels.csv"),
        (
            send(zipped({**CONTENTS, "rows.csv": CONTENTS["rows.csv"].replace(b"1", b"7")})),
            f"rows.csv is damaged .* should be {SMALL.members[0].sha256}, found ",
        ),
        (send(b"", length=10**12), "has 1000000000000 bytes; at most"),
        (send_endlessly, "sends more than the"),
        (send(b"x", length="many"), "many"),
        (send(b"x", length="-5"), ""),
        (status(404), "404"),
        (status(410), "410"),
        (status(500), "500"),
        (status(503), "503"),
        (status(204), "not a readable zip archive"),
        (redirect("/small.zip"), "infinite loop"),
        (redirect("file:///etc/passwd"), "302"),
        (redirect("ftp://127.0.0.1/small.zip"), "unknown url type: ftp"),
        (redirect("http://127.0.0.1:1/x"), "refused"),
        (redirect("http://[oops/"), ""),
        (hang_up, "closed connection"),
        (gibberish, "good day"),
    ],
)
def test_bad_answers_are_failures_that_leave_nothing(answer, reason, server, tmp_path):
    url = server.url("/small.zip", answer)
    with pytest.raises(OSError, match=r"(?s)could not be downloaded from any address") as error:
        fetch(at(url), tmp_path)
    assert f"\n  {url}: " in str(error.value)
    (line,) = [line for line in str(error.value).splitlines() if line.startswith(f"  {url}: ")]
    assert len(line) > len(f"  {url}: ")
    assert re.search(reason, line)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_server_is_given_up(server, quick):
    assert "timed out" in failure(server.url("/small.zip", stall()))
    assert "timed out" in failure(server.url("/small.zip", stall(zipped()[:100])))


def test_a_trickle_is_given_up(server, quick):
    url = server.url("/small.zip", trickle(bytes(10**5), pause=0.02))
    assert "took longer than 0.5 s" in failure(url)


def test_no_other_schemes_than_http(tmp_path):
    path = tmp_path / "small.zip"
    path.write_bytes(zipped())
    assert "unknown url type" in failure(path.as_uri())
    assert "unknown url type" in failure("data:application/zip;base64,UEsFBgAA")


def test_a_file_may_be_as_long_as_the_limit_but_no_longer(server):
    url = server.url("/file", send_chunked(bytes(5000)))
    assert len(read_url(url, 5000)) == 5000
    with pytest.raises(OSError, match="more than the 4999 bytes"):
        read_url(url, 4999)


# -- mirrors and retries ------------------------------------------------------------------


def test_the_next_address_is_tried_at_once(server, pauses, tmp_path):
    good = server.url("/good.zip", send(zipped()))
    missing = server.url("/missing.zip")
    wrong = server.files("/wrong/", {name: b"x" for name in CONTENTS})
    check(fetch(at(CLOSED, missing, wrong, good, CLOSED), tmp_path, n_retries=3, delay=5.0))
    assert server.requests == ["/missing.zip", "/wrong/rows.csv", "/good.zip"]
    assert pauses == []


def test_failures_are_retried_after_the_delay(server, pauses, tmp_path, caplog):
    flaky = server.url("/small.zip", in_turn(status(500), hang_up, send(b"x"), send(zipped())))
    check(fetch(at(flaky), tmp_path, n_retries=3, delay=0.25))
    assert pauses == [0.25] * 3
    assert len(server.requests) == 4
    assert caplog.messages == ["small: download failed, trying again in 0.25 s"] * 3


def test_as_many_retries_as_asked_for(server, pauses):
    url = server.url("/small.zip", status(500))
    for n_retries in (0, 2):
        server.requests.clear()
        failure(url, CLOSED, n_retries=n_retries)
        assert len(server.requests) == n_retries + 1


def test_what_is_gone_is_not_asked_again(server, pauses):
    gone, busy = server.url("/gone.zip", status(404)), server.url("/busy.zip", status(429))
    message = failure(gone, busy, n_retries=2)
    assert server.requests == ["/gone.zip", "/busy.zip", "/busy.zip", "/busy.zip"]
    assert "404" in message and "429" in message
    server.requests.clear()
    pauses.clear()
    failure(gone, n_retries=2)
    assert server.requests == ["/gone.zip"] and pauses == []


def test_offline_says_what_to_put_where(tmp_path, server):
    with pytest.raises(OSError) as error:
        fetch(at(CLOSED, server.url("/missing.zip")), tmp_path)
    message = str(error.value)
    for part in (
        "small.npz is not in the folder",
        repr(str(tmp_path)),
        f"small.zip (from {CLOSED})",
        "refused",
        "404",
        "data_home=",
        "SKFEDMTL_DATA",
    ):
        assert part in message


def test_nothing_is_downloaded_unless_allowed(server, tmp_path):
    source = at(server.url("/small.zip", send(zipped())))
    with pytest.raises(FileNotFoundError, match="download_if_missing=False") as error:
        fetch(source, tmp_path / "none", download_if_missing=False)
    assert "small.zip" in str(error.value)
    assert server.requests == [] and list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_fails_before_the_download(server, tmp_path):
    (tmp_path / "file").touch()
    source = at(server.url("/small.zip", send(zipped())))
    with pytest.raises(OSError, match="file"):
        fetch(source, tmp_path / "file" / "below")
    assert server.requests == []


# -- interrupted, and at the same time ----------------------------------------------------

SCRIPT = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from web import at
from skfedmtl.datasets._fetch import fetch_arrays
{before}
arrays = fetch_arrays(at({url!r}), {folder!r}, True, 0, 0.0)
print(arrays["X"].sum())
"""


def start(url, folder, before=""):
    tests = str(Path(__file__).parents[1])
    code = SCRIPT.format(tests=tests, url=url, folder=str(folder), before=before)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_killed_download_leaves_nothing(server, tmp_path):
    url = server.url("/small.zip", in_turn(stall(zipped()[:200]), send(zipped())))
    process = start(url, tmp_path)
    wait_until(lambda: server.requests)
    process.kill()
    process.communicate()
    assert list(tmp_path.iterdir()) == []
    check(fetch(at(url), tmp_path))


def test_killed_while_it_keeps_the_data(server, tmp_path):
    url = server.url("/small.zip", send(zipped()))
    process = start(url, tmp_path, "os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".small.npz.") and left.name.endswith(".part")
    with pytest.raises(FileNotFoundError):
        fetch(at(CLOSED), tmp_path, download_if_missing=False)
    check(fetch(at(url), tmp_path))
    check(fetch(at(CLOSED), tmp_path))


def test_a_full_disk_loses_nothing_and_leaves_nothing(server, tmp_path, monkeypatch):
    def fail(file):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.warns(RuntimeWarning, match="cannot be kept in the folder .*: no space left"):
        check(fetch(at(server.url("/small.zip", send(zipped()))), tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_processes_at_the_same_time(server, tmp_path):
    url = server.url("/small.zip", send(zipped()))
    processes = [start(url, tmp_path) for _ in range(2)]
    printed = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert printed == {f"{SMALL.parse(CONTENTS)['X'].sum()}\n"}
    assert [path.name for path in tmp_path.iterdir()] == ["small.npz"]
    check(fetch(at(CLOSED), tmp_path))
