"""The server's settings: safe by default, private, and right for small machines too."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

_SCRAM_ITERATIONS_SINCE_MAJOR = 16
# Below this much free space a parallel query can fail for want of shared memory; containers
# often come with 64 MB in all.
_ENOUGH_SHARED_MEMORY_BYTES = 512 * 1024**2

_ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "work_mem": "32MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The server is ours alone: analysts write `SELECT ... FROM meta_insights`, without the schema.
    "search_path": 'meta_ads, "$user", public',
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] ",
    # Statements and the rows they fail on stay out of the log: they may hold secrets.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "off",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
}
_FOR_TESTS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "1h",
    # A plan, and what it reads, must not follow from when the daemon came by: with statistics the
    # planner itself looks at the ends of an index. On, and asleep: its state is looked at, too.
    "autovacuum_naptime": "1d",
}


def configuration(
    *, port: int, durable: bool, major: int, shared_memory: str | None = None
) -> dict[str, str]:
    """Every setting we give the server; `shared_memory` overrides what the machine calls for."""
    settings = {"port": str(port), **_ALWAYS, **(_DURABLE if durable else _FOR_TESTS)}
    settings["dynamic_shared_memory_type"] = shared_memory or shared_memory_type()
    if major >= _SCRAM_ITERATIONS_SINCE_MAJOR:
        # The password is random: stretching it adds no safety and 20 ms to every connection.
        settings["scram_iterations"] = "1"
    return settings


def shared_memory_type(place: Path = Path("/dev/shm")) -> str:  # noqa: S108 - the kernel's own
    """`mmap` (files of the data folder) where Linux has little or no shared memory to give."""
    if not sys.platform.startswith("linux"):
        return "posix"
    try:
        free_bytes = shutil.disk_usage(place).free
    except OSError:
        return "mmap"
    return "posix" if free_bytes >= _ENOUGH_SHARED_MEMORY_BYTES else "mmap"


def as_file(settings: dict[str, str]) -> str:
    """The text of postgresql.conf."""
    lines = [f"{name} = '{value}'" for name, value in settings.items()]
    return "\n".join(
        [
            "# Written by meta-pipeline each time the server starts.",
            "# For settings of your own use ALTER SYSTEM: it wins over this file and is kept.",
            *lines,
            "",
        ]
    )
