"""A process that looks at /healthz every 50 ms, each time on a new connection: `looker.py PORT`.

It prints the seconds that each look took, as JSON, when its input ends. A process of its own, because threads
of one that sends requests wait for each other.
"""

import http.client
import json
import select
import sys
import time

_PAUSE_SECONDS = 0.05


def main() -> None:
    """Look until the input ends."""
    port, seconds = int(sys.argv[1]), []
    while not select.select([sys.stdin], [], [], _PAUSE_SECONDS)[0]:
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        connection.close()
        seconds.append(time.perf_counter() - began)
        if len(seconds) == 1:
            print("looking", flush=True)
    print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
