"""`/docs`: the OpenAPI document for people. It is the one page that runs scripts, and just its own ones."""

import base64
import hashlib
import re

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_LOADED = re.compile(r'(?:src|href)="(https://[^"]+\.(js|css))"')


def install(app: FastAPI) -> None:
    """Serve the page; the document is named relative to it, so that any proxy's prefix holds."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json", title=f"{app.title} API", swagger_favicon_url="data:,"
    ).body
    html = bytes(page).decode()
    headers = {"Content-Security-Policy": policy_of(html)}

    @app.get("/docs", include_in_schema=False)
    def show_docs() -> Response:
        return HTMLResponse(html, headers=headers)


def policy_of(html: str) -> str:
    """The narrowest policy under which a page of Swagger UI works: its own inline script and files by name.

    Swagger UI styles elements as it draws them, which takes 'unsafe-inline'; styles run nothing.
    """
    scripts = [f"'sha256-{_sha256(script)}'" for script in _INLINE_SCRIPT.findall(html)]
    scripts += [url for url, kind in _LOADED.findall(html) if kind == "js"]
    styles = [url for url, kind in _LOADED.findall(html) if kind == "css"]
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(scripts)}",
            f"style-src 'unsafe-inline' {' '.join(styles)}",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
