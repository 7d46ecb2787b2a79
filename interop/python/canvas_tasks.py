"""The tasks of the canvas suite in Python: the names that Celery's own integration tests use, so that any client fits."""

import json
import os
import time
from collections.abc import Iterable

from celery import Celery, Signature, Task, chain, chord, group, signature
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import task_received
from redis import Redis

try:
    from celery.canvas import StampingVisitor
except ImportError:  # Celery 5.2
    StampingVisitor = object

PREFIX = "t.integration.tasks."

app = Celery("canvas")
app.conf.update(
    broker_url=os.environ["CELERY_BROKER_URL"],
    result_backend=os.environ["CELERY_RESULT_BACKEND"],
    result_extended=True,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=True,
)

# where tasks leave their traces
store = Redis.from_url(os.environ["CANVAS_REDIS_URL"])


def task(name, **options):
    return app.task(name=PREFIX + name, **options)


class ExpectedException(Exception):
    """What tasks raise that are meant to fail."""


# values


@task("identity")
def identity(x):
    return x


@task("add")
def add(x, y, z=None):
    return x + y + z if z else x + y


@task("mul")
def mul(x, y):
    return x * y


@task("tsum")
def tsum(nums):
    return sum(nums)


@task("xsum")
def xsum(nums):
    """Of numbers and of lists of numbers."""
    return sum(sum(num) if isinstance(num, Iterable) else num for num in nums)


@task("delayed_sum")
def delayed_sum(numbers, pause_time=1):
    time.sleep(pause_time)
    return sum(numbers)


@task("delayed_sum_with_soft_guard")
def delayed_sum_with_soft_guard(numbers, pause_time=1):
    """Zero, when it is told to end before its time."""
    try:
        time.sleep(pause_time)
        return sum(numbers)
    except SoftTimeLimitExceeded:
        return 0


@task("print_unicode")
def print_unicode(log_message="håå®ƒ", print_message="hiöäüß"):
    print(log_message, print_message)


@task("write_to_file_and_return_int")
def write_to_file_and_return_int(file_name, i):
    with open(file_name, "a", buffering=1) as file:
        file.write(f"{i}\n")
    return i


# of the request


@task("ids", bind=True)
def ids(self, i):
    return self.request.root_id, self.request.parent_id, i


@task("collect_ids", bind=True)
def collect_ids(self, res, i):
    return res, (self.request.root_id, self.request.parent_id, i)


@task("return_priority", bind=True)
def return_priority(self, *_args):
    return f"Priority: {self.request.delivery_info['priority']}"


# failures, and what follows them


@task("raise_error")
def raise_error(*_args):
    raise ValueError("deliberate error")


@task("fail")
def fail(*args):
    raise ExpectedException("Task expected to fail", *args)


@task("return_exception")
def return_exception(e):
    return e, True


@task("retry_once", bind=True, expires=120.0, max_retries=1)
def retry_once(self, *_args, expires=None, max_retries=1, countdown=0.1):
    """How often it was tried again."""
    if self.request.retries:
        return self.request.retries
    raise self.retry(countdown=countdown, expires=expires, max_retries=max_retries)


@task("errback_old_style")
def errback_old_style(request_id):
    store.incr(request_id)
    return request_id


@task("errback_new_style")
def errback_new_style(request, _exc, _traceback):
    store.incr(request.id)
    return request.id


# traces in Redis, for what nobody awaits


@task("redis_echo")
def redis_echo(message, redis_key="redis-echo"):
    store.rpush(redis_key, message)


@task("redis_echo_group_id", bind=True)
def redis_echo_group_id(self, _previous, redis_key="redis-group-ids"):
    store.rpush(redis_key, self.request.group)


@task("redis_count")
def redis_count(redis_key="redis-count"):
    store.incr(redis_key)


# replacements


@task("add_replaced", bind=True)
def add_replaced(self, x, y):
    raise self.replace(add.s(x, y))


@task("fail_replaced", bind=True)
def fail_replaced(self, *args):
    raise self.replace(fail.si(*args))


@task("add_to_all", bind=True)
def add_to_all(self, nums, val):
    raise self.replace(group(*[add.s(num, val) for num in nums]))


def echoing(link_msg, redis_key):
    """Echoes the message, or else what it is given."""
    kwargs = {"redis_key": redis_key}
    if link_msg is None:
        return redis_echo.signature(kwargs=kwargs)
    return redis_echo.signature((link_msg,), kwargs=kwargs, immutable=True)


@task("replace_with_chain", bind=True)
def replace_with_chain(self, *args, link_msg=None, redis_key="redis-echo"):
    instead = chain(identity.s(*args), identity.s())
    instead.link(echoing(link_msg, redis_key))
    return self.replace(instead)


@task("replace_with_chain_which_raises", bind=True)
def replace_with_chain_which_raises(self, *args, link_msg=None, redis_key="redis-echo"):
    instead = chain(identity.s(*args), raise_error.s())
    instead.link_error(echoing(link_msg, redis_key))
    return self.replace(instead)


@task("replace_with_empty_chain", bind=True)
def replace_with_empty_chain(self, *_args):
    return self.replace(chain())


@task("second_order_replace1", bind=True)
def second_order_replace1(self, state=False, redis_key="redis-echo"):
    if state:
        return store.rpush(redis_key, "Out A")
    store.rpush(redis_key, "In A")
    kwargs = {"redis_key": redis_key}
    inner = second_order_replace2.signature(kwargs=kwargs)
    after = second_order_replace1.signature(kwargs={"state": True, **kwargs}, immutable=True)
    raise self.replace(chain(inner, after))


@task("second_order_replace2", bind=True)
def second_order_replace2(self, state=False, redis_key="redis-echo"):
    if state:
        return store.rpush(redis_key, "Out B")
    store.rpush(redis_key, "In B")
    kwargs = {"redis_key": redis_key}
    inner = redis_echo.signature(("In/Out C",), kwargs=kwargs)
    after = second_order_replace2.signature(kwargs={"state": True, **kwargs}, immutable=True)
    raise self.replace(chain(inner, after))


# more parts of a chord


@task("add_to_all_to_chord", bind=True)
def add_to_all_to_chord(self, nums, val):
    for num in nums:
        self.add_to_chord(add.s(num, val))
    return 0


@task("add_chord_to_chord", bind=True)
def add_chord_to_chord(self, nums, val):
    self.add_to_chord(group([add.s(num, val) for num in nums]) | tsum.s())
    return 0


# canvas inside a task


@task("chain_add")
def chain_add(x, y):
    (add.s(x, x) | add.s(y)).apply_async()


@task("chord_add")
def chord_add(x, y):
    chord(add.s(x, x), add.s(y)).apply_async()


@task("build_chain_inside_task", bind=True)
def build_chain_inside_task(self):
    """The result tree of a chain that it sends, as plain data."""
    return (add.s(1, 1) | add.s(2) | group(add.s(3), add.s(4)) | add.s(5))()


def returns_signature(name, make):
    make.__name__ = name  # Celery makes a function's head of it
    task(f"return_nested_signature_{name}")(make)


returns_signature("chain_chain", lambda: chain(chain([add.s()])))
returns_signature("chain_group", lambda: chain(group([add.s()])))
returns_signature("chain_chord", lambda: chain(chord([add.s()], add.s())))
returns_signature("group_chain", lambda: group(chain([add.s()])))
returns_signature("group_group", lambda: group(group([add.s()])))
returns_signature("group_chord", lambda: group(chord([add.s()], add.s())))
returns_signature("chord_chain", lambda: chord(chain([add.s()]), add.s()))
returns_signature("chord_group", lambda: chord(group([add.s()]), add.s()))
returns_signature("chord_chord", lambda: chord(chord([add.s()], add.s()), add.s()))


@task("rebuild_signature")
def rebuild_signature(sig_dict):
    """Fails where a part of it is no signature any more."""

    def check(sig):
        if not isinstance(sig, Signature):
            raise TypeError(f"{sig!r} is not a signature")
        if isinstance(sig, (chain, group, chord)):
            for part in sig.tasks:
                check(part)
        if isinstance(sig, chord):
            check(sig.body)

    check(Signature.from_dict(sig_dict))


# stamps


class StampOnReplace(StampingVisitor):
    stamp = {"StampOnReplace": "This is the replaced task"}

    def on_signature(self, sig, **headers):
        return self.stamp


class StampedTaskOnReplace(Task):
    def on_replace(self, sig):
        sig.stamp(StampOnReplace())
        return super().on_replace(sig)


@task("replaced_with_me")
def replaced_with_me():
    return True


@task("replace_with_stamped_task", bind=True, base=StampedTaskOnReplace)
def replace_with_stamped_task(self, replace_with=None):
    self.replace(signature(replace_with) if replace_with else replaced_with_me.s())


@task_received.connect
def record_stamps(request=None, **_rest):
    """What came with a task, for the list that one of its stamps names."""
    stamps = getattr(request, "stamps", None) or {}
    if "trace" not in stamps:
        return
    _args, _kwargs, embed = request._payload
    seen = {
        "task": request.name,
        "retries": request.request_dict["retries"],
        "stampedHeaders": request.stamped_headers,
        "stamps": stamps,
        "callbacks": embed["callbacks"],
        "errbacks": embed["errbacks"],
    }
    store.rpush(stamps["trace"], json.dumps(seen))
