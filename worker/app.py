"""The Celery application. Its only message is an empty doorbell, so lost or duplicate messages do no harm.

Reasons for the settings:

* `task_acks_late=False`: with late acknowledgement on Redis a task that outlasts the visibility timeout is
  delivered again while it runs. Unfinished work is recorded in the database, not in the broker.
* `worker_disable_prefetch` (on AMQP `worker.listening`), `worker_prefetch_multiplier=1`, one process: a busy
  worker must not take doorbells from idle workers.
* no result backend, no time limit: results are rows, and the supervisor enforces deadlines.
* `broker_connection_max_retries=None`: a worker survives a broker outage of any length.
* `worker_proc_alive_timeout`: a slow machine may need long to start a process.
* one queue per number of devices: only workers with four devices receive a doorbell for four. The queues are
  classic, since replicated queues have no prefetch limit over several queues. They are on the default
  exchange, which cannot be deleted.
* transient messages: a doorbell needs no disk write, since a lost one is sent again.
* `confirm_publish` and CONFIRM_SECONDS (AMQP): a broker that accepts no messages (disk or memory alarm) must
  not block the reconciler.
* `broker_heartbeat` (AMQP), socket timeouts: a broken connection is detected.
* remote control is off: jobs are controlled through the database, which works with every broker.
"""

import os
import socket
import zlib
from typing import Any

from celery import Celery
from kombu.entity import Queue

from core.jobs.settings import Settings
from core.jobs.workers import Capacity
from worker.drain import WINDING_UP_SECONDS

DOORBELL = "signforge.doorbell"
"""Name of the only task."""
CONFIRM_SECONDS = 5.0
"""How long a broker may take to confirm a doorbell."""
_QUEUE = "signforge"
_MAX_DEVICES = 16
"""Jobs with this many devices or more share a queue, since a processor may have hundreds of cores."""


def queue_for(num_devices: int) -> str:
    """Name of the broker's queue of doorbells for jobs that need `num_devices`."""
    return _QUEUE if num_devices == 1 else f"{_QUEUE}.{min(num_devices, _MAX_DEVICES)}"


def queues_of(capacity: Capacity) -> str:
    """The queues that a worker of this capacity consumes, in the format of Celery's command line."""
    return ",".join(queue_for(count + 1) for count in range(min(capacity.num_devices, _MAX_DEVICES)))


def create_app(settings: Settings) -> Celery:
    """Return the Celery application for `settings`, shared by worker and reconciler."""
    broker_url = settings.resolved_broker_url
    app = Celery("signforge", broker=broker_url, set_as_current=False)
    app.conf.update(
        broker_connection_max_retries=None,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=4.0,
        broker_heartbeat=30,
        broker_transport_options=_transport_options(broker_url),
        task_acks_late=False,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_default_delivery_mode="transient",
        task_default_queue=_QUEUE,
        task_queues=[_queue(count + 1) for count in range(_MAX_DEVICES)],
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        worker_concurrency=1,
        worker_pool="prefork",
        worker_disable_prefetch=not speaks_amqp(broker_url),
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=True,
        worker_redirect_stdouts=False,
        worker_proc_alive_timeout=60.0,
        worker_soft_shutdown_timeout=settings.stop_grace_seconds + 2 * WINDING_UP_SECONDS,
    )
    return app


def worker_name(settings: Settings) -> str:
    """This worker's name: unique per data folder, set of GPUs and host, and stable across restarts."""
    if settings.worker_name:
        return f"{settings.worker_name}@{socket.gethostname()}"
    place = f"{settings.data_folder.absolute()}:{os.environ.get('CUDA_VISIBLE_DEVICES', '')}"
    return f"signforge-{zlib.crc32(os.fsencode(place)):08x}@{socket.gethostname()}"


def speaks_amqp(broker_url: str) -> bool:
    """Whether the broker is RabbitMQ or another that speaks AMQP."""
    return broker_url.startswith(("amqp", "pyamqp"))


def _queue(num_devices: int) -> Queue:
    name = queue_for(num_devices)
    classic = {"x-queue-type": "classic"}
    return Queue(name, routing_key=name, queue_arguments=classic)  # type: ignore[no-untyped-call]


def _transport_options(broker_url: str) -> dict[str, Any]:
    if speaks_amqp(broker_url):
        return {"confirm_publish": True, "read_timeout": 5.0, "write_timeout": 5.0}
    return {
        "global_keyprefix": "signforge:",
        "socket_timeout": 10.0,
        "socket_connect_timeout": 4.0,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }
