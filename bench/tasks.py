"""The app of the benchmark in Python: tasks that do next to nothing, on a queue of its own."""

import os

from celery import Celery

app = Celery("bench")
app.conf.update(
    broker_url=os.environ["CELERY_BROKER_URL"],
    result_backend=os.environ["CELERY_RESULT_BACKEND"],
    task_default_queue="bench",
)


@app.task(name="bench.noop")
def noop(x):
    return x


@app.task(name="bench.size")
def size(values):
    return len(values)
