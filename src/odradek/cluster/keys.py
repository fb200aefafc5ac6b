"""Where things are in the metadata store. Every key starts with the prefix of its cluster.

```
meta                      cluster id, format                        ctl/leader (lease), ctl/epoch
broker/<id>               registration                              live/<id>, load/<id> (lease)
suspect/<id>/<by>         found dead by another broker (lease)
topic/<name>              topic id, state, partition count          collide/<name with _ for .>
part/<topic id>/<index>   one partition                             deleted/<topic id>
cfg/<type>/<name>         overrides of one resource                 pid_block    next producer id
history/<token>           a part of the store's history begins here
intent/<topic id>         a creation or growth that takes several transactions
```
"""

import re
from uuid import UUID

from odradek.cluster.ids import uuid_text

CLUSTER_NAME = re.compile(r"[a-zA-Z0-9._-]{1,100}")


class Keys:
    """Builds the keys of one cluster and takes them apart."""

    def __init__(self, cluster_name: str) -> None:
        if not CLUSTER_NAME.fullmatch(cluster_name):
            raise ValueError(f"cluster name {cluster_name!r}: only 1 to 100 of a-z A-Z 0-9 . _ - are allowed")
        self.prefix = f"odradek/{cluster_name}/".encode()
        self.meta = self._key("meta")
        self.controller = self._key("ctl/leader")
        self.controller_epoch = self._key("ctl/epoch")
        self.producer_id_block = self._key("pid_block")
        self.all_partitions = self._key("part/")
        """The prefix of all partitions."""
        self.all_history = self._key("history/")
        """The prefix of all tokens."""

    def _key(self, rest: str) -> bytes:
        return self.prefix + rest.encode()

    def broker(self, broker_id: int) -> bytes:
        return self._key(f"broker/{broker_id}")

    def live(self, broker_id: int) -> bytes:
        return self._key(f"live/{broker_id}")

    def history(self, token: str) -> bytes:
        return self._key(f"history/{token}")

    def suspect(self, broker_id: int, by: int) -> bytes:
        return self._key(f"suspect/{broker_id}/{by}")

    def load(self, broker_id: int) -> bytes:
        return self._key(f"load/{broker_id}")

    def topic(self, name: str) -> bytes:
        return self._key(f"topic/{name}")

    def collision(self, unified_name: str) -> bytes:
        return self._key(f"collide/{unified_name}")

    def partition(self, topic_id: UUID, index: int) -> bytes:
        return self._key(f"part/{uuid_text(topic_id)}/{index}")

    def partitions(self, topic_id: UUID) -> bytes:
        """The prefix of all partitions of a topic."""
        return self._key(f"part/{uuid_text(topic_id)}/")

    def deleted(self, topic_id: UUID) -> bytes:
        return self._key(f"deleted/{uuid_text(topic_id)}")

    def config(self, resource_type: str, name: str) -> bytes:
        return self._key(f"cfg/{resource_type}/{name}")

    def intent(self, topic_id: UUID) -> bytes:
        return self._key(f"intent/{uuid_text(topic_id)}")

    def split(self, key: bytes) -> tuple[str, str]:
        """The kind (the first part) and the rest."""
        kind, _, rest = key[len(self.prefix) :].decode().partition("/")
        return kind, rest
