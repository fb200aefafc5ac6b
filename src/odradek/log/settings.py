"""What the log manager takes from the broker's configuration."""

from dataclasses import dataclass, field

from odradek.log.cleaning.settings import CleanerSettings


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Each field is the configuration key with its dots replaced; defaults are Apache Kafka's where it has the key."""

    log_dirs: tuple[str, ...]
    log_retention_check_interval_ms: int = 300_000
    log_flush_offset_checkpoint_interval_ms: int = 60_000
    log_flush_start_offset_checkpoint_interval_ms: int = 60_000
    replica_high_watermark_checkpoint_interval_ms: int = 5_000
    num_recovery_threads_per_data_dir: int = 2
    producer_id_expiration_ms: int = 86_400_000
    producer_id_expiration_check_interval_ms: int = 600_000
    odradek_disk_reserve_bytes: int = 64 << 20
    odradek_open_files_max: int = 4096
    """Descriptors of segments and indexes kept open at a time."""
    cleaner: CleanerSettings = field(default_factory=CleanerSettings)
