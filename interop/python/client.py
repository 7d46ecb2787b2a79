"""A Python client that a test drives: an expression a line comes in, what it gave goes out as JSON."""

import datetime  # noqa: F401
import decimal  # noqa: F401
import json
import sys
import uuid  # noqa: F401

from celery import chain, chord, group, signature  # noqa: F401
from celery.exceptions import TimeoutError  # noqa: F401

import patience  # noqa: F401
from tasks import app  # noqa: F401


def send(name, *args, **options):
    """Calls a task by name and awaits its result; what are not options of a call are its keyword arguments."""
    kwargs = options.pop("kwargs", {})
    return app.send_task(name, args=args, kwargs=kwargs, **options).get(timeout=20)


def answer(line, names):
    try:
        value = eval(line, names)
    except Exception as error:
        return {
            "raised": type(error).__name__,
            "module": type(error).__module__,
            "args": [repr(arg) for arg in error.args],
            "mro": [cls.__name__ for cls in type(error).__mro__],
            "text": str(error),
        }
    return {"repr": repr(value), "value": plain(value)}


def plain(value):
    """The value as JSON has it; None when JSON cannot name it."""
    try:
        return json.loads(json.dumps(value, default=repr, allow_nan=False))
    except ValueError:
        return None


def serve(names):
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), names)), flush=True)


if __name__ == "__main__":
    serve(globals())
