"""Public identifiers: a type prefix and a UUIDv7, so that ids sort by time of creation."""

from typing import Literal

import uuid_utils

Prefix = Literal["job", "cor", "upl", "enc", "ckp", "evl", "key", "req", "wrk", "aud", "whk", "msg"]


def new_id(prefix: Prefix) -> str:
    """Return a new identifier such as `job_0198f2c07d1a7cc2...`."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"
