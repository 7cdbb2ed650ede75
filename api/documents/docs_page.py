"""`/docs`: the interactive OpenAPI page (Swagger UI), the only page that runs scripts.

Swagger UI is served from an installed wheel, not from a CDN. So the page works without internet access, and
no third party sees its readers or controls scripts that run next to an API key.
"""

import base64
import hashlib
import re
from functools import partial
from importlib import resources

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_FILES = resources.files("fastapi_offline") / "static"
_MEDIA_TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}


def install(app: FastAPI) -> None:
    """Serve the page. Its URLs are relative, so that it works behind a proxy's path prefix."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=f"{app.title} API",
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="data:,",
    ).body
    html = bytes(page).decode()
    headers = {"Content-Security-Policy": policy_of(html)}

    @app.get("/docs", include_in_schema=False)
    def show_docs() -> Response:
        return HTMLResponse(html, headers=headers)

    for name in _MEDIA_TYPES:
        app.add_api_route(f"/docs/{name}", partial(_file, name), include_in_schema=False)


def _file(name: str) -> Response:
    return Response((_FILES / name).read_bytes(), media_type=_MEDIA_TYPES[name])


def policy_of(html: str) -> str:
    """The strictest Content-Security-Policy under which Swagger UI works: its own inline script and files.

    Swagger UI sets inline styles, which needs 'unsafe-inline'. Styles cannot run scripts.
    """
    scripts = [f"'sha256-{_sha256(script)}'" for script in _INLINE_SCRIPT.findall(html)]
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {' '.join(scripts)}",
            "style-src 'self' 'unsafe-inline'",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
