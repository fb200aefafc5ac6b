"""Changing the configuration of topics, brokers and groups: plan on the image, compare-and-swap, plan again."""

from collections.abc import Callable, Mapping, Sequence

from kio.schema.errors import ErrorCode

from odradek.cluster.config_plans import plan_alter, plan_replace
from odradek.cluster.image import ClusterImage
from odradek.cluster.image_feed import ImageFeed
from odradek.cluster.keys import Keys
from odradek.cluster.records import ConfigRecord
from odradek.cluster.results import ConfigChange, ConfigResult, MetadataUnavailable, Refusal, refusal, unavailable
from odradek.cluster.writer import Writer, unchanged
from odradek.config import BrokerConfig
from odradek.metastore.store import Compare, LimitExceeded, Put, Revision

RACES_MAX = 8

Plan = Callable[[ClusterImage, BrokerConfig], dict[str, str] | Refusal]


class Configs:
    """Overrides are stored per resource as one value, an empty one when the last is deleted."""

    def __init__(self, feed: ImageFeed, keys: Keys, writer: Writer, config: Callable[[], BrokerConfig]) -> None:
        self._feed, self._keys, self._writer, self._config = feed, keys, writer, config

    async def alter(
        self, resource_type: str, name: str, changes: Sequence[ConfigChange], validate_only: bool
    ) -> ConfigResult:
        def plan(image: ClusterImage, config: BrokerConfig) -> dict[str, str] | Refusal:
            return plan_alter(image, config, resource_type, name, changes)

        return await self._change(resource_type, name, plan, validate_only)

    async def replace(
        self, resource_type: str, name: str, values: Mapping[str, str | None], validate_only: bool
    ) -> ConfigResult:
        def plan(image: ClusterImage, config: BrokerConfig) -> dict[str, str] | Refusal:
            return plan_replace(image, config, resource_type, name, values)

        return await self._change(resource_type, name, plan, validate_only)

    async def _change(self, resource_type: str, name: str, plan: Plan, validate_only: bool) -> ConfigResult:
        key = self._keys.config(resource_type, name)
        for _ in range(RACES_MAX):
            image = self._feed.image
            planned = plan(image, self._config())
            if isinstance(planned, Refusal):
                return ConfigResult(planned.error, planned.message)
            if validate_only or planned == image.config(resource_type, name):
                return ConfigResult()
            try:
                revision = await self._write(key, self._comparisons(image, resource_type, name), planned)
            except LimitExceeded as error:
                return ConfigResult(ErrorCode.invalid_config, str(error))
            except MetadataUnavailable as error:
                refused = unavailable(error)
                return ConfigResult(refused.error, refused.message)
            if revision is not None:
                return ConfigResult()
        timed_out = refusal(ErrorCode.request_timed_out)
        return ConfigResult(timed_out.error, timed_out.message)

    def _comparisons(self, image: ClusterImage, resource_type: str, name: str) -> list[Compare]:
        revision = image.config_revisions.get((resource_type, name), 0)
        comparisons = [unchanged(self._keys.config(resource_type, name), revision)]
        if resource_type == "topic":
            comparisons.append(unchanged(self._keys.topic(name), image.topics[name].mod_revision))
        return comparisons

    async def _write(self, key: bytes, when: list[Compare], values: dict[str, str]) -> Revision | None:
        """The revision once the image has it; None when a race was lost, and then the image has caught up."""
        record = ConfigRecord(values, self._writer.new_op_id())
        revision = await self._writer.commit(when, [Put(key, record.encode())])
        reached = revision if revision is not None else (await self._writer.get(key))[1]
        await self._feed.reach(reached)
        return revision
