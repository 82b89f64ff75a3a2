"""A web server on this machine that misbehaves as asked, and a small data set to fetch from it."""

import hashlib
import io
import threading
import time
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from skfedmtl._tools.layout import Field, digest
from skfedmtl.datasets._source import Member, Source

CONTENTS = {
    "rows.csv": b"1.5,2.5\n3.5,4.5\n" * 2000,
    "part/labels.csv": b"0\n1\n" * 2000,
}


def parse(contents):
    """Return the arrays of the small data set."""
    return {
        "X": np.loadtxt(io.BytesIO(contents["rows.csv"]), delimiter=","),
        "y": np.loadtxt(io.BytesIO(contents["part/labels.csv"]), dtype=np.int8),
        "names": np.array(["first", "second"]),
    }


SMALL = Source(
    "small",
    digest(parse(CONTENTS)),
    {
        "X": Field((4000, 2), "float64"),
        "y": Field((4000,), "int8", 0, 1),
        "names": Field((2,), "strings"),
    },
    tuple(Member(k, len(v), hashlib.sha256(v).hexdigest()) for k, v in CONTENTS.items()),
    ("http://127.0.0.1:1/never.zip",),
    ("small.zip",),
    parse,
    folder="Small Folder",
)


def at(*mirrors):
    """Return the small data set with these addresses."""
    return replace(SMALL, mirrors=mirrors)


def zipped(contents=CONTENTS, folder="", **more):
    """Return a zip archive of the contents, as bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**contents, **more}.items():
            archive.writestr(folder + name, content)
    return file.getvalue()


class Server:
    """Answers by path: `answers[path]` is called with the request handler."""

    def __init__(self, address):
        self.address = address
        self.answers = {}
        self.requests = []
        self.closing = threading.Event()

    def url(self, path, answer=None):
        """Return the address of a path, from now on answered as told."""
        if answer is not None:
            self.answers[path] = answer
        return self.address + path

    def files(self, folder, contents):
        """Serve files below a folder and return its address."""
        for name, content in contents.items():
            self.answers[folder + name.replace(" ", "%20")] = send(content)
        return self.address + folder


@contextmanager
def serve():
    """Run a server in a thread."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            server.requests.append(self.path)
            self.web = server
            self.close_connection = True
            try:
                server.answers.get(self.path, status(404))(self)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has had enough

        def log_message(self, *args):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    server = Server(f"http://127.0.0.1:{web.server_port}")
    thread = threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        web.shutdown()
        web.server_close()
        thread.join()


def _head(handler, code=200, **headers):
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()


def send(content, length=None):
    """Answer with the content, and with its length or another one."""

    def answer(handler):
        _head(handler, Content_Length=len(content) if length is None else length)
        handler.wfile.write(content)

    return answer


def send_chunked(content):
    """Answer with the content in chunks, without a length."""

    def answer(handler):
        _head(handler, Transfer_Encoding="chunked")
        for start in range(0, len(content), 1000):
            piece = content[start : start + 1000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def send_endlessly(handler):
    """Answer with zeros, without a length, for as long as the client listens."""
    _head(handler)
    while not handler.web.closing.is_set():
        handler.wfile.write(bytes(2**16))


def trickle(content, pause=0.05):
    """Answer a hundred bytes at a time."""

    def answer(handler):
        _head(handler, Content_Length=len(content))
        for start in range(0, len(content), 100):
            handler.wfile.write(content[start : start + 100])
            if handler.web.closing.wait(pause):
                break

    return answer


def stall(content=b"", length=10**4):
    """Answer with the first bytes, then say nothing more."""

    def answer(handler):
        _head(handler, Content_Length=length)
        handler.wfile.write(content)
        handler.wfile.flush()
        handler.web.closing.wait(30)

    return answer


def status(code):
    """Answer with a code and nothing else."""

    def answer(handler):
        _head(handler, code, Content_Length=0)

    return answer


def redirect(location):
    """Answer that it is elsewhere."""

    def answer(handler):
        _head(handler, 302, Location=location, Content_Length=0)

    return answer


def hang_up(handler):
    """Answer by closing the connection."""


def gibberish(handler):
    """Answer with something that is not HTTP."""
    handler.wfile.write(b"good day\r\n\r\n")


def in_turn(*answers):
    """Answer the first request by the first answer, and so on; the last one serves the rest."""
    left = list(answers)

    def answer(handler):
        (left.pop(0) if len(left) > 1 else left[0])(handler)

    return answer


def wait_until(condition, seconds=60.0):
    """Wait for a condition to hold."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.01)
