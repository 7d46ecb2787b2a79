"""Records how Python pickles values, in every protocol, and what is in them as kombu's JSON.

    PYTHONPATH=/path/to/celery python3 interop/python/record_pickle.py fixtures

writes `fixtures/<release>.vectors.pickle.json`: for each Python expression (`how`) its pickles in
base64, those that are the same only once, by their protocols, and the value as JSON.
"""

import base64
import datetime
import json
import pickle
import sys
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, time, timedelta, timezone
from decimal import Decimal

import celery
import kombu
from celery import Celery
from celery.exceptions import ChordError, Ignore, MaxRetriesExceededError
from celery.result import AsyncResult, EagerResult, GroupResult
from kombu.utils.json import dumps

NAMES = dict(globals())
app = Celery('record', broker='memory://', backend='cache+memory://')
app.set_current()

VALUES = '''
None
True
False
0
255
256
65535
65536
-1
-2**31
2**31
2**53 - 1
2**53
-2**53 - 1
2**64
-2**255
2**2050
1.5
-0.0
1e300
float('inf')
float('-inf')
'abc'
'é ü €'
'\\U0001f600'
'\\ud83d'
'a\\ud800b\\U0001f600\\udfff'
'line\\nbreak \\\\u0041'
'x' * 300
''
b''
b'abc'
b'\\x00\\xff\\xfe'
b'x' * 300
bytearray(b'abc')
[]
[1, [2, [3]]]
()
(1,)
(1, 2)
(1, 2, 3)
(1, 2, 3, 4)
{}
{'a': 1, 'b': {'c': [None]}}
{'constructor': 2, 'toString': None}
{1: 'a', 2.5: 'b', None: 'c', True: 'd'}
{7}
frozenset({'a'})
OrderedDict([('b', 1), ('a', 2)])
defaultdict(list, {'a': [1]})
Counter('aab')
deque([1, 2, 3])
[[1, 2]] * 3
datetime.datetime(2024, 2, 29, 12, 30, 45, 123456)
datetime.datetime(2024, 2, 29, 12, 30, 45, tzinfo=timezone.utc)
datetime.datetime(2024, 2, 29, 12, 30, 45, 7, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))
datetime.datetime(1, 1, 1, 0, 0)
datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)
datetime.datetime(2024, 10, 27, 2, 30, fold=1)
date(2024, 2, 29)
time(12, 30, 45, 123456)
time(23, 59, tzinfo=timezone.utc)
Decimal('1.50')
Decimal('-1E+400')
Decimal('NaN')
uuid.UUID('12345678-1234-5678-1234-567812345678')
[uuid.UUID(int=5)] * 2
ValueError('boom', 42)
KeyError('k')
ChordError('Dependency x raised ValueError()')
MaxRetriesExceededError()
AsyncResult('a', app=app)
AsyncResult('a', parent=AsyncResult('p', app=app), app=app)
GroupResult('g', [AsyncResult('a', app=app), AsyncResult('b', app=app)])
GroupResult('g', [GroupResult('i', [AsyncResult('a', app=app)])])
EagerResult('e', 5, 'SUCCESS')
app.GroupResult('g', [app.AsyncResult('a', parent=app.AsyncResult('p'))])
'''


def plain(value):
    if isinstance(value, Exception):
        return {'exc_type': type(value).__name__, 'exc_message': value.args, 'exc_module': type(value).__module__}
    if isinstance(value, EagerResult):
        return [[value.id, None], None]
    if isinstance(value, (AsyncResult, GroupResult)):
        return value.as_tuple()
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, (set, frozenset, deque)):
        return list(value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def record(how):
    value = eval(how, {**NAMES, **globals()})
    pickles = {}
    for protocol in range(6):
        text = base64.b64encode(pickle.dumps(value, protocol)).decode()
        pickles.setdefault(text, []).append(protocol)
    spelled = [{'protocols': protocols, 'base64': text} for text, protocols in pickles.items()]
    return {'how': how, 'json': dumps(plain(value)), 'pickles': spelled}


release = ''.join(celery.__version__.split('.')[:3])
case = f'{release}.vectors.pickle'
recorded = {
    'case': case,
    'celery': celery.__version__,
    'kombu': kombu.__version__,
    'transport': 'n/a',
    'how': f'pickle.dumps of Python {sys.version.split()[0]} per value and protocol; kombu.utils.json.dumps of it',
    'values': [record(how) for how in VALUES.strip().split('\n')],
}
with open(f'{sys.argv[1]}/{case}.json', 'w') as file:
    json.dump(recorded, file, indent=1)
    file.write('\n')
