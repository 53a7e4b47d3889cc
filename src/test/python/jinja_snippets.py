"""Snippets of templates by feature, written after what chat templates do."""

VARIABLES = {
    "text": "Hello World",
    "padded": "  \n two words\t ",
    "unicode": "Grüße 😀 ñ ß İ ﬁ",
    "n": 5,
    "half": 0.5,
    "names": ["alpha", "Beta", "gamma"],
    "numbers": [3, 1, 2.5, 1],
    "mixed": [None, True, 0, "", "z", [1], {"k": None}],
    "message": {"role": "user", "content": "Hi <b>&\"'\n", "items": 3, "get": "got", "tool_calls": None},
    "messages": [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ],
    "nested": {"a": {"b": {"c": [1, {"d": "deep"}]}}, "é": "\u2028\x7f\x00", "10": 1.0, "empty": {}, "list": []},
    "loop_free": True,
}

OUTPUTS = r"""
none
true
false
True
None
1
10_000
1.0
1e3
1.5e-7
12.
.5
1e16
1e15
123456789012345678.0
0.0001
0.00001
1e22
5e-324
1.7976931348623157e308
0.1+0.2
-0.0
100.0
'a' 'b' "c"
'\n\t\\\'\"|\x41\u00e9\U0001F600|\d'
[1, 'a', none, 1.5, [], {}, (), (1,), (1, 2)]
{'a': 1, 2: [], 'c': {'d': none}}
["it's", 'say "x"', 'both \' "', 'tab\t', 'nl\n', 'é', '\x00\x7f', '\u200b', '\u2028', '😀', '\\']
names
numbers
mixed
message
nested
1 + 2 * 3 - 4
7 // 2
-7 // 2
7 % 3
-7 % 3
7.5 // 2
-7.5 % 2
7 / 2
6 / 2
1 - -1
true + true
true * 3
1.0 + 1
10 // 0.3
3 % -2
-3.5 // -2
0.0 % -3
1 / 0
1 % 0
1.0 // 0
'a' + 1
1 + 'a'
'a' - 'b'
none + 1
'ab' * 3
3 * 'ab'
'ab' * 0
'ab' * -1
[1] * 2
(1, 2) * 2
[1] + [2]
(1,) + (2,)
[1] + (2,)
'a' ~ 1 ~ none ~ true ~ 1.5 ~ [1] ~ missing ~ 'z'
1 ~ 2 + 3
1 < 2
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2 != 1
1 == 1.0
true == 1
'a' < 'b'
'Z' < 'a'
'😀' > 'ﬁ'
[1, 2] < [1, 3]
(1,) < (1, 2)
'1' == 1
1 < 'a'
none < 1
[1] < ['a']
missing < 1
1 in [1, 2]
'a' in 'cat'
'x' not in 'cat'
'role' in message
'nope' in message
1 in (1,)
none in mixed
2 in range(3)
'' in ''
1.0 in [1]
not 1 in [2]
1 in 'cat'
1 in 5
1 in none
1 in missing
missing in [1]
'a' in missing
none in message
true in range(3)
1.0 in range(3)
1.5 in range(3)
'x' in range(2)
4 in range(0, 10, 2)
[] in message.keys()
0 // -0.5
-0.0 // 3
7.5 // -2.5
1e300 // 1e-10
0.7 // 0.1
[] in message
true and false
1 and 2
0 and 1
'' or 'x'
none or missing or 0
1 or missing.x
not ''
not not 'a'
not none
'a' if true else 'b'
'a' if 0 else 'b'
'a' if none
('a' if none) is defined
1 if 0 else 2 if 0 else 3
(missing if missing else 'd') ~ 'x'
missing
missing ~ ''
missing is defined
missing == other
missing == ''
not missing
missing|length
missing|list
missing|join
missing.x
missing['x']
missing[0]
missing()
missing + 'a'
'a' + missing
-missing
missing[1:]
missing|upper
missing|string
missing|trim
missing|tojson
missing|int
nested.missing
nested.a.missing is defined
nested['nope']
names[10]
names[-1]
names[-4]
names.x
text.x
n.x
none.x
(1).x
nested.missing.x
none.x.y
text.nothing()
message.role
message['role']
message.content
message.tool_calls
message['items']
nested.a.b.c[1].d
nested['a']['b']
nested['10']
message.get('role')
message.get('nope')
message.get('nope', 'd')
message.get('tool_calls', 'd')
message.get(key='role')
message.get('tool_calls') is none
message['get']
message.items() | list | length
nested.keys() | list
nested.values() | list | length
nested.items() | list | first
nested.keys()
{'a': 1}.items()
{'a': 1}.values()
nested.items()[0] is defined
nested.keys() is iterable
nested.keys() is sequence
'a' in nested.keys()
nested.keys()|length
message.pop('role')
message.update({})
names.append('x')
names.append is defined
message.pop is defined
names.sort is defined
names.0
names.1.upper()
names[1]
names['1'] is defined
text[0]
text[-1]
text[99] is defined
unicode[6]
unicode[-1]
names[true]
names[1:]
names[:-1]
names[::-1]
names[::2]
names[-2:]
names[5:]
names[:]
text[1:4]
text[::-1]
text[-3:]
unicode[::-1]
unicode[5:8]
(1, 2, 3)[1:]
range(10)[2:8:3]
names[n:]
names[none:2]
text[10:2]
text[8:2:-2]
names[::0]
message.tool_calls[1:]
message[1:]
names['a':]
range(5)
range(1, 4)
range(5, 0, -2)
range(0)
range(3)|list
range(4)|length
range(3)[1]
range(10)[-1]
range(2) == range(0, 2)
range(0, 10, 3)|join(',')
range(1, 2, 0)
range(100001)
range(1.5)
range()
range(100000)|length
dict(a=1, b='x')
dict({'a': 1}, b=2)
dict([('x', 1)])
dict()
{'a': 1, 'a': 2}
dict(1)
namespace(a=1)
namespace().x is defined
namespace(a=[1], b=none).a
namespace(a=1) is mapping
namespace(a=1) is iterable
namespace(a=1)['a']
raise_exception('stop: ' ~ n)
raise_exception('Ünï ' + text)
raise_exception()
strftime_now('%d %b %Y')
strftime_now('%Y-%m-%d %H:%M:%S')
strftime_now('%B %-d, %A %a %j %p %I %y %e %% %-m %-H')
strftime_now('x')
text.upper()
text.lower()
text.title()
text.capitalize()
'hELLO wORLD'.capitalize()
"it's o'clock x1y".title()
unicode.upper()
unicode.lower()
unicode.title()
unicode.capitalize()
'ßa'.capitalize()
'ΑΣ'.lower()
'ǆ x'.title()
padded.strip()
padded.lstrip()
padded.rstrip()
'xxaxx'.strip('x')
'abcba'.lstrip('ab')
'abcba'.rstrip('ab')
'  a '.strip(none)
'\u00a0\u2003a\x1c\x85'.strip()
'\ufeffa'.strip()
'\u200ba'.strip()
'éaé'.strip('é')
'😀a😀'.strip('😀')
text.split()
text.split('o')
text.split('o', 1)
text.split(' ')[0]
'a,b,,c'.split(',')
''.split()
''.split(',')
padded.split()
'  a b  c '.split(none, 1)
' a b '.split(none, 0)
'a  b'.split(' ')
text.split('l', -1)
text.split(sep='o', maxsplit=1)
'<t>a</t>'.split('</t>')[0].split('<t>')[-1]
text.split('')
text.split(1)
'a\nb\r\nc\rd\x0be\x0cf\x1cg\x85h\u2028i\n'.splitlines()
'a\nb'.splitlines(true)
''.splitlines()
'\n\n'.splitlines()
'a\r\nb'.splitlines(keepends=true)
text.startswith('He')
text.endswith('ld')
text.startswith(('x', 'H'))
text.startswith('el', 1)
text.endswith('o', 0, 5)
text.startswith('')
text.startswith(())
text.startswith(1)
text.startswith(['H'])
text.replace('o', '0')
text.replace('o', '0', 1)
text.replace('', '-')
text.replace('xyz', '')
'aaa'.replace('aa', 'b')
'😀'.replace('', '.')
''.replace('', 'x')
text.replace('l', 'L', 0)
text.replace('l', 'L', -1)
text.find('o')
text.find('zz')
unicode.find('ñ')
text.find('o', 5)
text.find('o', -3)
text.find('')
'-'.join(['a', 'b'])
''.join([])
', '.join(names)
'x'.join('abc')
'-'.join({'a': 1, 'b': 2})
'.'.join(names|map('upper'))
','.join([1])
'{} {}'.format(1, 'a')
'{0}{1}{0}'.format('x', none)
'{a}-{b}'.format(a=1, b=none)
'{{}}'.format()
'{}'.format([1, 'a'])
'{}'.format(true)
'{'.format()
'}'.format()
'{}'.format()
'{x}'.format(y=1)
'{.__class__}'.format('a')
padded|trim
'xax'|trim('x')
5|trim
none|trim
text|upper
text|lower
text|capitalize
"hello wORLD (foo) it's-me"|title
'a\tb [c <d {e'|title
text|title
'a\nb\n\nc'|indent
'a\nb'|indent(2)
'a\nb'|indent(2, true)
'a\n\nb'|indent(2, false, true)
'a\nb\n'|indent('> ', first=true)
''|indent
'a'|indent(width=3, first=true)
'a\nb'|indent(0)
5|indent
text|replace('o', '0')
text|replace('o', 0)
text|replace('l', 'L', 1)
5|replace('5', 'x')
'aaa'|replace('a', 'b', count=2)
text|length
names|count
message|length
''|length
unicode|length
(1, 2)|length
range(3)|count
5|length
none|length
true|length
missing|default('d')
missing|d('d')
none|default('d')
none|default('d', true)
''|default('d', boolean=true)
missing|default
0|d(1, true)
missing|default(default_value=3)
nested.x|default([])
names|first
names|last
[]|first is defined
[]|last
text|first
text|last
message|first
message|last
names|map('upper')|first
names|map('upper')|last
5|first
names|join
names|join(', ')
numbers|join('-')
messages|join(',', attribute='role')
message|join(' ')
text|join('.')
[]|join(',')
mixed|join(';')
names|join(d=' ')
5|join
messages|map(attribute='role')|list
messages|map(attribute='nope')|list
messages|map(attribute='nope', default='x')|list
names|map('upper')|list
names|map('replace', 'a', 'A')|list
[]|map('upper')|list
none|map('upper')|list
missing|map('upper')|list
messages|map('first')|join(' ')
names|map|list
names|map('nope')|list
names|map(attribute='x', nope=1)|list
[[1, 2], [3]]|map('last')|list
[{'a': {'b': 1}}, {'a': {'b': 2}}]|map(attribute='a.b')|list
[['x', 'y']]|map(attribute=1)|list
[['x', 'y']]|map(attribute='1')|list
mixed|select|list
mixed|reject|list
numbers|select('odd')|list
[1, 2, 3, 4]|select('odd')|list
[1, 2, 3, 4]|reject('even')|list
[1, 2, 3]|select('>', 1)|list
names|select('in', ['alpha'])|list
mixed|select('none')|list
mixed|select('string')|list
names|reject('equalto', 'alpha')|list
[1, 2]|select('ge', 2)|list
messages|selectattr('role', 'equalto', 'user')|list
messages|selectattr('role', 'eq', 'user')|map(attribute='content')|join(' ')
messages|rejectattr('role', '==', 'user')|list|length
messages|selectattr('nope')|list
messages|selectattr('content')|list|length
messages|selectattr('role', 'in', ['system', 'assistant'])|map(attribute='role')|list
messages|selectattr('nope', 'defined')|list
messages|rejectattr('nope', 'undefined')|list
messages|selectattr|list
messages|select('nope')|list
messages|selectattr('role', 'equalto', 'user')|length
messages|selectattr('role', 'equalto', 'user')|first
messages|map(attribute='role') is iterable
messages|map(attribute='role') is sequence
none|selectattr('a')|list
missing|select|list
numbers|sort
numbers|sort(reverse=true)
names|sort
names|sort(case_sensitive=true)
messages|sort(attribute='role')|map(attribute='content')|join
messages|sort(attribute='role,content', reverse=true)|map(attribute='content')|join(',')
'hello'|sort
{'b': 1, 'a': 2}|sort
mixed|sort
message|dictsort
{'b': 1, 'A': 2, 'c': 0}|dictsort
{'b': 1, 'A': 2}|dictsort(true)
{'b': 1, 'a': 2}|dictsort(by='value')
{'b': 1, 'a': 2}|dictsort(reverse=true)
{'b': 1, 'a': 2}|dictsort(false, 'value', true)
names|dictsort
message|dictsort(by='x')
numbers|unique|list
['a', 'A', 'b']|unique|list
['a', 'A']|unique(true)|list
messages|unique(attribute='role')|map(attribute='content')|list
[1, 1.0, true, '1']|unique|list|length
[[1]]|unique|list
numbers|min
numbers|max
names|min
names|max(case_sensitive=true)
[]|min
messages|max(attribute='content')
[]|max is defined
['b', 'A']|min
['a', 1]|max
names|reverse|list
text|reverse
(1, 2)|reverse|list
message|reverse|list
range(3)|reverse|list
[]|reverse|list
names|map('upper')|reverse|list
5|reverse
nested|items|list|length
missing|items|list
{'a': 1}|items|list
names|items|list
text|list
message|list
range(2)|list
{'a': 1}.items()|list
none|default([])|list
5|list
'42'|int
'42.9'|int
' 7 '|int
'x'|int
'x'|int(3)
none|int
true|int
2.9|int
-2.9|int
'1_000'|int
'1e3'|int
''|int
[]|int
'-5'|int
'+5'|int
'nan'|int
'inf'|int
'1.5'|float
'x'|float
'x'|float(2.5)
3|float
' 1e-3 '|float
none|float
'inf'|float
'-inf'|float
'nan'|float
true|float
'.5'|float
'1_0.5'|float
'a'|string
1|string
none|string
[1]|string
1.0|string
'<'|safe
('a'|safe) + '<'
('a'|safe) + '<a href="x">\'&'
'<' + ('a'|safe)
('a'|safe) ~ '<'
none|safe
('<x>'|safe).upper() + '&'
('a<'|safe)|replace('a', '<')
('x'|safe) == 'x'
('x'|safe) is string
(' <x '|safe)|trim + '>'
('a'|safe)|string + '<'
('ab'|safe)[0] + '<'
('ab'|safe)[1:] + '<'
('a'|safe) * 2 + '<'
[('a'|safe)]
{('a'|safe): 1}.a
('a b'|safe).split()[0] + '<'
('a'|safe)|tojson
text|nope
text is nope
text|upper(1)
text|trim(1, 2)
text|replace('a')
text|default(nope=1)
text|indent(width=1, width=2)
nested|tojson
message|tojson
mixed|tojson
numbers|tojson
none|tojson
true|tojson
'é😀\u2028<>&\''|tojson
'"\\/\b\f\n\r\t\x00\x1f\x7f'|tojson
1e16|tojson
1.0|tojson
0.1|tojson
[]|tojson
{}|tojson
(1, 2)|tojson
nested|tojson(indent=2)
mixed|tojson(indent=4)
[]|tojson(indent=2)
{'a': []}|tojson(indent=1)
[1, [2]]|tojson(indent=0)
[1]|tojson(indent='--')
nested|tojson(true)
'é😀\x7f'|tojson(ensure_ascii=true)
nested|tojson(separators=(',', ':'))
{'b': 1, 'a': 2}|tojson(sort_keys=true)
[1, 2]|tojson(indent=2, separators=[';', '='])
nested|tojson(ensure_ascii=False, indent=3, sort_keys=true)
[1]|tojson(indent=none)
{1: 2, none: 3, 1.5: 4}|tojson
{true: 1}|tojson
1e400|string
(1e308 * 10)|tojson
range(3)|tojson
{'a': missing}|tojson
{(1, 2): 3}|tojson
message.items()|tojson
names|map('upper')|tojson
{[1]: 2}
{(1, 'a'): 2}[(1, 'a')]
{1: 'a'}[1]
{none: 'n'}[none]
{1.5: 'f'}[1.5]
text is string
n is string
none is none
message is mapping
names is sequence
names is iterable
text is iterable
n is iterable
message is sequence
missing is sequence
missing is iterable
none is sequence
names is mapping
n is number
half is number
true is number
'1' is number
n is integer
true is integer
half is float
n is float
true is boolean
1 is boolean
true is true
1 is true
false is false
0 is false
none is false
n is odd
n is even
0 is even
-1 is odd
n is defined and n is odd
'a' is odd
none is even
missing is odd
n is eq 5
n is equalto 5
n is == 5
n is ne 4
n is != 5
n is lt 6
n is < 6
n is le 5
n is gt 5
n is > 4
n is ge 5
n is greaterthan 4
n is lessthan 4
n is in [5]
'a' is in 'abc'
n is not in [5]
range is callable
n is callable
missing is callable
n is not defined
n is not none
not n is none
n is defined == true
text is not string or true
n is odd if true else 2
n is
n is odd is even
(n)
(1, 2)
()
(1,)
((1))
[[1], [2, [3]]]
[1, 2,]
{'a': 1,}
(n + 1) * 2
'a'.upper().lower()
('a' + 'b').upper()
names[0][0].upper()
{'f': 1}.f
[1, 2][0]
'abc'[1]
(1 if n else 2) + 1
-n
+n
- -n
n|string|length
1, 2
(1, 2) == (1, 2)
(1,) == [1]
[1] == [1.0]
{'a': 1} == {'a': 1.0}
{'a': 1} == {'b': 1}
[] == []
none == false
'' == none
missing == none
names == names[:]
text.format|length
text.upper.x
n()
'a'()
text(1)
names(0)
missing is defined and missing.x == 1
missing is not defined or missing.x == 1
not none is none
1 == 1 in [true]
1 in [1] == true
not 1 == 2
1 + 1 == 2 and 2 * 2 == 4 or missing.x
"""

TEMPLATES = [
    # Whitespace control
    "a\n{% if true %}\nb\n{% endif %}\nc\n",
    "a\n  {% if true %}\n  b\n  {% endif %}\nc",
    "a {%- if true -%} b {%- endif -%} c",
    "a\n  {%+ if true %}\n  b\n  {%+ endif +%}\nc",
    "a\n{% if true +%}\nb{% endif %}",
    "  {{ n }}\n  {{- n }}\n{{ n -}}\n  x",
    "{{ n }}\n{{ n }}\n\n{{ n -}}\n\n",
    "a\n{# note #}\nb {# note -#}  c\n   {#- note #} d {#+ x #}\n  {# y #} e",
    "x {% set y = 1 %} z\n  {% set y = 2 %}  \n q",
    "\n\n{% if true %}\n\nx{% endif %}\n\n",
    "line\r\n{% if true %}\r\nx\r{% endif %}\r\nend\r\n",
    "\u00a0{%- if true %}\u2003x{% endif -%}\u00a0 y",
    "\u00a0\u00a0{% if true %}x{% endif %}",
    "{%- if true -%}\n  x\n{%- endif -%}\n",
    "{{- 'a' -}}   {{- 'b' -}}\n",
    "a   {#--#}   b{#-#}c",
    "{{'a'}}{{\"b\"}}{{ {'a':{'b':1}}['a']['b'] }}{{{'a':1}}}",
    "{ { % # }} %} #} {x} }} { {",
    "{{ '}}' }}{{ '%}' }}{{ \"{{\" }}",
    "{% raw %}{{ x }} {% if %}{# #}{% endraw %} {{ n }}",
    "  {% raw %}\n x {{ y }}\n  {% endraw %}\n z",
    "a {%- raw -%}  {{ x }}  {%- endraw -%}  b",
    "{% raw %}a{% endraw +%}\nb",
    "",
    "\n",
    "text only",
    # Conditions
    "{% if n == 1 %}1{% elif n == 5 %}5{% elif n %}n{% else %}e{% endif %}",
    "{% if missing %}1{% else %}{% if names %}2{% endif %}{% endif %}",
    "{% if not missing and names|length > 2 %}yes{% endif %}",
    "{% if n, 1 %}tuple{% endif %}",
    "{% if true: %}colon{% endif %}",
    # Loops
    "{% for x in names %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {{ x }};{% endfor %}",
    "{% for x in names %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}|{{ loop.previtem is defined }}{{ loop.nextitem is undefined }};{% endfor %}",
    "{% for x in names %}{{ loop|length }}{% endfor %}",
    "{% for k, v in nested.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in message|dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in message|items %}{{ k }};{% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [[1, 2], 'xy', {'k': 1, 'l': 2}] %}{{ a }}-{{ b }};{% endfor %}",
    "{% for a, b in [[1]] %}{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}",
    "{% for a, in [[1]] %}{{ a }}{% endfor %}",
    "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.content }}{{ loop.last }};{% endfor %}",
    "{% for m in messages if m.role == 'nobody' %}x{% else %}none{% endfor %}",
    "{% for x in [] %}x{% else %}empty{% endfor %}",
    "{% for x in missing %}x{% else %}empty{% endfor %}",
    "{% for x in none %}x{% endfor %}",
    "{% for x in n %}x{% endfor %}",
    "{% for c in unicode %}[{{ c }}]{% endfor %}",
    "{% for k in message %}{{ k }} {% endfor %}",
    "{% for i in range(3) %}{% for j in range(i) %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in names %}{% if x == 'Beta' %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in names %}{% if x == 'Beta' %}{% break %}{% endif %}{{ x }}{% else %}never{% endfor %}",
    "{% for x in names %}{% for y in names %}{% if y == 'Beta' %}{% break %}{% endif %}{{ y }}{% endfor %}{{ x }}{% endfor %}",
    "{% for x in names[::-1] %}{{ x }}{% endfor %}",
    "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}",
    "{% for x in names if x is string %}{{ x }}{% endfor %}",
    "{% for x in (names if n else []) %}{{ x }}{% endfor %}",
    "{% for x in names|map('upper') %}{{ x }}{{ loop.length }}{{ loop.last }}{% endfor %}",
    "{% for names in names %}{{ names }}{% endfor %}{{ names }}",
    "{% for x in names %}{{ loop }}{% endfor %}",
    "{% for loop in names %}{{ loop }}{% endfor %}",
    "{% break %}",
    "{% continue %}",
    # Scopes
    "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = i + 10 %}{{ x }}{% endfor %}{{ x }}",
    "{% for i in [1, 2] %}{% set y = i %}{% endfor %}{{ y is defined }}",
    "{% if true %}{% set z = 1 %}{% endif %}{{ z }}",
    "{% if false %}{% set z = 1 %}{% endif %}{{ z is defined }}",
    "{% set n = n + 1 %}{{ n }}",
    "{% set ns = namespace(found=false, c=0) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.found = true %}{% set ns.c = ns.c + 1 %}{% endif %}{% endfor %}{{ ns.found }}{{ ns.c }}",
    "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}{{ ns.x is defined }}{{ ns }}",
    "{% set message.role = 1 %}",
    "{% set nothing.role = 1 %}",
    "{% set ns = namespace(_a=1) %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a, b = names %}",
    "{% set (a, b) = 'xy' %}{{ a }}{{ b }}",
    "{% set t = 1, 2 %}{{ t }}",
    "{% set true = 1 %}",
    "{% set 1 = 1 %}",
    "{% set b %}\n x {{ n }}\n{% endset %}[{{ b }}]",
    "{% set b | upper | trim %} x {% endset %}[{{ b }}]",
    "{% set b | replace('x', 'y') %}x{% set inner = 1 %}{% endset %}{{ b }}{{ inner is defined }}",
    "{% set ns = namespace() %}{% set ns.t %}x{% endset %}{{ ns.t }}",
    "{% filter upper %}a {{ text }}{% set q = 1 %}{% endfilter %}{{ q is defined }}",
    "{% filter trim | replace('a', 'b') | indent(2, true) %}  a\na {% endfilter %}",
    "{% generation %} a {% set g = 1 %}{% endgeneration %}{{ g is defined }}",
    "{% for m in messages %}{%- generation -%}\n{{ m.content }}\n{%- endgeneration -%}{% endfor %}",
    # Macros
    "{% macro f(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(b=4, a=5) }} {{ f() }}",
    "{% macro f(a, b=a) %}{{ b }}{% endmacro %}{{ f(7) }}",
    "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f(a) %}{% endmacro %}{{ f(nope=2) }}",
    "{% macro f(a=1, b) %}{% endmacro %}",
    "{% macro f() %}{{ n }}{{ later }}{% endmacro %}{{ f() }}{% set later = 'L' %}{{ f() }}{% set later = 'M' %}{{ f() }}",
    "{% macro f() %}{% set n = 1 %}{{ n }}{% endmacro %}{{ f() }}{{ n }}",
    "{% for x in names %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}",
    "{% macro f() %}{{ x is defined }}{% endmacro %}{% for x in names %}{{ f() }}{% endfor %}",
    "{% macro down(k) %}{{ k }}{% if k > 0 %}{{ down(k - 1) }}{% endif %}{% endmacro %}{{ down(3) }}",
    "{% macro f(a) %}\n  {{- a }}\n{%- endmacro %}\n[{{ f('x') }}]\n{{ f }}",
    "{%- macro f(a) -%} {{ a|tojson }} {%- endmacro -%} {{ f({'a': [1]}) }}{{ f(a=none)|length }}{{ (f(1) ~ 'x')|upper }}",
    "{% macro f(a) %}{{ a.x }}{% endmacro %}{{ f() }}",
    "{% macro f(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{{ caller() }}{% endmacro %}{{ f() }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, a=2) }}",
    "{% macro f(n) %}{{ n }}{% endmacro %}{{ n }}{{ f('in') }}{{ n }}",
    # Errors
    "{% if n %}",
    "{% for x in names %}{% endif %}",
    "{% endif %}",
    "{% nope %}",
    "{{ n",
    "{{ }}",
    "{% if %}x{% endif %}",
    "{{ n n }}",
    "{{ (1 }}",
    "{{ 1) }}",
    "{{ [1} }}",
    "{{ 'abc }}",
    "{{ a..b }}",
    "{{ n | }}",
    "{{ 1 + }}",
    "{{ a ! b }}",
    "{# open",
    "{% raw %}x",
    "{% set x %}",
    "{% for in names %}{% endfor %}",
    "{% for x names %}{% endfor %}",
    "{{ f(a=1, 2) }}",
    "{% macro true() %}{% endmacro %}",
    "{{ {'a' 1} }}",
    "{% if n == 5 %}{{ raise_exception('No ' + text) }}{% endif %}",
    "{% if n == 6 %}{{ raise_exception('never') }}{% endif %}ok",
    # As chat templates do
    "{{ bos_token }}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>\\n' }}{% endfor %}",
    "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n{%- else %}\n    {%- set system_message = \"\" %}\n{%- endif %}\n{{- system_message }}{{ messages|length }}",
    "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}\n{%- for message in messages[::-1] %}\n    {%- set index = (messages|length - 1) - loop.index0 %}\n    {%- if ns.multi_step_tool and message.role == \"user\" and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}\n        {%- set ns.multi_step_tool = false %}\n        {%- set ns.last_query_index = index %}\n    {%- endif %}\n{%- endfor %}\n{{ ns.last_query_index }}",
    "{%- set content = '<think>\\nwhy\\n</think>\\n\\nso' %}{%- if '</think>' in content %}{%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}[{{ reasoning }}][{{ content }}]",
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% endfor %}",
    "{%- for message in messages %}{%- if (loop.index0 == 0) or messages[loop.index0 - 1].role != message.role %}{{ message.role }}{%- endif %}{%- if loop.last or (messages[loop.index0 + 1].role != message.role) %};{%- endif %}{%- endfor %}",
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now(\"%d %b %Y\") %}{%- else %}{%- set date_string = \"26 Jul 2024\" %}{%- endif %}{%- endif %}{{ date_string }}",
    "{%- macro param(name, fields) -%}\n{{ name }}{% for key in fields if key not in ['type'] %}, {{ key }}: {{ fields[key] | tojson if fields[key] is mapping or (fields[key] is sequence and fields[key] is not string) else fields[key] | string }}{% endfor %}\n{%- endmacro -%}\n{{ param('p', {'type': 's', 'enum': [1, 'a'], 'd': 'x', 'o': {'k': none}}) }}",
]


def snippets():
    """The sources."""
    yield from ("{{ " + expression + " }}" for expression in OUTPUTS.strip().split("\n"))
    yield from TEMPLATES
