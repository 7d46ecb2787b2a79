"""The project as a test drives it: an expression a line comes in, what it gave goes out as JSON."""

import json
import os
import sys

import django
import django.test

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

from celery import chain, chord, group, signature, states  # noqa: E402, F401
from celery.result import AsyncResult, GroupResult  # noqa: E402, F401
from django_celery_results import models  # noqa: E402, F401
from django_celery_results.models import ChordCounter, TaskResult  # noqa: E402, F401

from shop.celery import app  # noqa: E402, F401

site = django.test.Client()


def row(task_id):
    """The row of a task as Django sees it."""
    return TaskResult.objects.filter(task_id=task_id).values().get()


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
