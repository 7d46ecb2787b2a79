"""The tasks of the fault runs in Python: the same as in tasks.ts."""

import json
import os
import signal
import time

from celery import Celery
from celery.signals import after_task_publish, before_task_publish

app = Celery('faults')
app.conf.update(json.loads(os.environ.get('FAULTS_CONF', '{}')))

KEPT = []
LEDGER = os.environ.get('FAULTS_LEDGER', '/dev/null')
KINDS = {
    'early': {},
    'late': {'acks_late': True},
    'lost': {'acks_late': True, 'reject_on_worker_lost': True},
}


def note(event, id):
    line = f'{event} {id} {os.getpid()} {int(time.time() * 1000)}\n'
    fd = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
    os.close(fd)


def define(kind, options):
    @app.task(name=f'faults.{kind}', **options)
    def run(id, seconds=0):
        note('start', id)
        time.sleep(seconds)
        note('end', id)
        return id

    @app.task(name=f'faults.die_{kind}', **options)
    def die(id, name):
        note('start', id)
        os.kill(os.getpid(), getattr(signal, name))
        time.sleep(10)

    @app.task(name=f'faults.grow_{kind}', **options)
    def grow(id, megabytes):
        note('start', id)
        KEPT.append(b'1' * (megabytes * 2**20))
        note('end', id)
        return id

    @app.task(name=f'faults.block_{kind}', **options)
    def block(id, seconds):
        note('start', id)
        end = time.time() + seconds
        while time.time() < end:
            pass
        note('end', id)
        return id


@app.task(name='faults.draw', acks_late=True)
def draw(id, place, seconds):
    note('start', id)
    time.sleep(seconds)
    note('end', id)
    return [place, f'{os.getpid()} {time.perf_counter()}']


def body(parts, id):
    note('start', id)
    note('end', id)
    return parts


for name in ('faults.body', 'faults.body_before', 'faults.body_after'):
    app.task(body, name=name, acks_late=True)


def die(**kwargs):
    try:
        os.close(os.open(f'{LEDGER}.died', os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.killpg(os.getpgid(0), signal.SIGKILL)


before_task_publish.connect(die, sender='faults.body_before')
after_task_publish.connect(die, sender='faults.body_after')

for kind, options in KINDS.items():
    define(kind, options)
