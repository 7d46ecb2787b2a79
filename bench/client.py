"""The client of the benchmark in Python: publishes, or makes round trips, one after another; JSON to stdout."""

import json
import sys
import time

from tasks import noop


def publish(count):
    noop.delay(0)
    start = time.perf_counter()
    for n in range(count):
        noop.delay(n)
    return count / (time.perf_counter() - start)


def trip(n):
    start = time.perf_counter()
    noop.delay(n).get(timeout=60)
    return (time.perf_counter() - start) * 1000


what, count = sys.argv[1], int(sys.argv[2])
if what == "publish":
    print(json.dumps(publish(count)))
else:
    for n in range(50):
        trip(n)
    print(json.dumps([trip(n) for n in range(count)]))
