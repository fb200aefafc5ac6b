"""Options of the metadata store."""

from odradek.config.checks import POSITIVE
from odradek.config.metadata import RESTORED, SQLITE, MetadataAddress
from odradek.config.option import Option
from odradek.config.values import Type

METADATA = (
    Option(
        name="odradek.metadata",
        type=Type.STRING,
        default=SQLITE,
        check=MetadataAddress(),
        sensitive=True,
        doc="Where the cluster's metadata is: in a file beside the data, for one machine; on the members of etcd; or "
        "at the socket of `odradek start --workers`, for one more broker of its machine.",
    ),
    Option(
        name=RESTORED,
        type=Type.LONG,
        default=None,
        check=POSITIVE,
        doc="Accepts a metadata store that was put back from an older backup and ends at this revision; the refused "
        "start names it.",
    ),
    Option(
        name="odradek.metadata.etcd.ca.file",
        type=Type.STRING,
        default=None,
        doc="Certificate authorities that etcd's certificates are checked with (PEM); by default those gRPC knows.",
    ),
    Option(
        name="odradek.metadata.etcd.cert.file",
        type=Type.STRING,
        default=None,
        doc="Certificate that the broker shows to etcd (PEM).",
    ),
    Option(
        name="odradek.metadata.etcd.key.file",
        type=Type.STRING,
        default=None,
        doc="Private key of that certificate (PEM).",
    ),
    Option(
        name="odradek.metadata.etcd.user",
        type=Type.STRING,
        default=None,
        doc="User of etcd, where its authentication is enabled.",
    ),
    Option(
        name="odradek.metadata.etcd.password",
        type=Type.STRING,
        default=None,
        sensitive=True,
        doc="Password of that user; a configuration file keeps it from the list of processes.",
    ),
)
