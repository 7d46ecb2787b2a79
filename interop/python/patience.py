"""Has Celery's client look again at what it waits for on Redis.

It reads the key of a result on one connection while its SUBSCRIBE is under way on another: what is stored and published
between the two is never heard, and `get()` times out. A test that is about something else must not fail of it.
See celery 5.6, backends/redis.py, `ResultConsumer.on_wait_for_pending`.
"""

from time import monotonic

from celery.backends.redis import ResultConsumer

INTERVAL = 1
hear = ResultConsumer.drain_events


def hear_and_look(self, timeout=None):
    hear(self, timeout=timeout)
    now = monotonic()
    if self.subscribed_to and now - getattr(self, "looked", 0) > INTERVAL:
        self.looked = now
        for meta in filter(None, self.backend.client.mget(list(self.subscribed_to))):
            self.on_state_change(self._decode_result(meta), None)


ResultConsumer.drain_events = hear_and_look
