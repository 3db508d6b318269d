"""The page and its modules: files of the package, and no others."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).resolve().parent.parent / "web"
"""Folder of the page."""

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""What is served. A system's table of types may say otherwise, and browsers would refuse."""


class Pages(StaticFiles):
    """Static files of known kinds.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path = WEB) -> None:
        super().__init__(directory=folder, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file; 404 for folders, hidden files and unknown kinds."""
        parts = PurePosixPath(path.replace(os.sep, "/"))
        kind = KINDS.get(parts.suffix)
        if kind is None or any(part.startswith(".") for part in parts.parts):
            raise HTTPException(404)
        try:
            response = await super().get_response(path, scope)
        except OSError as error:
            raise HTTPException(404) from error
        if response.status_code == 200:
            response.headers["content-type"] = kind
        return response
