"""The canvases that record_canvas.py records: each a name, the Python line that makes it, and how it is applied."""

import itertools
import random


def case(name, how, **more):
    return name, how, more


PARTS = {
    'task': 'b(2)',
    'immutable': "si('b', 2)",
    'chain': 'chain(b(2), c(3))',
    'group': 'group([b(2), c(3)])',
    'group of one': 'group([b(2)])',
    'empty group': 'group([])',
    'chord': 'chord([b(2), c(3)], d())',
    'chain ending in a group': 'chain(b(2), group([c(3), d(4)]))',
    'group of a chain': 'group([chain(b(2), c(3))])',
    'nested group': 'group([group([b(2), c(3)]), d(4)])',
    'chord with a group for its body': 'chord([b(2)], group([c(), d()]))',
    'chord with a chain for its body': 'chord([b(2), c(3)], chain(d(), e()))',
    'chord with a chord for its body': 'chord([b(2), c(3)], chord([d(), e()], f()))',
    'empty chord': 'chord([], b(2))',
    'xmap': "xmap(b(), [1, 2])",
    'chain ending in a chord': 'chain(b(2), group([c(3), d(4)]), e())',
}

WRAPS = {
    'alone': '{}',
    'after a task': 'a(1) | {}',
    'before a task': '{} | f(9)',
    'between tasks': 'chain(a(1), {}, f(9))',
    'after a group': 'group([a(1), e(5)]) | {}',
    'after a chord': 'chord([a(1), e(5)], f()) | {}',
    'in a group': 'group([a(1), {}])',
    'in a header': 'chord([a(1), {}], f(9))',
    'alone in a header': 'chord([{}], f(9))',
    'as a body': 'chord([a(1), e(5)], {})',
    'at the end of a chain in a header': 'chord([chain(a(1), {}), e(5)], f(9))',
    'at the start of a chain in a header': 'chord([chain({}, a(1)), e(5)], f(9))',
    'at the end of a chain in a group': 'group([chain(a(1), {}), e(5)])',
    'in a group in a chain': 'chain(a(1), group([{}, e(5)]), f(9))',
    'with links': 'linked(guarded({}, x(8)), x(7))',
    'with arguments': None,
    'with options': None,
    'with an id': None,
    'frozen': 'frozen({})',
    'from the wire': 'wire(chain(a(1), {}, f(9)))',
    'stamped': "stamped({}, who='me')",
    'visited': 'visited({})',
    'linked, then visited': 'visited(linked(guarded({}, x(8)), x(7)))',
    'immutable': 'immutable({})',
}

GIVEN = {
    'with arguments': dict(args=(10,)),
    'with options': dict(options=dict(queue='q', priority=3, countdown=5)),
    'with an id': dict(options=dict(task_id='mine')),
}


def cases():
    for wrap, pattern in WRAPS.items():
        for part, line in PARTS.items():
            how = (pattern or '{}').format(line)
            yield case(f'{part}, {wrap}', how, **GIVEN.get(wrap, {}))
    for part, line in PARTS.items():
        if 'chord' in part or part in ('task', 'chain'):
            how = f'guarded(chord([a(1), {line}], f(9)), x(8))'
            yield case(f'{part}, in a header with errbacks', how, header=True)
    yield from ODD


ODD = [
    case('chunks', 'chunks(a(), [(1, 2), (3, 4), (5, 6)], 2)'),
    case('chunks, none', 'chunks(a(), [], 2)'),
    case('chunks, with options', 'chunks(a(), [(1,), (2,), (3,)], 2)', options=dict(queue='q', priority=3)),
    case('chunks of one', 'chunks(a(), [(1,), (2,)], 5)'),
    case('chunks as a group, then a task', "chunks(a(), [(1, 2), (3, 4)], 1).group() | b()"),
    case('xstarmap', 'xstarmap(a(), [(1, 2), (3, 4)])'),
    case('xstarmap with options', 'xstarmap(a(), [(1, 2)])', options=dict(queue='q')),
    case('map in a chain', 'chain(b(1), xmap(a(), [1, 2]), c())'),
    case('a generator as a header', 'chord((a(i) for i in range(3)), b())'),
    case('a generator as a group', 'group(a(i) for i in range(3)) | b()'),
    case('a generator as a chain', 'chain(a(i) for i in range(3))'),
    case('chord called with a body', 'chord([a(1), b(2)], c())'),
    case('chord in chord in chord', 'chord([chord([chord([a(1)], b()), c(1)], d()), e(1)], f())'),
    case('chain of chords', 'chain(chord([a(1), b(1)], c()), chord([d(), e()], f()), x())'),
    case('groups one after another', 'chain(group([a(1), b(2)]), group([c(), d()]), group([e(), f()]))'),
    case('groups and tasks in turn', 'chain(group([a(1), b(2)]), c(), group([d(), e()]), f(), group([a(), b()]))'),
    case('group of groups of groups', 'group([group([group([a(1)]), b(2)]), group([c(3), d(4)])])'),
    case('group of groups, then a task', 'group([group([a(1), b(2)]), c(3)]) | d()'),
    case('group of one chain that ends in a group', 'group([chain(a(1), group([b(), c()]))])'),
    case('chain of chains', 'chain(chain(a(1), chain(b(2))), chain(chain(c(3)), d(4)))'),
    case('chain of chains with links', 'chain(linked(chain(a(1), b(2)), x(1)), guarded(chain(c(3), d(4)), x(2)))'),
    case('chain in a chain not spliced', '_chain(a(1), linked(guarded(_chain(b(2), c(3)), x(8)), x(7)), d(4))'),
    case('options on a chain', "chain(a(1), b(2)).set(queue='q', priority=4)"),
    case('options on a group', "group([a(1), b(2)]).set(queue='q', priority=4)"),
    case('options on a chord', "chord([a(1), b(2)], c()).set(queue='q', priority=4)"),
    case('options on a chord in a chain', "chain(d(1), chord([a(1), b(2)], c()).set(queue='q', priority=4), e())"),
    case('options on a group in a chain', "chain(d(1), group([a(1), b(2)]).set(queue='q'), e())"),
    case('options on a chain in a header', "chord([chain(a(1), b(2)).set(queue='q'), d(3)], c())"),
    case('options on tasks', "chain(a(1).set(queue='q1', countdown=3), b(2).set(priority=5), c(3).set(expires=60))"),
    case('options on a body', "chord([a(1).set(queue='h')], b().set(queue='b', priority=7))"),
    case('options on a body, others given', "chord([a(1).set(queue='h')], b().set(queue='b', priority=7))", options=dict(queue='g', priority=1)),
    case('ids on tasks', "chain(a(1).set(task_id='one'), group([b(2).set(task_id='two'), c(3)]), d().set(task_id='four'))"),
    case('an id on a group', "group([a(1), b(2)]).set(task_id='mine')"),
    case('an id on a chord', "chord([a(1), b(2)], c()).set(task_id='mine')"),
    case('an id on a chord in a group', "group([chord([a(1), b(2)], c()).set(task_id='mine'), d(1)])"),
    case('an id on a chain', "chain(a(1), b(2)).set(task_id='mine')"),
    case('an id on a body', "chord([a(1), b(2)], c().set(task_id='mine'))"),
    case('links on a body', "chord([a(1)], linked(guarded(b(), x(8)), x(7)))"),
    case('links that are primitives', "linked(a(1), chain(b(), c()), group([d(), e()]), chord([f(), f()], x()))"),
    case('one link that is a chain', "linked(a(1), chain(b(), c()))"),
    case('one link that is a group', "linked(a(1), group([b(), c()]))"),
    case('one link that is a chord', "linked(a(1), chord([b(), c()], d()))"),
    case('links twice the same', "linked(guarded(a(1), x(8), x(8)), x(7), x(7))"),
    case('a bare link', "a(1).set(link=x(7), link_error=x(8))"),
    case('a bare link on a chain', "chain(a(1), b(2)).set(link=x(7), link_error=x(8))"),
    case('links given to a chain', "chain(a(1), b(2))", options=dict(link='LINK')),
    case('on_error in a chain', "chain(a(1).on_error(x(8)), b(2))"),
    case('errbacks on a chord in a chain', "chain(a(1), guarded(chord([b(1), c(1)], d()), x(8)), e())"),
    case('errbacks on a chord in a chord', "guarded(chord([a(1), chord([b(1), c(1)], d())], e()), x(8))"),
    case('errbacks on a chain with a chord', "guarded(chain(a(1), group([b(), c()]), d()), x(8))"),
    case('errbacks on a chain with a chord, header too', "guarded(chain(a(1), group([b(), c()]), d()), x(8))", header=True),
    case('callbacks on a chain with a chord', "linked(chain(a(1), group([b(), c()]), d()), x(8))"),
    case('callbacks on a chain that ends in a group', "linked(_chain(a(1), group([b(), c()])), x(8))"),
    case('partial keywords', "chain(a(1), b(2))", options=dict(kwargs=dict(k=1))),
    case('partial keywords for a group', "group([a(1), b(2)])", options=dict(kwargs=dict(k=1))),
    case('partial keywords for a chord', "chord([a(1), b(2)], c())", options=dict(kwargs=dict(k=1))),
    case('partial keywords and arguments for a chain', "chain(a(1), b(2))", args=(5,), options=dict(kwargs=dict(k=1))),
    case('an immutable chain', "chain(a(1), b(2)).set(immutable=True)", args=(5,)),
    case('an immutable chain in a chain', "_chain(f(1), chain(a(1), b(2)).set(immutable=True))"),
    case('an immutable chain as a body', "chord([f(1)], chain(a(1), b(2)).set(immutable=True))"),
    case('an immutable chord', "chord([a(1), b(2)], c()).set(immutable=True)", args=(5,)),
    case('an immutable chord after a task', "chain(f(1), chord([a(1), b(2)], c()).set(immutable=True))"),
    case('an immutable group after a task', "chain(f(1), group([a(1), b(2)]).set(immutable=True))"),
    case('an immutable group', "group([a(1), b(2)]).set(immutable=True)", args=(5,)),
    case('a chain given arguments that starts with a group', "_chain(group([a(1), b(2)]), c())", args=(5,)),
    case('a chain that is only a group, given arguments', "_chain(group([a(1), b(2)]))", args=(5,)),
    case('a chain that starts with a chain, given arguments', "_chain(_chain(a(1), b(2)), c())", args=(5,)),
    case('a chain that starts with a chord, given arguments', "_chain(chord([a(1)], b(2)), c())", args=(5,)),
    case('a chain within a chain, by option', "chain(a(1), b(2))", options=dict(chain=[])),
    case('a chain of one', 'chain(a(1))'),
    case('a chain of a list of one', 'chain([a(1)])'),
    case('a chain of one group', 'chain(group([a(1), b(2)]))'),
    case('a chain of a list of one group', 'chain([group([a(1), b(2)])])'),
    case('a chain of one chord', 'chain(chord([a(1)], b()))'),
    case('an empty chain', 'chain()'),
    case('an empty chord in a chain', 'chain(a(1), chord([], b(2)), c(3))'),
    case('a group of an empty group', 'group([group([]), a(1)])'),
    case('an empty group in a header', 'chord([group([]), a(1)], b())'),
    case('a header of only empty groups', 'chord([group([]), group([])], b())'),
    case('a group of one in a header', 'chord([group([a(1)]), b(2)], c())'),
    case('a header that is a chain', 'chord(chain(a(1), b(2)), c())'),
    case('a header that is a task', 'chord(a(1), c())'),
    case('a header that is a group', 'chord(group([a(1), b(2)]), c())'),
    case('ten members', 'chord([a(i) for i in range(10)], b())'),
    case('a chord ends a chain in a header of a chord in a chain', 'chain(a(1), chord([chain(b(1), chord([c(1), d(1)], e())), f(1)], x()), a(2))'),
    case('a group ends the body chain of a chord in a header', 'chord([chord([a(1)], chain(b(), group([c(), d()]))), e(1)], f())'),
    case('a group is the body of a chord in a header', 'chord([chord([a(1)], group([c(), d()])), e(1)], f())'),
    case('stamps given', "stamped(chain(a(1), group([b(), c()]), d()), who='me', list=[1, 2])"),
    case('stamps appended', "visited(stamped(group([a(1), chain(b(), c())]), on='me', g=[1]), append=True)"),
    case('stamps replaced', "visited(stamped(group([a(1), chain(b(), c())]), on='me', g=[1]))"),
    case('stamps on a bare link', "visited(a(1).set(link=dict(x(7)), link_error=[dict(x(8))]))"),
    case('stamps on links that are primitives', "visited(linked(a(1), chain(b(), c()), group([d()]), chord([e()], f())))"),
    case('stamps on links of links', "visited(linked(a(1), linked(b(1), guarded(c(1), d(1)))))"),
]

CASES = list(cases())


class Trees:
    """Canvases from a seed. Empty groups, and groups right in groups, are among those with names."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def tree(self, depth):
        pick = self.random.random()
        if depth == 0 or pick < 0.25:
            return self.task()
        if pick < 0.5:
            return f"chain({self.several(depth, 1)})" if pick < 0.4 else f"({self.tree(depth - 1)} | {self.tree(depth - 1)})"
        if pick < 0.75:
            return f"group([{self.several(depth, 1, flat=True)}])"
        return f"chord([{self.several(depth, 0, flat=True)}], {self.tree(depth - 1)})"

    def several(self, depth, least, flat=False):
        count = max(least, self.random.choice([0, 1, 2, 2, 2, 3]))
        trees = iter(lambda: self.tree(depth - 1), None)
        parts = itertools.islice((one for one in trees if not (flat and one.startswith('group('))), count)
        return ', '.join(parts)

    def task(self):
        name = self.random.choice('abcdef')
        pick = self.random.random()
        if pick < 0.1:
            return f"si('{name}', 1)"
        if pick < 0.2:
            return f"linked({name}(1), x())"
        if pick < 0.3:
            return f"guarded({name}(), x(2))"
        if pick < 0.4:
            return f"{name}(1).set(queue='q')"
        return f"{name}({self.random.choice(['', '1', 'k=2'])})"
