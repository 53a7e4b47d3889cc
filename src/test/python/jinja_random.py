"""Random templates over the variables of jinja_snippets: whitespace control, loops, and expressions of all types."""

TEXTS = ["text", "'a b'", "names[0]", "padded", "unicode", "''", "'x'", '"it\'s"', "message.content", "'\\n'"]
NUMBERS = ["0", "1", "2", "-3", "7", "n", "half", "2.5", "names|length", "true", "loop_free"]
LISTS = ["names", "numbers", "[]", "[1, 'a', none]", "mixed", "range(4)", "text.split(' ')", "(1, 2)", "messages"]
DICTS = ["message", "nested", "{}", "{'k': 1, 'b': [true]}", "dict(z=1)"]
OTHERS = ["none", "true", "false", "missing", "nested.missing", "loop_free"]


def text(choose, depth):
    if depth == 0:
        return choose.choice(TEXTS)
    t, n, l = (lambda: text(choose, depth - 1)), (lambda: number(choose, depth - 1)), (lambda: items(choose, depth - 1))
    form = choose.choice(
        [
            lambda: f"({t()} + {t()})",
            lambda: f"({t()} ~ {n()} ~ {any_value(choose, depth - 1)})",
            lambda: f"{t()}[{choose.choice(['1:', ':-1', '::-1', '-2:', ':3', '1::2', '::-2'])}]",
            lambda: f"{t()}|{choose.choice(['upper', 'lower', 'trim', 'title', 'capitalize', 'string', 'e', 'indent', 'reverse', 'tojson'])}",
            lambda: f"{t()}.{choose.choice(['strip', 'lstrip', 'rstrip', 'upper', 'lower', 'title', 'capitalize', 'swapcase'])}()",
            lambda: f"{t()}|replace({t()}, {t()})",
            lambda: f"{t()}.replace({t()}, 'Q', 2)",
            lambda: f"{t()}.split({choose.choice(['', repr(' '), repr('a')])})[{choose.choice(['0', '-1'])}]",
            lambda: f"{l()}|join({choose.choice(['', repr(', '), repr('|')])})",
            lambda: f"{any_value(choose, depth - 1)}|tojson",
            lambda: f"{any_value(choose, depth - 1)}|string",
            lambda: f"({t()} if {condition(choose, depth - 1)} else {t()})",
            lambda: f"{t()} * {choose.choice(['0', '1', '3'])}",
            lambda: f"'{{:>{choose.randint(1, 9)}}}|{{}}'.format({t()}, {n()})",
            lambda: f"'%s-%{choose.choice(['d', '5.1f', 'r', '03d'])}' % ({t()}, {n()})",
            lambda: f"missing|default({t()})",
        ]
    )
    return form()


def number(choose, depth):
    if depth == 0:
        return choose.choice(NUMBERS)
    n = lambda: number(choose, depth - 1)
    form = choose.choice(
        [
            lambda: f"({n()} {choose.choice(['+', '-', '*', '/', '//', '%'])} {n()})",
            lambda: f"-{n()}",
            lambda: f"{n()}|{choose.choice(['int', 'float', 'abs', 'round'])}",
            lambda: f"{items(choose, depth - 1)}|{choose.choice(['length', 'count'])}",
            lambda: f"{text(choose, depth - 1)}|length",
            lambda: f"{text(choose, depth - 1)}.{choose.choice(['find', 'count'])}({text(choose, depth - 1)})",
            lambda: f"{n()} ** {choose.choice(['0', '1', '2', '-1'])}",
            lambda: f"numbers|{choose.choice(['sum', 'max', 'min', 'first', 'last'])}",
            lambda: f"{text(choose, depth - 1)}|int({choose.choice(['', '7'])})",
        ]
    )
    return form()


def items(choose, depth):
    if depth == 0:
        return choose.choice(LISTS)
    l = lambda: items(choose, depth - 1)
    form = choose.choice(
        [
            lambda: f"{l()}[{choose.choice(['1:', ':-1', '::-1', '-2:', ':2', '::2'])}]",
            lambda: f"({l()} + {l()})",
            lambda: f"{l()}|{choose.choice(['list', 'unique|list', 'reverse|list', 'sort', 'map(' + repr('string') + ')|list'])}",
            lambda: f"{l()}|{choose.choice(['select', 'reject'])}({choose.choice(['', repr('string'), repr('number'), repr('defined'), repr('none')])})|list",
            lambda: f"messages|{choose.choice(['selectattr', 'rejectattr'])}('role', {choose.choice([repr('equalto'), repr('ne'), repr('=='), repr('in')])}, 'user')|map(attribute='content')|list",
            lambda: f"{text(choose, depth - 1)}.{choose.choice(['split', 'splitlines', 'rsplit'])}()",
            lambda: f"{choose.choice(DICTS)}|{choose.choice(['items', 'dictsort'])}|list",
            lambda: f"{choose.choice(DICTS)}.{choose.choice(['keys', 'values', 'items'])}()",
            lambda: f"[{any_value(choose, depth - 1)}, {any_value(choose, depth - 1)}]",
            lambda: f"numbers|batch(2)|list",
        ]
    )
    return form()


def condition(choose, depth):
    if depth == 0:
        return choose.choice(OTHERS + LISTS + TEXTS)
    c = lambda: condition(choose, depth - 1)
    v = lambda: any_value(choose, depth - 1)
    tests = ["defined", "undefined", "none", "string", "number", "mapping", "iterable", "sequence", "true", "false",
             "boolean", "integer", "float", "not none", "not defined", "not string", "callable"]
    form = choose.choice(
        [
            lambda: f"({c()} {choose.choice(['and', 'or'])} {c()})",
            lambda: f"(not {c()})",
            lambda: f"{v()} {choose.choice(['==', '!='])} {v()}",
            lambda: f"{number(choose, depth - 1)} {choose.choice(['<', '<=', '>', '>='])} {number(choose, depth - 1)}",
            lambda: f"{number(choose, depth - 1)} < {number(choose, depth - 1)} <= {number(choose, depth - 1)}",
            lambda: f"({v()} is {choose.choice(tests)})",
            lambda: f"{v()} {choose.choice(['in', 'not in'])} {items(choose, depth - 1)}",
            lambda: f"{text(choose, depth - 1)} {choose.choice(['in', 'not in'])} {text(choose, depth - 1)}",
            lambda: f"{text(choose, depth - 1)}.{choose.choice(['startswith', 'endswith'])}({text(choose, depth - 1)})",
            lambda: f"{choose.choice(DICTS)}.get({text(choose, 0)})",
        ]
    )
    return form()


def any_value(choose, depth):
    kind = choose.choice([text, text, number, items, condition])
    if choose.random() < 0.15:
        return choose.choice(DICTS + OTHERS)
    return kind(choose, depth)


def space(choose):
    return choose.choice(["", "", " ", "\n", "\n\n", "  \n  ", "\t", " x ", "\n  y", "z\n", "  "])


def tag(choose, content):
    return "{%" + choose.choice(["", "", "-", "+"]) + f" {content} " + choose.choice(["", "", "-", "+"]) + "%}"


def output(choose, content):
    return "{{" + choose.choice(["", "", "-"]) + f" {content} " + choose.choice(["", "", "-"]) + "}}"


def body(choose, depth):
    return "".join(space(choose) + piece(choose, depth) for _ in range(choose.randint(1, 3))) + space(choose)


def piece(choose, depth):
    kind = choose.randint(0, 7) if depth > 0 else choose.choice([0, 1, 5])
    if kind <= 1:
        return output(choose, any_value(choose, choose.randint(0, 3)))
    if kind == 2:
        return (
            tag(choose, "if " + condition(choose, 2)) + body(choose, depth - 1)
            + (tag(choose, "elif " + condition(choose, 1)) + body(choose, depth - 1) if choose.random() < 0.4 else "")
            + (tag(choose, "else") + body(choose, depth - 1) if choose.random() < 0.6 else "")
            + tag(choose, "endif")
        )
    if kind == 3:
        filtered = " if " + choose.choice(["x", "x is string", "x is not none"]) if choose.random() < 0.3 else ""
        stop = tag(choose, "if loop.index > 2") + tag(choose, choose.choice(["break", "continue"])) + tag(choose, "endif")
        return (
            tag(choose, f"for x in {items(choose, 1)}{filtered}")
            + (stop if choose.random() < 0.3 else "")
            + output(choose, choose.choice(["x", "loop.index", "loop.first", "loop.last", "loop.revindex0", "loop.length", "loop.previtem", "x|string"]))
            + body(choose, depth - 1)
            + (tag(choose, "else") + space(choose) if choose.random() < 0.3 else "")
            + tag(choose, "endfor")
        )
    if kind == 4:
        name = choose.choice(["n", "text", "v"])
        return tag(choose, f"set {name} = {any_value(choose, 1)}") + space(choose) + output(choose, name)
    if kind == 5:
        return "{#" + choose.choice(["", "-", "+"]) + " note " + choose.choice(["", "-"]) + "#}"
    if kind == 6:
        return tag(choose, "set v") + body(choose, depth - 1) + tag(choose, "endset") + output(choose, "v|length")
    return (
        tag(choose, "macro m(a, b=1)") + space(choose) + output(choose, "a ~ b") + space(choose) + tag(choose, "endmacro")
        + output(choose, f"m({any_value(choose, 1)}{choose.choice(['', ', b=2', ', 3'])})")
    )


def template(choose):
    return body(choose, choose.randint(0, 2))
