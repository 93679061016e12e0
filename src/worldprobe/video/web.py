"""Addresses on the web: http(s) and nothing else."""

from __future__ import annotations

import http.client
import urllib.parse
import urllib.request
from typing import IO

from worldprobe.errors import VideoError

TIMEOUT_SECONDS = 30.0
CHUNK = 1 << 20


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http(s) only: a server must not make us open a local file.

    From https it follows to https only: what was asked for in secret is not sent in the open.
    """

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme.lower()
        if scheme not in ("http", "https"):
            raise VideoError(f"{req.full_url} redirects to {newurl}, which is not http(s). It was not followed.")
        if scheme == "http" and req.full_url.lower().startswith("https:"):
            raise VideoError(f"{req.full_url} redirects to {newurl}, which is not https. It was not followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener() -> urllib.request.OpenerDirector:
    """Only http(s): no file, ftp or data handlers, which urllib's own opener would add."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(), _WebOnly(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(),
    ):  # fmt: skip
        director.add_handler(handler)
    return director


def check_kind(url: str, response: http.client.HTTPResponse) -> None:
    """Raises VideoError for a web page."""
    kind = response.headers.get_content_type()
    if kind in ("text/html", "application/xhtml+xml"):
        raise VideoError(f"{url} is a web page, not a video. Give the address of the video file itself.")
