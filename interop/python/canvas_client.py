"""A Python client of the canvas suite: workflows as expressions, many of them at once."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from celery import chain, chord, group, signature  # noqa: F401
from celery.result import ResultSet  # noqa: F401

import client
from canvas_tasks import *  # noqa: F401, F403
from canvas_tasks import store

TIMEOUT = 60


def get(sig, **options):
    return sig.apply_async(**options).get(timeout=TIMEOUT)


def error(result):
    """What waiting for it raises."""
    try:
        return ["it gave", result.get(timeout=TIMEOUT)]
    except Exception as raised:
        return told(raised)


def failure(result):
    """What it was stored to have failed with, whatever failed before it."""
    until(lambda: result.state in ("FAILURE", "REVOKED"))
    return told(result.result)


def told(raised):
    return [type(raised).__name__, str(raised)]


def until(condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited a minute")
        time.sleep(0.02)


def traced(workflow, length):
    """What the workflow gives, and what its tasks left in a list of its own."""
    key = str(uuid.uuid4())
    value = workflow(key)
    until(lambda: store.llen(key) >= length)
    return [value, [said.decode() for said in store.lrange(key, 0, -1)]]


def counted(key, times):
    until(lambda: int(store.get(key) or 0) >= times)
    return int(store.get(key))


def tallied(workflow, times):
    """What the workflow gives, and what its tasks counted."""
    key = str(uuid.uuid4())
    return [workflow(key), counted(key, times)]


def guarded(sig, *errbacks):
    for errback in errbacks:
        sig.link_error(errback)
    return sig


def linked(sig, *callbacks):
    for callback in callbacks:
        sig.link(callback)
    return sig


def py(sig):
    """Through the worker in Python; the others are in TypeScript."""
    return sig.set(queue="python")


def lineage(result):
    """Whether each task of a chain of `ids` had the first as its root, and the one before as its parent."""
    nodes = []
    while result is not None:
        nodes.insert(0, (result, result.get(timeout=TIMEOUT)))
        result = result.parent
    parents = [None] + [node.id for node, _ in nodes[:-1]]
    return all(
        value == [nodes[0][0].id, parent, place] for place, ((_, value), parent) in enumerate(zip(nodes, parents))
    )


def every(expressions):
    names = globals()
    with ThreadPoolExecutor(12) as pool:
        return list(pool.map(lambda expression: client.answer(expression, names), expressions))


if __name__ == "__main__":
    client.serve(globals())
