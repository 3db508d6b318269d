"""The ASGI application: routes behind the shield."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp

from turnkit.agent.server.pages import WEB, Pages
from turnkit.agent.server.replies import Refused, failure
from turnkit.agent.server.routes import Routes
from turnkit.agent.server.service import Service
from turnkit.agent.server.shield import Shield


async def _http_error(_request: Request, error: Exception) -> Response:
    # A handler that is no coroutine would be run in a thread.
    assert isinstance(error, HTTPException)
    if isinstance(error, Refused):
        return error.response()
    return failure(error.status_code, headers=error.headers)


def build_app(service: Service, web: Path = WEB) -> ASGIApp:
    """Application of a service.

    Parameters
    ----------
    service : Service
    web : Path
        Folder of the page.
    """
    pages = Pages(web)
    handlers = Routes(service, pages)
    routes = [
        Route("/", handlers.page),
        Mount("/static", pages),
        Route("/healthz", handlers.health),
        Route("/readyz", handlers.ready),
        Route("/metrics", handlers.metrics),
        Route("/api/config", handlers.config),
        Route("/api/offer", handlers.offer, methods=["POST"]),
        Route("/api/calls/{call}", handlers.hang_up, methods=["DELETE"]),
        WebSocketRoute("/api/stream", handlers.stream),
    ]
    middleware = []
    if service.settings.origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(service.settings.origins),
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["Authorization", "Content-Type"],
            )
        )
    app = Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return Shield(app, service.settings, service.telemetry)
