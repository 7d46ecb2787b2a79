"""The tasks of the fault runs in Python: the same as in tasks.ts."""

import json
import os
import signal
import time

from celery import Celery

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


for kind, options in KINDS.items():
    define(kind, options)
