"""Objects beside the logs that hold no inferences: what writers of tables and archives leave behind."""

from __future__ import annotations

import re

_NOISE = re.compile(
    r"(^|/)("
    r"_SUCCESS|_(started|committed)_.*"
    r"|_(temporary|delta_log|change_data|delta_index|spark_metadata|symlink_format_manifest)/.*"
    r"|_metadata|_common_metadata|__MACOSX/.*|metadata/(.*\.(avro|metadata\.json|puffin|stats)|version-hint\.text)"
    r"|deletion_vector_.*\.bin|manifest\.json|\..*|.*_\$folder\$|.*/"
    r"|.*\.(crc|tmp|swp|md5|sha256|lock|metadata|inprogress|_COPYING_)|.*\.inprogress\..*"
    r")$"
)


def is_noise(key: str) -> bool:
    """Whether an object is left unread because of its name.

    >>> is_noise("logs/2026/_SUCCESS"), is_noise("logs/2026/a.jsonl")
    (True, False)
    """
    return _NOISE.search(key) is not None
