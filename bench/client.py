"""The client of the benchmark in Python: publishes, makes round trips, or runs a workflow; JSON to stdout."""

import json
import sys
import time

from celery import chain, chord
from celery.exceptions import TimeoutError
from tasks import noop, size


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


# seconds: Python's client at times does not hear of a result that is there
LIMIT = 60


def run_chord(count):
    assert chord([noop.s(n) for n in range(count)], size.s())().get(timeout=LIMIT) == count


def run_chain(count):
    assert chain([noop.s(0), *(noop.s() for _ in range(count - 1))])().get(timeout=LIMIT) == 0


def seconds_of(workflow, count):
    workflow(5)
    start = time.perf_counter()
    try:
        workflow(count)
    except TimeoutError:
        return None
    return time.perf_counter() - start


what, count = sys.argv[1], int(sys.argv[2])
if what == "publish":
    print(json.dumps(publish(count)))
elif what == "chord":
    print(json.dumps(seconds_of(run_chord, count)))
elif what == "chain":
    print(json.dumps(seconds_of(run_chain, count)))
else:
    for n in range(50):
        trip(n)
    print(json.dumps([trip(n) for n in range(count)]))
