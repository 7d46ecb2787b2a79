"""The tasks of the interop suite in Python, and the app that a Python client of the suite uses."""

import os
import time

from celery import Celery
from celery.exceptions import Ignore, Reject
from kombu import Queue

app = Celery("interop")
app.conf.update(
    broker_url=os.environ["CELERY_BROKER_URL"],
    result_backend=os.environ["CELERY_RESULT_BACKEND"],
    accept_content=["json", "msgpack", "yaml"],
    result_accept_content=["json", "msgpack", "yaml"],
    task_queues=[Queue("python"), Queue("node")],
    task_default_queue="python",
    task_routes={"py.*": {"queue": "python"}, "ts.*": {"queue": "node"}},
    result_serializer=os.environ.get("INTEROP_RESULT_SERIALIZER", "json"),
    broker_transport_options={"visibility_timeout": int(os.environ.get("INTEROP_VISIBILITY_TIMEOUT", "3600"))}
    if os.environ["CELERY_BROKER_URL"].startswith("redis")
    else {},
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=True,
)


class TenantError(Exception):
    """An error that only this side knows."""


@app.task(name="py.add")
def add(x, y):
    return x + y


@app.task(name="py.mul")
def mul(x, y):
    return x * y


@app.task(name="py.echo")
def echo(*args, **kwargs):
    return {"args": args, "kwargs": kwargs}


@app.task(name="py.describe")
def describe(value):
    """The value as Python sees it."""
    return f"{type(value).__name__} {value!r}"


@app.task(name="py.give")
def give(expression):
    """Whatever Python makes of an expression: values that JSON alone cannot name."""
    import datetime, decimal, uuid  # noqa: E401, F401

    return eval(expression)


@app.task(name="py.fail")
def fail(message="boom", number=42):
    raise ValueError(message, number)


@app.task(name="py.fail_tenant")
def fail_tenant():
    raise TenantError("acme", {"limit": [1, 2]})


@app.task(name="py.retrying", bind=True, max_retries=3)
def retrying(self, times):
    if self.request.retries < times:
        raise self.retry(countdown=0.1, exc=KeyError("not yet"))
    return self.request.retries


@app.task(name="py.progress", bind=True)
def progress(self, steps):
    for done in range(1, steps + 1):
        self.update_state(state="PROGRESS", meta={"done": done, "total": steps})
        time.sleep(0.1)
    return steps


@app.task(name="py.context", bind=True)
def context(self, *args, **kwargs):
    """What the task sees of its own call."""
    request = self.request
    return {
        "id": request.id,
        "root_id": request.root_id,
        "parent_id": request.parent_id,
        "retries": request.retries,
        "eta": request.eta,
        "expires": request.expires,
        "priority": request.delivery_info.get("priority"),
        "routing_key": request.delivery_info.get("routing_key"),
        # Celery 5.2 makes a header of the caller's a member of the request
        "headers": {
            name: value
            for name, value in {**vars(request), **(request.headers or {})}.items()
            if name.startswith("x-")
        },
        "timelimit": request.timelimit,
        "reply_to": request.reply_to,
        "correlation_id": request.correlation_id,
        "redelivered": bool(request.delivery_info.get("redelivered")),
        "argsrepr": request.argsrepr,
        "kwargsrepr": request.kwargsrepr,
        "hostname": request.hostname,
        "ignore_result": request.ignore_result,
    }


@app.task(name="py.ignored", bind=True)
def ignored(self):
    raise Ignore()


@app.task(name="py.rejected", acks_late=True)
def rejected():
    raise Reject("no", requeue=False)


@app.task(name="py.silent", ignore_result=True)
def silent(x):
    return x


@app.task(name="py.slow", acks_late=True, reject_on_worker_lost=True)
def slow(path, seconds):
    """Leaves a line in a file when it starts and when it ends, so that runs can be counted."""
    with open(path, "a") as file:
        file.write("start\n")
    time.sleep(seconds)
    with open(path, "a") as file:
        file.write("end\n")
    return "slept"


@app.task(name="py.record")
def record(path, *words):
    """Leaves its words in a file: for callbacks, whose results nobody awaits."""
    with open(path, "a") as file:
        file.write(" ".join(str(word) for word in words) + "\n")


@app.task(name="py.errback")
def errback(task_id, path):
    with open(path, "a") as file:
        file.write(f"{task_id}\n")


@app.task(name="py.sleep")
def sleep(seconds):
    time.sleep(seconds)


@app.task(name="py.die")
def die():
    """Takes its process along."""
    os.kill(os.getpid(), 9)
