"""Objects beside the logs that hold no inferences: what writers of tables and archives leave behind."""

from __future__ import annotations

import re

_NOISE = re.compile(
    r"(^|/)("
    r"_SUCCESS|_started_.*|_committed_.*|_temporary/.*|_delta_log/.*|_metadata|_common_metadata|\.part-.*\.crc"
    r"|metadata/.*\.(avro|metadata\.json)|manifest\.json|\..*|.*\.(crc|tmp|swp|md5|sha256|lock)"
    r")$"
)


def is_noise(key: str) -> bool:
    """Whether an object is left unread because of its name.

    >>> is_noise("logs/2026/_SUCCESS"), is_noise("logs/2026/a.jsonl")
    (True, False)
    """
    return _NOISE.search(key) is not None
