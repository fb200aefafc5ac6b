"""What the handlers of group requests ask of the broker."""

from datetime import timedelta
from typing import Protocol

from odradek.cluster.image import ClusterImage
from odradek.groups.coordinator import GroupCoordinator

MILLISECOND = timedelta(milliseconds=1)


class ImageHolder(Protocol):
    """`cluster.Cluster`, to read from."""

    @property
    def image(self) -> ClusterImage: ...


class GroupHost(Protocol):
    """`broker.Broker`, as far as groups go."""

    @property
    def node_id(self) -> int: ...

    @property
    def groups(self) -> GroupCoordinator: ...

    @property
    def cluster(self) -> ImageHolder: ...
