"""Which partition a group lives in. The expected values were computed by Java."""

import pytest

from odradek.groups.partitioning import java_hash, partition_for


@pytest.mark.parametrize(
    ("group_id", "value", "partition"),
    [
        ("", 0, 0),
        ("my-group", -1906497762, 12),
        ("console-consumer-12345", 158455506, 6),
        ("그룹", 1427969, 19),
        ("😀grp", 1276929186, 36),
        ("polygenelubricants", -2147483648, 0),
    ],
)
def test_groups_live_where_kafkas_tools_look_for_them(group_id: str, value: int, partition: int) -> None:
    assert java_hash(group_id) == value
    assert partition_for(group_id, 50) == partition
