"""The publishers' files over the network: several addresses, limits on time and size, retries."""

import logging
import time
from http.client import HTTPException
from io import BytesIO
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from skfedmtl.datasets._archives import unpack
from skfedmtl.datasets._source import Source

logger = logging.getLogger("skfedmtl.datasets")

SILENCE = 30.0  #: seconds without a byte after which an address is given up
DEADLINE = 1800.0  #: seconds that one file may take
_CHUNK = 2**16
_TRY_AGAIN = (408, 425, 429)  # of the codes from 400 to 499, those that may pass


def download(source: Source, n_retries: int, delay: float) -> dict[str, bytes]:
    """Download a data set from the first of its addresses that has it.

    Parameters
    ----------
    source : Source
        The data set.
    n_retries : int
        How often to go through the addresses again; those that say for good that they do not have
        it are left out.
    delay : float
        Seconds before that.

    Returns
    -------
    contents : dict of str to bytes
        The contents of the members by name, each with the size and sha256 that it must have.

    Raises
    ------
    OSError
        If no address had them; the message says why, address by address.
    """
    mirrors = list(source.mirrors)
    failures = {}
    for attempt in range(n_retries + 1):
        if attempt:
            logger.warning("%s: download failed, trying again in %g s", source.name, delay)
            time.sleep(delay)
        for mirror in tuple(mirrors):
            logger.info("%s: downloading from %s", source.name, mirror)
            try:
                return _from_mirror(mirror, source)
            except (OSError, HTTPException, ValueError) as error:
                failures[mirror] = str(error) or type(error).__name__
                if _is_final(error):
                    mirrors.remove(mirror)
        if not mirrors:
            break
    reasons = "".join(f"\n  {mirror}: {reason}" for mirror, reason in failures.items())
    raise OSError(f"{source.name} could not be downloaded from any address:{reasons}")


def _from_mirror(mirror: str, source: Source) -> dict[str, bytes]:
    if not mirror.endswith("/"):
        return unpack(BytesIO(read_url(mirror, source.limit)), source.members, source.limit)
    return {
        member.name: member.check(read_url(mirror + quote(member.name), member.size))
        for member in source.members
    }


def _is_final(error: Exception) -> bool:
    return isinstance(error, HTTPError) and 400 <= error.code < 500 and error.code not in _TRY_AGAIN


def read_url(url: str, limit: int) -> bytes:
    """Return what an address answers, if it is at most `limit` bytes and comes in time."""
    end = time.monotonic() + DEADLINE
    request = Request(url, headers={"User-Agent": "skfedmtl"})
    try:
        response = _opener().open(request, timeout=SILENCE)
    except HTTPError as error:
        error.close()
        raise
    content = bytearray()
    with response:
        stated = response.headers.get("Content-Length")
        if stated is not None and int(stated) > limit:
            raise OSError(f"has {int(stated)} bytes; at most {limit} are expected")
        # read1 returns what is there: read would wait for a full chunk of a trickle
        while chunk := response.read1(_CHUNK):
            content += chunk
            if len(content) > limit:
                raise OSError(f"sends more than the {limit} bytes that are expected")
            if time.monotonic() > end:
                raise TimeoutError(f"took longer than {DEADLINE:g} s")
    if stated is not None and len(content) != int(stated):
        raise OSError(f"was cut off after {len(content)} of {int(stated)} bytes")
    return bytes(content)


def _opener() -> OpenerDirector:
    """HTTP and HTTPS, redirects and proxies, nothing else: no files, no FTP."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler,
        UnknownHandler,
        HTTPHandler,
        HTTPSHandler,
        HTTPDefaultErrorHandler,
        HTTPRedirectHandler,
        HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener
