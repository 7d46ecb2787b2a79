"""A pytest plugin that has Celery's own integration tests find their worker elsewhere: ours, which runs already.

    pytest -p celery.contrib.pytest -p celery_integration t/integration/test_canvas.py

Celery starts its worker in a thread of the tests. Three things come from that, and are made good here: the
worker itself, the signal `task_received`, which some tests hear, and the answer of the only worker.
"""

import contextlib
import json
import os
import sys
import threading
import time
import types

import pytest
import redis

# The list that our worker tells of each task before it runs, and the key that asks it to.
TOLD, ASKED = "celeriac-received", "celeriac-tell-received"
CANVAS_REDIS = {"host": os.environ.get("REDIS_HOST", "localhost"), "port": int(os.environ.get("REDIS_PORT", 6379))}


def pytest_configure(config):
    config.addinivalue_line("markers", "flaky(**options): run again when it failed, where the plugin is there")
    config.addinivalue_line("markers", "timeout(**options): end it, where the plugin is there")


def stand_in_for_pydantic():
    """The tasks import it, and no test of canvas calls for it."""
    try:
        import pydantic  # noqa: F401
    except ImportError:
        module = types.ModuleType("pydantic")
        module.BaseModel = type("BaseModel", (), {})
        sys.modules["pydantic"] = module


def start_no_worker():
    from celery.contrib.testing import worker

    @contextlib.contextmanager
    def start_worker(app, **kwargs):
        yield None

    worker.start_worker = start_worker


def wait_for_one_answer():
    """Nobody waits a second for the answers of others: there are none."""
    from celery.app.control import Inspect

    original = Inspect.__init__

    def init(self, *args, **kwargs):
        original(self, *args, **{"limit": 1, **kwargs})

    Inspect.__init__ = init


def purge_between_tests():
    """A worker of ours is not asked yet what it runs: what waits is purged until nothing comes after it."""
    from celery.contrib.testing.manager import ManagerMixin

    def wait_until_idle(self):
        with self.app.connection() as connection:
            while self.app.control.purge(connection=connection):
                time.sleep(0.1)

    ManagerMixin.wait_until_idle = wait_until_idle


class Received:
    """The request of a worker, as far as the receivers of `task_received` look at it."""

    def __init__(self, told):
        self.task_name = told["task"]
        self.id = told["id"]
        self.stamped_headers = told["stamped_headers"]
        self.stamps = told["stamps"]
        self.errbacks = told["embed"]["errbacks"]
        self._Request__payload = (told["args"], told["kwargs"], told["embed"])


def hear(told):
    from celery.signals import task_received

    message = json.loads(told)
    # Celery has `request.stamps[...]` raise for what is missing, but lists what is there by its names.
    message["stamped_headers"] = message["stamped_headers"] or []
    task_received.send(sender=None, request=Received(message))
    return message["id"]


@pytest.fixture(autouse=True)
def celeriac_task_received(request):
    """Our worker says what it received, and waits until the receivers have heard it."""
    if "stamp" not in request.node.nodeid:
        yield
        return
    client = redis.StrictRedis(**CANVAS_REDIS)
    client.delete(TOLD)
    client.set(ASKED, 1)
    over = threading.Event()

    def listen():
        while not over.is_set():
            told = client.blpop(TOLD, 1)
            if told is not None:
                client.rpush(f"{TOLD}-{hear(told[1])}", 1)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield
    client.delete(ASKED)
    over.set()
    thread.join()


class SubTests:
    """Without pytest-subtests the first that fails ends its test."""

    @contextlib.contextmanager
    def test(self, msg=None, **kwargs):
        yield


try:
    import pytest_subtests  # noqa: F401
except ImportError:

    @pytest.fixture
    def subtests():
        return SubTests()


# At once: the tests' own conftest is read before plugins are configured.
stand_in_for_pydantic()
start_no_worker()
wait_for_one_answer()
purge_between_tests()
