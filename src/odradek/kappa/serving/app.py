"""HTTP: a view's rows by their columns, with the offsets that they reflect.

`GET /views` names the views; `GET /views/NAME?column=value` gives rows. Rows and offsets of one answer are of one
moment. With `wait=TOPIC:PARTITION:OFFSET` the answer comes once it reflects that record.
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import duckdb
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from odradek.kappa.serving.lookup import Lookup, RequestError, read_lookup
from odradek.kappa.serving.values import plain
from odradek.kappa.serving.waiting import is_reached, read_timeout, read_wanted
from odradek.kappa.views.running import RunningView, Views

LOOK_S = 0.02
"""Between two looks at how far a view is, for a request that waits."""

Handler = Callable[[Request], Awaitable[Response]]


def application(views: Views, token: str | None = None) -> Starlette:
    """`token`: what every request must bring as `Authorization: Bearer`."""

    async def list_views(_: Request) -> Response:
        return JSONResponse([{"name": name, "columns": each.plan.output} for name, each in views.running.items()])

    async def look_up(request: Request) -> Response:
        view = views.running.get(request.path_params["name"])
        if view is None:
            known = ", ".join(views.running) or "none"
            return _refused(404, f"there is no view {request.path_params['name']}; known are {known}")
        try:
            return await _answer(view, request)
        except RequestError as error:
            return _refused(400, str(error))

    guarded = [
        Route(path, _guarded(handler, token)) for path, handler in (("/views", list_views), ("/views/{name}", look_up))
    ]
    return Starlette(routes=guarded)


def _guarded(handler: Handler, token: str | None) -> Handler:
    if token is None:
        return handler
    expected = f"Bearer {token}".encode()

    async def guarded(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
            return JSONResponse({"error": "a bearer token is needed"}, 401, {"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return guarded


async def _answer(view: RunningView, request: Request) -> Response:
    lookup = read_lookup(view.plan, request.query_params.multi_items())
    wait = request.query_params.get("wait")
    wanted = None if wait is None else read_wanted(wait)
    with anyio.move_on_after(read_timeout(request.query_params.get("timeout"))):
        while True:
            offsets, rows = await to_thread.run_sync(_read, view, lookup)
            if wanted is None or is_reached(wanted, offsets):
                return _told(offsets, rows, lookup)
            await anyio.sleep(LOOK_S)
    return _refused(504, f"{view.plan.name} did not {'answer' if wanted is None else f'reach {wait}'} in time")


def _told(offsets: dict[str, dict[str, int]], rows: list[dict[str, Any]], lookup: Lookup) -> Response:
    content = {"rows": rows[: lookup.limit], "has_more": len(rows) > lookup.limit, "offsets": offsets}
    return Response(json.dumps(content, default=plain, ensure_ascii=False), media_type="application/json")


def _read(view: RunningView, lookup: Lookup) -> tuple[dict[str, dict[str, int]], list[dict[str, Any]]]:
    """Both of one moment: a transaction sees what was committed when it began."""
    with view.connection.cursor() as cursor:
        cursor.execute("BEGIN")
        offsets: dict[str, dict[str, int]] = {}
        for topic, partition, following in cursor.execute("SELECT topic, partition, next FROM offsets").fetchall():
            offsets.setdefault(topic, {})[str(partition)] = following
        try:
            found = cursor.execute(lookup.sql, lookup.values).fetchall()
        except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
            raise RequestError(" ".join(str(error).splitlines()[0].split())) from error
        finally:
            cursor.execute("ROLLBACK")
    return offsets, [dict(zip(view.plan.output, row, strict=True)) for row in found]


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)
