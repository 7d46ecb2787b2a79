"""The project as a test drives it: an expression a line comes in, what it gave goes out as JSON."""

import json
import os
import sys

import django
import django.test

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

from celery import chain, chord, group, signature, states  # noqa: E402, F401
from celery.app.task import Context  # noqa: E402
from celery.result import AsyncResult, GroupResult  # noqa: E402, F401
from django_celery_results import models  # noqa: E402, F401
from django_celery_results.models import ChordCounter, TaskResult  # noqa: E402, F401

from shop.celery import app  # noqa: E402, F401

site = django.test.Client()


def rows(*task_ids):
    """The rows of tasks as Django sees them."""
    return list(TaskResult.objects.filter(task_id__in=task_ids).values())


def store_plain(task_id, result, state):
    """Stores a result as a worker does where result_extended is off."""
    app.conf.result_extended = False
    try:
        app.backend.store_result(task_id, result, state, request=Context(id=task_id, children=[]))
    finally:
        app.conf.result_extended = True


def answer(line):
    try:
        value = eval(line)
    except Exception as error:
        return {
            "raised": type(error).__name__,
            "module": type(error).__module__,
            "args": [repr(arg) for arg in error.args],
            "mro": [cls.__name__ for cls in type(error).__mro__],
            "text": str(error),
        }
    return {"repr": repr(value), "value": json.loads(json.dumps(value, default=str))}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
