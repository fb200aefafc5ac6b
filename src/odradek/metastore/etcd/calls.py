"""The methods of etcd that we call, by path; and one member of the cluster that is asked by them."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from odradek.config.metadata import EtcdAccess
from odradek.metastore.etcd.errors import NOT_SENT
from odradek.metastore.etcd.messages import CLASSES
from odradek.metastore.etcd.timing import Timing

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Method:
    """One gRPC method; `name` is that of its messages, without `Request` and `Response`."""

    service: str
    verb: str
    name: str

    @property
    def path(self) -> str:
        return f"/etcdserverpb.{self.service}/{self.verb}"

    @property
    def serializer(self) -> Any:
        return CLASSES[f"{self.name}Request"].SerializeToString

    @property
    def deserializer(self) -> Any:
        return CLASSES[f"{self.name}Response"].FromString

    def request(self, **fields: Any) -> Any:
        return CLASSES[f"{self.name}Request"](**fields)


RANGE = Method("KV", "Range", "Range")
TXN = Method("KV", "Txn", "Txn")
COMPACT = Method("KV", "Compact", "Compaction")
WATCH = Method("Watch", "Watch", "Watch")
LEASE_GRANT = Method("Lease", "LeaseGrant", "LeaseGrant")
LEASE_REVOKE = Method("Lease", "LeaseRevoke", "LeaseRevoke")
LEASE_KEEP_ALIVE = Method("Lease", "LeaseKeepAlive", "LeaseKeepAlive")
STATUS = Method("Maintenance", "Status", "Status")
AUTHENTICATE = Method("Auth", "Authenticate", "Authenticate")

UNARY = (RANGE, TXN, COMPACT, LEASE_GRANT, LEASE_REVOKE, STATUS, AUTHENTICATE)


class RpcFailed(Exception):
    """A call that did not end well: gRPC's status (`UNAVAILABLE`) and details, and who was asked."""

    def __init__(self, code: str, details: str, address: str) -> None:
        super().__init__(f"etcd at {address}: {details or code}")
        self.code, self.details, self.address = code, details, address


class Member:
    """One member of the cluster, as it can be reached: an address and a gRPC channel to it.

    The channel connects by itself and again; its pings notice a peer that has gone without a word.
    """

    def __init__(self, address: str, access: EtcdAccess, timing: Timing, credentials: Any) -> None:
        self.address = address
        self.id = 0
        """etcd's own id, once the member has told it; and its version."""
        self.version = ""
        options = _channel_options(timing)
        if access.tls:
            self._channel = grpc.aio.secure_channel(address, credentials, options=options)
        else:
            self._channel = grpc.aio.insecure_channel(address, options=options)
        self._unary = {
            method: self._channel.unary_unary(
                method.path, request_serializer=method.serializer, response_deserializer=method.deserializer
            )
            for method in UNARY
        }

    async def ask(self, method: Method, request: Any, metadata: Metadata, timeout_s: float) -> Any:
        """The response. Sent at most once. Raises RpcFailed."""
        try:
            return await self._unary[method](request, timeout=max(timeout_s, 0.0), metadata=metadata)
        except BaseException as error:
            raise self.failure(error) from None

    def stream(self, method: Method, metadata: Metadata) -> "Stream":
        call = self._channel.stream_stream(
            method.path, request_serializer=method.serializer, response_deserializer=method.deserializer
        )
        return Stream(self, call(metadata=metadata), metadata)

    def failure(self, error: BaseException) -> BaseException:
        """What to raise instead. A cancellation that nobody asked this task for is that of a closed channel."""
        if isinstance(error, grpc.aio.AioRpcError):
            return RpcFailed(error.code().name, error.details() or "", self.address)
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and not task.cancelling():
            return RpcFailed("CANCELLED", "the connection was closed", self.address)
        if isinstance(error, grpc.aio.UsageError | asyncio.InvalidStateError):
            return RpcFailed(NOT_SENT, "the connection is closed", self.address)
        return error

    async def close(self) -> None:
        """Whatever is under way ends as cancelled."""
        await self._channel.close()


class Stream:
    """A call on which both sides go on sending."""

    def __init__(self, member: Member, call: Any, metadata: Metadata) -> None:
        self.member, self.metadata, self._call = member, metadata, call

    async def send(self, message: Any, timeout_s: float) -> None:
        """Raises RpcFailed."""
        await self._within(timeout_s, self._call.write(message))

    async def receive(self, timeout_s: float | None = None) -> Any:
        """The next response; the end of the stream is a failure too. Raises RpcFailed."""
        response = await self._within(timeout_s, self._call.read())
        if response is grpc.aio.EOF:
            raise RpcFailed("UNAVAILABLE", "the stream has ended", self.member.address)
        return response

    async def _within(self, timeout_s: float | None, step: Coroutine[Any, Any, Any]) -> Any:
        try:
            async with asyncio.timeout(timeout_s):
                return await step
        except TimeoutError:
            raise RpcFailed("DEADLINE_EXCEEDED", f"no answer within {timeout_s} s", self.member.address) from None
        except BaseException as error:
            raise self.member.failure(error) from None

    def cancel(self) -> None:
        self._call.cancel()


def channel_credentials(access: EtcdAccess) -> Any:
    """For TLS; None without. Raises OSError with the name of a file that cannot be read."""
    if not access.tls:
        return None
    return grpc.ssl_channel_credentials(
        root_certificates=_read(access.ca_file),
        private_key=_read(access.key_file),
        certificate_chain=_read(access.cert_file),
    )


def _read(path: str | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def _channel_options(timing: Timing) -> Sequence[tuple[str, int]]:
    """Pings tell a dead peer from a silent one; of their two timeouts a stream that only reads has the second, a minute
    unless set. gRPC itself repeats nothing, and every store has connections of its own.
    """
    return (
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.keepalive_time_ms", int(timing.ping_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(timing.ping_answer_s * 1000)),
        ("grpc.http2.ping_timeout_ms", int(timing.ping_answer_s * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", int(timing.pause_s * 1000)),
        ("grpc.min_reconnect_backoff_ms", int(timing.answer_s * 1000)),
        ("grpc.max_reconnect_backoff_ms", int(timing.answer_s * 1000)),
    )
