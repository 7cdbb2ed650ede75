"""The Python client of the service. It needs httpx and pydantic, never torch."""

import time
from types import TracebackType
from typing import Self

from signforge.client.api_keys import ApiKeys
from signforge.client.checkpoints import Checkpoints
from signforge.client.corpora import Corpora
from signforge.client.encoders import Encoders
from signforge.client.evaluations import Evaluations
from signforge.client.jobs import Jobs
from signforge.client.recipes import Recipes
from signforge.client.transport.address import find_address
from signforge.client.transport.backoff import Sleep
from signforge.client.transport.connection import Connection
from signforge.client.uploads import Uploads
from signforge.client.webhooks import Webhooks
from signforge.client.workers import Workers


class Client:
    """A client of a signforge service; usable as a context manager.

    Without arguments it finds the service that `signforge up` started on this machine, or the one that
    SIGNFORGE_URL and SIGNFORGE_API_KEY name. Single calls retry for a few seconds, long-running ones
    (`jobs.wait`, `jobs.events`, `jobs.logs(follow=True)`, `encoders.download`) for a minute.

    Args:
        url: where the service is.
        api_key: the API key to use there.
        sleep: what waits between tries.

    Raises:
        UserError: the URL or the API key cannot be used.

    Example:
        >>> with Client() as client:  # doctest: +SKIP
        ...     job = client.corpora.add("recordings.npz", name="signs")
        ...     client.jobs.wait(job.id).raise_for_state()
    """

    jobs: Jobs
    """Submit, follow and control jobs."""
    corpora: Corpora
    """Import, list and delete corpora."""
    encoders: Encoders
    """List, download, import and delete encoders."""
    evaluations: Evaluations
    """Read scores."""
    uploads: Uploads
    """Send files to be imported."""
    checkpoints: Checkpoints
    """Pin and delete checkpoints."""
    recipes: Recipes
    """List recipes."""
    workers: Workers
    """List workers."""
    webhooks: Webhooks
    """Create, test and delete webhooks."""
    api_keys: ApiKeys
    """Create, rotate and revoke API keys (for administrators)."""

    def __init__(
        self, url: str | None = None, api_key: str | None = None, *, sleep: Sleep = time.sleep
    ) -> None:
        self._connection = connection = Connection(find_address(url, api_key), sleep=sleep)
        self.jobs = Jobs(connection)
        self.uploads = Uploads(connection)
        self.corpora = Corpora(connection, uploads=self.uploads, jobs=self.jobs)
        self.encoders = Encoders(connection, uploads=self.uploads, jobs=self.jobs)
        self.evaluations = Evaluations(connection)
        self.checkpoints = Checkpoints(connection)
        self.recipes = Recipes(connection)
        self.workers = Workers(connection)
        self.webhooks = Webhooks(connection)
        self.api_keys = ApiKeys(connection)

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._connection.address.url

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
