"""The tasks that run in Python."""

from celery import shared_task


@shared_task(name="py.add")
def add(x, y):
    return x + y


@shared_task(name="py.total")
def total(numbers):
    return sum(numbers)


@shared_task(name="py.fail")
def fail(message="boom"):
    raise ValueError(message, 42)


@shared_task(name="py.retrying", bind=True, max_retries=3)
def retrying(self, times):
    if self.request.retries < times:
        raise self.retry(countdown=0, exc=ValueError("not yet"))
    return self.request.retries


@shared_task(name="py.give_up", bind=True, max_retries=3)
def give_up(self):
    raise self.retry(countdown=3600, exc=ValueError("not yet"))


@shared_task(name="py.spread", bind=True)
def spread(self, name):
    """Sends another task: its child."""
    return self.app.send_task(name, args=(1, 2)).id
