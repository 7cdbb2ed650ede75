"""A process that keeps an API busy with nothing: `attacker.py PORT KEY JOB`.

It opens idle connections and readers that never read, and says so. For each line of its input it sends the
hostile requests, all at once, and prints their statuses.
"""

import http.client
import json
import socket
import sys
import threading
from collections import Counter

IDLE, READERS, HOSTILE = 2000, 100, 36
_MOST = 2**20 - 100
BODIES = (
    b'{"kind":"pretrain","corpus":"c","clips":{"splits":[' + b"1," * (_MOST // 2 - 40) + b"1]}}",
    b'{"kind":"pretrain","corpus":"c","clips":{"splits":[' + b"1," * 19_000 + b"1]}}",
    json.dumps({"kind": "pretrain", **{f"{'k' * 1000}{number}": 1 for number in range(900)}}).encode(),
    b"[" * _MOST,
    b'{"kind":"' + b"\\u0000" * (_MOST // 6 - 10) + b'"}',
    b'"' * _MOST,
)
QUERY = "&".join(f"unknown_{number}=1" for number in range(4000))


def main() -> None:
    """Attack once for each line of standard input."""
    port, key, job_id = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    idle = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(IDLE)]
    idle += [_deaf_reader(port, key, job_id) for _ in range(READERS)]
    print("ready", flush=True)
    for _ in sys.stdin:
        statuses: Counter[int | str] = Counter()
        threads = [
            threading.Thread(target=_send, args=[number, port, key, statuses]) for number in range(HOSTILE)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(json.dumps(statuses), flush=True)
    for connection in idle:
        connection.close()


def _deaf_reader(port: int, key: str, job_id: str) -> socket.socket:
    """Ask for a long answer and do not read it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    head = f"GET /v1/jobs?limit=200 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n\r\n"
    stream = f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n"
    connection.sendall((head + stream + "Accept: text/event-stream\r\n\r\n").encode())
    return connection


def _send(number: int, port: int, key: str, statuses: "Counter[int | str]") -> None:
    with_key = {"Authorization": f"Bearer {key}"} if number % 3 else {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        if number % 4 == 3:
            connection.request("GET", f"/v1/jobs?{QUERY}", headers=with_key)
        else:
            headers = {"Content-Type": "application/json", **with_key}
            connection.request("POST", "/v1/jobs", BODIES[number % len(BODIES)], headers)
        answer = connection.getresponse()
        answer.read()
        statuses[answer.status] += 1
    except OSError as error:  # the server answered and closed before it had read the body
        statuses[type(error).__name__] += 1
    finally:
        connection.close()


if __name__ == "__main__":
    main()
