"""One log directory: its lock, its identity, and what the last process left behind.

The order at a start is: lock, identity, open and recover every log, `begin_writing` (the clean-stop marker goes, the
kernel's boot id is remembered), first append. At a stop: everything synced, marker written, lock released. The boot id
is written only after recovery, so that a process that dies while it recovers from a power loss leaves the next one the
same full scan to do. Syncs whose failure the last process may not have lived to see are noted in a file of their own
(`sync_notes`). Everything here may block: it runs before anything is served, or in the executor.
"""

import contextlib
import json
import os
from uuid import UUID

from odradek.host.files import FileSystem, read_file, write_all, write_atomically
from odradek.log import life, sync_notes
from odradek.log.life import NO_PROOF, Proof
from odradek.log.properties import (
    FORMAT,
    META_PROPERTIES,
    MetaProperties,
    PropertiesError,
    parse_properties,
    render_properties,
)
from odradek.log.sync_notes import SYNCING

LOCK = ".lock"
CLEAN_STOP = ".kafka_cleanshutdown"
BOOT_ID = ".odradek-boot"
INVENTORY_FIELD = "odradekInventory"


class AlreadyRunningError(Exception):
    """Another living process holds the directory; `pid` and `address` are its own words (empty when it wrote none)."""

    def __init__(self, path: str, pid: str, address: str) -> None:
        holder = f"process {pid or 'unknown'}" + (f" listening on {address}" if address else "")
        super().__init__(f"{path} is in use by {holder}")
        self.path = path
        self.pid = pid
        self.address = address


class LogDirectory:
    """A directory of `log.dirs` between its opening and its closing."""

    __slots__ = (
        "_lock_fd",
        "clean",
        "files",
        "inventory",
        "path",
        "proof",
        "properties",
        "same_boot",
        "suspects",
        "syncing_fd",
    )

    def __init__(self, files: FileSystem, path: str) -> None:
        self.files = files
        self.path = path.rstrip("/") or "/"
        self.properties: MetaProperties | None = None
        """None until `identify`, or when there is no meta.properties yet."""
        self.clean = False
        """The last process stopped cleanly: nothing needs to be scanned."""
        self.same_boot = False
        """The kernel is the one the last process ran on and no I/O error was seen: all it wrote is there."""
        self.proof = NO_PROOF
        """Since when nothing was lost here."""
        self.inventory = ""
        """Identity of the inventory that was written before the clean-stop marker, empty without one."""
        self.suspects: dict[str, None] = {}
        """Partitions that the last process may not have learnt a failed sync of; the kernel is still the same."""
        self.syncing_fd = -1
        """Of the file that names what is being synced; from `begin_writing` on."""
        self._lock_fd = -1

    def file(self, name: str) -> str:
        """Path of a file of this directory."""
        return f"{self.path}/{name}"

    def lock(self, pid: int, address: str) -> None:
        """Make the directory where needed and hold it until `close`. Raises AlreadyRunningError, OSError."""
        make_directories(self.files, self.path)
        fd = self.files.open(self.file(LOCK), os.O_RDWR | os.O_CREAT)
        try:
            self.files.lock(fd)
        except BlockingIOError:
            self.files.close(fd)
            raise AlreadyRunningError(self.path, *self._holder()) from None
        except OSError:
            self.files.close(fd)
            raise
        self._lock_fd = fd
        self.write_holder(pid, address)

    def write_holder(self, pid: int, address: str) -> None:
        """Tell a second start who we are; again once the port is known."""
        self.files.truncate(self._lock_fd, 0)
        write_all(self.files, self._lock_fd, f"{pid}\n{address}\n".encode(), 0)

    def _holder(self) -> tuple[str, str]:
        try:
            lines = read_file(self.files, self.file(LOCK)).decode("utf-8", "replace").split("\n")
        except OSError:
            return "", ""
        return lines[0], lines[1] if len(lines) > 1 else ""

    def read_state(self, boot_id: str) -> None:
        """Learn who wrote here last and how that ended. Raises PropertiesError, OSError."""
        self.properties = self._read_properties()
        marker = self._read(CLEAN_STOP)
        self.clean = marker is not None
        stopped_in, self.inventory = _parse_marker(marker or b"")
        self.same_boot = bool(boot_id) and self._read(BOOT_ID) == boot_id.encode()
        self.suspects = sync_notes.read(self.files, self.file(SYNCING)) if self.same_boot and not self.clean else {}
        incarnation = "" if self.suspects else life.read(self.files, self.path, boot_id)
        self.proof = Proof(stopped_in, incarnation)

    def require_node(self, node_id: int) -> None:
        """Raises PropertiesError when the directory is another node's."""
        if self.properties is not None and self.properties.node_id != node_id:
            raise PropertiesError(f"{self.path} belongs to node {self.properties.node_id}, not {node_id}")

    def identify(self, cluster_id: str, node_id: int, new_directory_id: UUID) -> None:
        """Check that the directory belongs here, or make it ours when it is new, and bring its format up to ours."""
        self.require_node(node_id)
        found = self.properties
        wanted = MetaProperties(cluster_id, node_id, found.directory_id if found else new_directory_id)
        if found is not None and found.cluster_id != cluster_id:
            raise PropertiesError(f"{self.path} belongs to cluster {found.cluster_id}, not {cluster_id}")
        if found != wanted:
            self._upgrade(found)
            write_atomically(self.files, self.file(META_PROPERTIES), render_properties(wanted))
            self.properties = wanted

    def begin_life(self, boot_id: str, incarnation: str) -> None:
        """Leave the name of this process for the next one, before the cluster hears of it. Raises OSError."""
        life.begin(self.files, self.path, boot_id, incarnation)

    def begin_writing(self, boot_id: str) -> None:
        """From here on a crash is unclean: durable before the first append."""
        with contextlib.suppress(FileNotFoundError):
            self.files.unlink(self.file(CLEAN_STOP))
            self.files.sync_directory(self.path)
        self.syncing_fd = self.files.open(self.file(SYNCING), os.O_WRONLY | os.O_CREAT)
        sync_notes.make_room(self.files, self.syncing_fd)
        write_atomically(self.files, self.file(BOOT_ID), boot_id.encode())

    def mark_clean(self, broker_epoch: int, inventory: str) -> None:
        """Everything here is synced and nothing more will be written. Kafka passes over fields that are not its own."""
        marker = {"version": 0, "brokerEpoch": broker_epoch, INVENTORY_FIELD: inventory}
        write_atomically(self.files, self.file(CLEAN_STOP), json.dumps(marker, separators=(",", ":")).encode())

    def close(self, *, is_syncing: bool = False) -> None:
        """Let another process have the directory. `is_syncing`: an executor call will still write its note."""
        fd, self.syncing_fd = self.syncing_fd, -1
        if fd >= 0 and not is_syncing:
            self.files.close(fd)
        if self._lock_fd >= 0:
            fd, self._lock_fd = self._lock_fd, -1
            self.files.close(fd)

    def _read_properties(self) -> MetaProperties | None:
        content = self._read(META_PROPERTIES)
        if content is None:
            return None
        try:
            return parse_properties(content)
        except PropertiesError as error:
            raise PropertiesError(f"{self.file(META_PROPERTIES)}: {error}") from None

    def _upgrade(self, found: MetaProperties | None) -> None:
        """Keep a copy of an older format's identity; segments are never rewritten."""
        if found is not None and found.format < FORMAT:
            write_atomically(self.files, self.file(f"{META_PROPERTIES}.bak-{found.format}"), render_properties(found))

    def _read(self, name: str) -> bytes | None:
        try:
            return read_file(self.files, self.file(name))
        except FileNotFoundError:
            return None


def distrust_cache(files: FileSystem, path: str) -> None:
    """After an I/O error the next start scans in full, also on the same kernel. Best effort: the disk is failing."""
    with contextlib.suppress(OSError):
        life.distrust(files, path)
        files.unlink(f"{path}/{BOOT_ID}")
        files.sync_directory(path)


def make_directories(files: FileSystem, path: str) -> None:
    """`mkdir -p`, each new entry durable."""
    if files.exists(path):
        return
    parent = path.rpartition("/")[0]
    if parent:
        make_directories(files, parent)
    with contextlib.suppress(FileExistsError):
        files.mkdir(path)
    files.sync_directory(parent or "/")


def _parse_marker(content: bytes) -> tuple[int, str]:
    """Broker epoch (-1 without one) and identity of the inventory (empty without one)."""
    try:
        marker = json.loads(content)
        epoch, inventory = marker.get("brokerEpoch"), marker.get(INVENTORY_FIELD)
    except (ValueError, AttributeError, RecursionError):
        return -1, ""
    return epoch if isinstance(epoch, int) else -1, inventory if isinstance(inventory, str) else ""
