"""Fetch (API key 1), versions 4-18.

4: isolation level. 5: log start offset. 7: sessions (KIP-227). 9: current leader epoch (KIP-320). 10: zstd. 11: rack.
12: flexible, diverging epochs. 13: topic ids. 15: replica state. 16: current leaders (KIP-951). 17, 18: of followers.

The usual fetch is answered in one go: ranges are found, the response is laid out in one buffer, and what is in the page
cache is read straight into its place. Only a long poll (`delayed_fetch`), a cold or a very large read takes longer.
"""

from typing import TYPE_CHECKING

from odradek.broker.delayed import DelayedResponse, Response
from odradek.broker.fetch_sessions import FetchContext
from odradek.broker.handlers.data_host import DataHost
from odradek.broker.handlers.fetch_plan import UNRESOLVED, FetchLimits, FetchPlan, make_plan
from odradek.broker.handlers.fetch_response import FetchResponse
from odradek.wire.fetch import FetchRequest, read_request
from odradek.wire.frame import RequestHeader

if TYPE_CHECKING:
    from odradek.broker.connection import Connection


def serve(
    broker: DataHost, connection: "Connection", header: RequestHeader, view: memoryview, end: int
) -> Response | DelayedResponse:
    """Answer the request whose body is view[header.body:end]. Raises MalformedRequestError."""
    request = read_request(view, header.body, end, header.version)
    context = broker.fetch_sessions.context(request, header.version, broker.host.clock.time_ms())
    fetch = Fetch(broker, connection, header, request, context)
    plan = fetch.plan()
    if not fetch.is_satisfied_by(plan):
        plan.release()
        from odradek.broker.handlers.delayed_fetch import DelayedFetch

        return DelayedFetch(fetch).wait(plan)
    if plan.has_cold:
        from odradek.broker.handlers.delayed_fetch import DelayedFetch

        return DelayedFetch(fetch).locate(plan)
    response = fetch.respond(plan)
    if isinstance(response, FetchResponse):
        from odradek.broker.handlers.delayed_fetch import DelayedFetch

        return DelayedFetch(fetch).fill(response)
    return response


class Fetch:
    """One request: what it asks for, and how its response is made."""

    __slots__ = ("broker", "connection", "context", "header", "limits", "min_bytes", "request")

    def __init__(
        self,
        broker: DataHost,
        connection: "Connection",
        header: RequestHeader,
        request: FetchRequest,
        context: FetchContext,
    ) -> None:
        self.broker = broker
        self.connection = connection
        self.header = header
        self.request = request
        self.context = context
        max_bytes = min(request.max_bytes, broker.config.get("fetch.max.bytes"))
        self.min_bytes = min(request.min_bytes, max_bytes)
        replica = (request.replica_id, request.replica_epoch) if request.replica_id >= 0 else None
        self.limits = FetchLimits(header.version, request.isolation_level, max_bytes, replica)
        if replica is not None:
            self.limits.lending = broker.lending
            broker.hearing.heard(request.replica_id)
        if broker.config.get("replica.selector.class") is not None:
            self.limits.client_rack = "" if replica is not None else request.rack_id
            self.limits.tells_commits = replica is not None

    def plan(self) -> FetchPlan:
        """What there is to read now, of which less is taken while clients do not take what they asked for."""
        unsent, limits = self.broker.connections.unsent, self.limits
        if unsent.is_short:
            limits = limits.with_least(allows_batch=not unsent.is_full)
        plan, session = make_plan(self.broker, self.context.wanted(), limits), self.context.session
        if session is not None:
            for key, partition in plan.quiet:
                session.settle(key, partition)
        return plan

    def is_satisfied_by(self, plan: FetchPlan) -> bool:
        """Whether to answer rather than to wait for more."""
        if plan.readable_bytes >= self.min_bytes or plan.is_final or self.request.max_wait_ms <= 0:
            return True
        if self.context.session is not None and self.context.session.quiet:
            return False
        return all(each.result.error_code in UNRESOLVED for each in plan.reads.values())

    def respond(self, plan: FetchPlan) -> Response | FetchResponse:
        """The response, its records copied from the page cache; if some are not there, what is still to be filled.

        Not for a plan with cold searches.
        """
        response = FetchResponse(self, plan)
        return response.finish() if response.fill_hot() else response
