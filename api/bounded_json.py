"""Refuses JSON bodies that are nested too deep, before they are parsed."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.problems import unfit
from core.errors import SpecError
from core.specs.nesting import parse_json


class BoundedJsonRoute(APIRoute):
    """A route whose JSON body has a limited depth. Every router has this class of routes."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of this route, which gets a `BoundedJsonRequest`."""
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            return await handle(BoundedJsonRequest(request.scope, request.receive))

        return bounded


class BoundedJsonRequest(Request):
    """A request that parses its body as JSON if that is not nested too deep."""

    async def json(self) -> Any:
        """The body.

        Raises:
            Problem: it is nested too deep (422).
            JSONDecodeError: it is not JSON.
        """
        if not hasattr(self, "_json"):
            try:
                self._json = parse_json(await self.body())
            except SpecError as error:
                raise unfit("", str(error), code="nested_too_deep") from None
        return self._json
