"""The token with which a user of etcd shows who it is: asked for when needed, again when it is refused."""

import asyncio
import logging

from odradek.config.metadata import EtcdAccess
from odradek.metastore.etcd.calls import AUTHENTICATE, Member, Metadata, RpcFailed
from odradek.metastore.etcd.errors import AUTHENTICATION_IS_OFF, NOT_SENT, REFUSALS, StoreRefuses
from odradek.metastore.etcd.timing import Timing

logger = logging.getLogger(__name__)

HAS_LEADER: Metadata = (("hasleader", "true"),)
"""A member without a leader then refuses, and ends streams: without it a watch on a lost quorum hangs for ever."""


class Tokens:
    """One token serves all members; it is asked for by one task at a time."""

    def __init__(self, access: EtcdAccess, timing: Timing) -> None:
        self._access, self._timing = access, timing
        self._token: str | None = None if access.user else ""
        self._asking = asyncio.Lock()

    async def metadata(self, member: Member) -> Metadata:
        """What every call carries. Raises RpcFailed (NOT_SENT); StoreRefuses for a wrong password."""
        if self._token is None:
            async with self._asking:
                if self._token is None:
                    self._token = await self._authenticate(member)
        return (*HAS_LEADER, ("token", self._token)) if self._token else HAS_LEADER

    def forget(self, metadata: Metadata) -> bool:
        """The token in this metadata was refused; whether there is a way to another one."""
        if not self._access.user:
            return False
        if dict(metadata).get("token") == self._token:
            self._token = None
        return True

    async def _authenticate(self, member: Member) -> str:
        request = AUTHENTICATE.request(name=self._access.user, password=self._access.password or "")
        try:
            response = await member.ask(AUTHENTICATE, request, HAS_LEADER, self._timing.answer_s)
        except RpcFailed as error:
            if error.details == AUTHENTICATION_IS_OFF:
                logger.warning("etcd at %s lets everybody in: its authentication is not enabled", member.address)
                return ""
            if error.code in REFUSALS:
                raise StoreRefuses(str(error)) from None
            raise RpcFailed(NOT_SENT, error.details or error.code, error.address) from None
        return str(response.token)
