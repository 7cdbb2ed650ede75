"""The Python client of the service: `Client` and the errors it raises."""

from signforge.client.client import Client
from signforge.client.errors import ApiError, ConnectionFailed, JobFailed, WaitTimedOut

__all__ = ["ApiError", "Client", "ConnectionFailed", "JobFailed", "WaitTimedOut"]
