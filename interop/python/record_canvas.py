"""Records what Python's Celery sends for a canvas, step by step, without a broker.

    PYTHONPATH=/path/to/celery python3 interop/python/record_canvas.py fixtures

writes `fixtures/<release>.canvas.{named,random}.json`. For each case there is the Python line that
makes the canvas (`how`), how `|` made it (`pipes`), how it is frozen, and the `steps`: the signature
that is applied, with what (`given`), what is sent then (`sent`, at the door of `app.send_task`), the
sizes of chords that the backend is told, and the result. The first step is the caller's, the others
those of the workers: a callback, the next of a chain, the body of a chord whose parts have ended.

`{"$": 3}` stands for the fourth of a case's `shared`. What has its default is left out of signatures, and a step that was recorded before is not repeated; ids are `#1`, `#2`, … in the order they are made.
"""

import itertools
import json
import re
import sys
from collections import ChainMap, Counter

import celery
from celery import Celery, canvas
from celery.backends.base import BaseBackend
from celery.canvas import Signature, _chain, chord, group, signature

RELEASE = ''.join(celery.__version__.split('.')[:3])
DEFAULTS = {'args': [], 'kwargs': {}, 'options': {}, 'subtask_type': None, 'immutable': False}
LOCAL = {'producer', 'task_type', 'result_cls', 'add_to_parent', 'route_name', 'connection', 'router', 'publisher'}
OF_TASK = {'ignore_result', 'serializer'}  # the options of the tasks that Celery itself has
MAX_STEPS = 60
# What 5.2 has not, or what would only tell again what 5.6 tells.
SINCE_53 = ('stamped', 'visited', 'from the wire', 'frozen', 'after a chord', 'in a group in a chain', 'immutable',
            'with options', 'with an id', 'in a group', 'at the start of a chain in a header')


class Recorder(Celery):
    thread_oid = 'oid'

    def send_task(self, name, args=None, kwargs=None, **options):
        options['task_id'] = options.get('task_id') or next_id()
        local = LOCAL | OF_TASK if name in self.tasks else LOCAL
        LOG.append(('sent', plain({
            'task': name, 'args': args or (), 'kwargs': kwargs or {},
            'options': {k: v for k, v in options.items() if v is not None and k not in local},
        })))
        return self.AsyncResult(options['task_id'])


class Backend(BaseBackend):
    def ensure_chords_allowed(self):
        pass

    def apply_chord(self, header_result_args, body, **kwargs):
        pass

    def set_chord_size(self, group_id, chord_size):
        LOG.append(('size', [group_id, chord_size]))


LOG = []
PIPES = []
STAMPED = []
IDS = itertools.count(1)
app = Recorder('recorder', broker='memory://', set_as_current=True)
app._get_backend = lambda: Backend(app)


def next_id():
    return f'#{next(IDS)}'


canvas.uuid = next_id


def plain(value):
    """A copy as JSON has it, short."""
    return short(json.loads(json.dumps(value, default=listed)))


def listed(value):
    return dict(value) if isinstance(value, ChainMap) else sorted(value) if isinstance(value, set) else list(value)


def short(value):
    if isinstance(value, list):
        return [short(one) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get('task'), str):
        value = {k: v for k, v in value.items() if k not in DEFAULTS or v != DEFAULTS[k]}
    return {k: sorted(v) if k == 'stamped_headers' else short(v) for k, v in value.items()}


def piping(cls, seen):
    original = cls.__or__

    def record(self, other):
        sides = plain([self, other])
        made = original(self, other)
        if isinstance(made, Signature):
            PIPES.append([*sides, plain(made)])
        return made
    cls.__or__ = record
    return original


ORIGINAL = {cls: piping(cls, PIPES) for cls in (Signature, _chain, group, chord)}


SEEN = set()


def seen(value):
    """Whether it was recorded before, with other ids."""
    ids = {}
    text = re.sub(r'#\d+', lambda found: ids.setdefault(found[0], f'#{len(ids) + 1}'), json.dumps(value, sort_keys=True))
    known = text in SEEN
    SEEN.add(text)
    return known


class Run:
    """What the caller and then the workers send for a canvas."""

    def __init__(self):
        self.steps = []
        self.count = 0
        self.queue = []
        self.sizes = {}
        self.parts = {}

    def apply(self, sig, args=(), **options):
        if self.count >= MAX_STEPS:
            return
        LOG.clear()
        step = {'signature': plain(sig), 'given': {'args': list(args), 'options': plain(options)}}
        known = seen([step, app.conf.task_allow_error_cb_on_chord_header])
        try:
            result = sig.apply_async(args, **options)
        except Exception as exc:
            step['error'] = f'{type(exc).__name__}: {exc}'
            if not known:
                self.steps.append(step)
            return
        sent = [value for kind, value in LOG if kind == 'sent']
        sizes = [value for kind, value in LOG if kind == 'size']
        step.update(sent=sent, sizes=sizes, result=result and plain(result.as_tuple()))
        step = json.loads(json.dumps(step))
        self.count += 1
        if not known:
            self.steps.append(step)
        self.sizes.update(sizes)
        self.queue.extend(sent)

    def work(self):
        """Each task gives the name of itself; @see celery 5.6, app/trace.py, `trace_task`"""
        while self.queue:
            call = self.queue.pop(0)
            options = call['options']
            value, uid = call['task'], options['task_id']
            given = {'parent_id': uid, 'root_id': options.get('root_id') or uid}
            if options.get('priority') is not None:
                given['priority'] = options['priority']
            self.call_back(options, value, given)
            chain = [whole(sig) for sig in options.get('chain') or []]
            if chain:
                self.apply(signature(chain.pop(), app=app), (value,), chain=chain, **given)
            if options.get('chord'):
                self.part_return(options)

    def call_back(self, options, value, given):
        links = [signature(whole(sig), app=app) for sig in listify(options.get('link'))]
        if len(links) == 1:
            self.apply(links[0], (value,), **given)
            return
        groups = [sig for sig in links if isinstance(sig, group)]
        for sig in groups:
            self.apply(sig, (value,), **given)
        tasks = [sig for sig in links if not isinstance(sig, group)]
        if tasks:
            self.apply(group(tasks, app=app), (value,), **given)

    def part_return(self, options):
        gid = options['group_id']
        parts = self.parts[gid] = self.parts.get(gid, 0) + 1
        if parts == self.sizes.get(gid):
            self.apply(signature(whole(options['chord']), app=app), (['all'],))


def listify(value):
    return [] if value is None else value if isinstance(value, list) else [value]


def whole(value):
    """A signature as it is on the wire."""
    if isinstance(value, list):
        return [whole(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {k: whole(v) for k, v in value.items()}
    return {**json.loads(json.dumps(DEFAULTS)), **made} if isinstance(made.get('task'), str) else made


def record(name, how, make, args=(), options=None, header=False):
    global IDS
    IDS = itertools.count(1)
    PIPES.clear()
    STAMPED.clear()
    app.conf.task_allow_error_cb_on_chord_header = header
    try:
        sig = make()
    except Exception as exc:
        return {'name': name, 'how': how, 'error': f'{type(exc).__name__}: {exc}'}
    case = {'name': name, 'how': how}
    if header:
        case['errbacksOnHeader'] = True
    pipes = [pipe for pipe in PIPES if not seen(['|', pipe])]
    if pipes:
        case['pipes'] = pipes
    if STAMPED:
        case['stamped'] = list(STAMPED)
    wire = plain(sig)
    try:
        frozen = signature(whole(wire), app=app)
        result = frozen.freeze()
        case['frozen'] = {'signature': plain(frozen), 'result': plain(result.as_tuple())}
    except Exception as exc:
        case['frozen'] = {'error': f'{type(exc).__name__}: {exc}'}
    run = Run()
    run.apply(sig, args, **(options or {}))
    run.work()
    case['steps'] = run.steps
    if not freezes(name):
        del case['frozen']
    return case


def freezes(name):
    """Whether the case is told once more, as it is frozen."""
    return not name.startswith('random') and ', ' not in name or name.endswith(('alone', 'as a body', 'in a header'))


def t(name, *args, **kwargs):
    return Signature(name, args=args, kwargs=kwargs, app=app)


def env():
    """The names that the lines of the cases use."""
    names = {n: (lambda n: lambda *a, **k: t(n, *a, **k))(n) for n in 'abcdefx'}
    names.update(
        chain=canvas.chain, _chain=_chain, group=group, chord=chord, chunks=canvas.chunks,
        xmap=canvas.xmap, xstarmap=canvas.xstarmap, json=json, signature=signature,
        si=lambda n, *a: Signature(n, args=a, immutable=True, app=app),
        linked=lambda s, *l: ([s.link(x) for x in l], s)[1],
        guarded=lambda s, *l: ([s.link_error(x) for x in l], s)[1],
        stamped=lambda s, **k: stamp(s, k, False),
        visited=lambda s, append=False: stamp(s, None, append),
        frozen=lambda s: (s.freeze(), s)[1],
        immutable=lambda s: (s.set_immutable(True), s)[1],
        wire=lambda s: signature(json.loads(json.dumps(s, default=list)), app=app),
    )
    return names


def stamp(sig, stamps, append):
    before = plain(sig)
    sig.stamp(visitor() if stamps is None else None, append_stamps=append, **(stamps or {}))
    STAMPED.append([before, {'stamps': stamps, 'append': append}, plain(sig)])
    return sig


def visitor():
    class Visitor(canvas.StampingVisitor):
        def on_signature(self, sig, **headers):
            return {'on': sig.task}

        def on_group_start(self, group, **headers):
            return {'g': len(group.tasks)}

        def on_chain_start(self, chain, **headers):
            return {'c': 1}

        def on_chord_body(self, sig, **headers):
            return {'b': 'body'}

        def on_callback(self, callback, **headers):
            return {'cb': callback.task}

        def on_errback(self, errback, **headers):
            return {'eb': [errback.task]}
    return Visitor()


def named():
    from canvas_cases import CASES
    for name, how, more in CASES:
        if RELEASE == '526' and name.endswith(SINCE_53):
            continue
        code = compile(how, name, 'eval')
        yield record(name, how, lambda: eval(code, env()), **more)


def drawn(count, seed):
    from canvas_cases import Trees
    trees = Trees(seed)
    for number in range(count):
        how = trees.tree(3)
        code = compile(how, f'random {number}', 'eval')
        yield record(f'random {number}', how, lambda: eval(code, env()))


def packed(case):
    """What stands in a case several times, told once."""
    times = Counter()

    def count(value):
        if isinstance(value, (dict, list)):
            if isinstance(value, dict):
                times[json.dumps(value)] += 1
            for one in value.values() if isinstance(value, dict) else value:
                count(one)

    shared, places = [], {}

    def pack(value):
        if isinstance(value, list):
            return [pack(one) for one in value]
        if not isinstance(value, dict):
            return value
        text = json.dumps(value)
        if times[text] < 2 or len(text) < 30:
            return {k: pack(v) for k, v in value.items()}
        if text not in places:
            made = {k: pack(v) for k, v in value.items()}
            places[text] = len(shared)
            shared.append(made)
        return {'$': places[text]}

    case = json.loads(json.dumps(case))
    count(case)
    made = pack(case)
    return {**made, 'shared': shared} if shared else made


def write(folder, kind, cases):
    head = {'case': f'{RELEASE}.canvas.{kind}', 'celery': celery.__version__,
            'how': 'python3 interop/python/record_canvas.py'}
    lines = ',\n'.join(json.dumps(packed(case), separators=(',', ':')) for case in cases)
    with open(f'{folder}/{RELEASE}.canvas.{kind}.json', 'w') as out:
        out.write(json.dumps(head, separators=(',', ':'))[:-1] + ',"cases":[\n' + lines + '\n]}\n')


if __name__ == '__main__':
    write(sys.argv[1], 'named', named())
    if RELEASE != '526':
        write(sys.argv[1], 'random', drawn(200, 5620))
