"""Are the built pages whole in a browser? Exit status 1 and a list if some are not.

    python docs/check_pages.py docs/_build/html /usr/bin/chromium

Every page is opened from a server on this machine, in light and in dark, as wide as a desktop's
window and as a phone. It says nothing on the console, asks nobody else for anything, shows all its
pictures and formulas, cuts no line of code short on a desktop and is no wider than a phone.

Needs playwright (`pip install playwright`) and a Chromium.
"""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from playwright.sync_api import sync_playwright

SCHEMES = ("light", "dark")
DESKTOP = 1280
PHONE = 390

#: how what the theme logs of its own choices begins
THEME = "[PST]"

#: in a page -> what is wrong at any width, once its formulas are set
LOOK = """async () => {
    await document.fonts.ready;
    if (window.MathJax?.startup) await MathJax.startup.promise;
    const wrong = [];
    for (const image of document.images) {
        image.loading = "eager";
        await image.decode().catch(() => wrong.push("broken picture " + image.src));
    }
    for (const fault of document.querySelectorAll("mjx-merror"))
        wrong.push("faulty formula " + fault.textContent);
    for (const formula of document.querySelectorAll(".math:not(:has(mjx-container))"))
        wrong.push("formula not set " + formula.textContent);
    return wrong;
}"""

#: in a page, its width -> what is wrong at that width
MEASURE = """desktop => {
    const wrong = [];
    for (const box of document.querySelectorAll("html, .bd-article-container, .bd-toc")) {
        const spill = box.scrollWidth - box.clientWidth;
        if (spill > 0) wrong.push(`${spill} px wider than its box: ${box.className || "page"}`);
    }
    for (const block of desktop ? document.querySelectorAll("pre") : [])
        if (block.scrollWidth > block.clientWidth)
            wrong.push(`code cut at ${block.clientWidth} of ${block.scrollWidth} px: `
                + block.textContent.trim().split("\\n")[0]);
    return wrong;
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a word on each."""

    def log_message(self, *_):
        """Say nothing."""


class Reader:
    """A window that notes what is wrong with the pages it opens.

    Parameters
    ----------
    browser : playwright.sync_api.Browser
    address : str
        Of the server; whatever else is asked for is not let through.
    scheme : str
        "light" or "dark".
    """

    def __init__(self, browser, address, scheme):
        self.address = address
        self.scheme = scheme
        self.wrong = []
        self.window = browser.new_page(color_scheme=scheme)
        self.window.on("console", self._told)
        self.window.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.window.on("requestfailed", self._failed)
        self.window.on("response", self._answered)
        self.window.route(lambda url: not url.startswith((address, "data:")), self._elsewhere)

    def _told(self, message):
        if message.type != "log" or not message.text.startswith(THEME):
            self.wrong.append(f"console: {message.text}")

    def _answered(self, response):
        if response.status >= 400:
            self.wrong.append(f"{response.status}: {response.url}")

    def _failed(self, request):
        if request.failure != "net::ERR_ABORTED":  # what the window goes on without
            self.wrong.append(f"{request.failure}: {request.url}")

    def _elsewhere(self, route):
        self.wrong.append(f"outside: {route.request.url}")
        route.abort()

    def read(self, page):
        """What is wrong with a page, each with the scheme and the width."""
        self.wrong = []
        self.window.set_viewport_size({"width": DESKTOP, "height": 900})
        self.window.goto(f"{self.address}/{page}")
        self.wrong += self.window.evaluate(LOOK)
        yield from (f"{page} ({self.scheme}): {fault}" for fault in self.wrong)
        for width in (DESKTOP, PHONE):
            self.window.set_viewport_size({"width": width, "height": 900})
            for fault in self.window.evaluate(MEASURE, width == DESKTOP):
                yield f"{page} ({self.scheme}, {width} px): {fault}"


def faults(folder, chromium):
    """What is wrong with the pages of a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    files = sorted(path.relative_to(folder) for path in folder.rglob("*.html"))
    pages = [file.as_posix() for file in files if file.parts[0] != "_static"]  # there: templates
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in SCHEMES:
            reader = Reader(browser, f"http://127.0.0.1:{server.server_port}", scheme)
            for page in pages:
                yield from reader.read(page)
        browser.close()


def main(arguments):
    """Print what is wrong."""
    folder, chromium = arguments
    wrong = list(faults(Path(folder), chromium))
    print("\n".join(wrong) if wrong else f"all pages of {folder} are whole")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
