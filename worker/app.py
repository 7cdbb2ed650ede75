"""The Celery application: a doorbell and nothing more, so a lost or doubled message costs nothing.

Why each setting is as it is:

* `task_acks_late=False`: with late acknowledgement on Redis a task that outlasts the visibility time-out is
  delivered again while it runs. The database, not the broker, remembers unfinished work.
* `worker_disable_prefetch` (on AMQP `worker.listening`), `worker_prefetch_multiplier=1`, one process: a busy
  worker takes no doorbell away from an idle one.
* no result backend, no time limit: results are rows, deadlines are the supervisor's.
* `broker_connection_max_retries=None`: a worker outlives any broker outage.
* `worker_proc_alive_timeout`: a slow machine may take a while to start a process.
* a queue for each number of devices: a doorbell for four is heard only where there are four. Of type classic,
  since replicated ones know no prefetch limit over several queues; on the default exchange, which cannot go.
* transient messages: a doorbell is not worth a disk write, and is rung again if the broker forgets it.
* `confirm_publish` and CONFIRM_SECONDS (AMQP): a broker that takes nothing more (disk or memory alarm) holds
  nobody up.
* `broker_heartbeat` (AMQP), socket time-outs: a broker that vanished without a word is noticed.
* remote control is off: jobs are steered through the database, which works on every broker.
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
"""Name of the one task."""
CONFIRM_SECONDS = 5.0
"""How long a broker may take to say that it has a doorbell."""
_QUEUE = "signforge"
_MOST_DEVICES = 16
"""So many devices or more share a queue: a processor may have hundreds of cores."""


def queue_for(num_devices: int) -> str:
    """Name of the broker's queue of doorbells for jobs that need so many devices."""
    return _QUEUE if num_devices == 1 else f"{_QUEUE}.{min(num_devices, _MOST_DEVICES)}"


def queues_of(capacity: Capacity) -> str:
    """The queues that a worker of this capacity listens to, as Celery's command line wants them."""
    return ",".join(queue_for(count + 1) for count in range(min(capacity.num_devices, _MOST_DEVICES)))


def create_app(settings: Settings) -> Celery:
    """Return the Celery application for `settings`; worker and reconciler use the same."""
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
        task_queues=[_queue(count + 1) for count in range(_MOST_DEVICES)],
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
    """This worker's name: one per data folder, set of GPUs and host, the same after a restart."""
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
