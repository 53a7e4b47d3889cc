"""What transformers' jinja2 makes of templates, as figures for the tests of dev.llmworker.text.jinja.

    python jinja_golden.py cases ../resources/jinja/cases.json
    python jinja_golden.py templates FOLDER OUT.json

`cases` renders the snippets of jinja_snippets.py and seeded random ones. `templates` renders each *.jinja of a folder
with several conversations, tools and switches; GoldenCases compares. Needs transformers and jinja2.
"""

import datetime
import json
import pathlib
import random
import re
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template

import jinja_conversations
import jinja_random
import jinja_snippets

NOW = datetime.datetime(2024, 7, 3, 9, 5, 7)
SEED = 20250701
RANDOM_CASES = 400
# jinja_random also writes what the worker refuses, because no public chat template uses it. Those cases are left out.
NOT_SUPPORTED = re.compile(r"""\*\*|'%s-|'\{:>|\|(e|abs|round|sum|batch)\b|\.(swapcase|rsplit|count)\(""")


def render(source, variables):
    """{"expected": text}, {"raised": message of raise_exception} or {"error": what else failed}."""
    # The worker gives a template what JSON can hold.
    variables = json.loads(json.dumps(variables))
    try:
        template = _compile_jinja_template(source)
        template.globals["strftime_now"] = NOW.strftime
        return {"expected": template.render(**variables)}
    except Exception as error:  # whatever Python refuses, the worker refuses
        if type(error).__name__ == "TemplateError":
            return {"raised": str(error)}
        return {"error": f"{type(error).__name__}: {error}"[:120]}


def case(source, variables):
    return {"source": source, "variables": variables, **render(source, variables)}


def is_stable(entry):
    """Whether the result is the same in every run and has no number of more than 64 bits."""
    text = entry.get("expected", "")
    return " at 0x" not in text and not any(len(digits) > 18 for digits in re.findall(r"\d+", text))


def cases():
    entries = [case(source, jinja_snippets.VARIABLES) for source in jinja_snippets.snippets()]
    starter = (pathlib.Path(__file__).parent / "../resources/jinja/smollm2.jinja").read_text()
    entries += [case(starter, variables) for variables in jinja_conversations.conversations()]
    unstable = [entry["source"] for entry in entries if not is_stable(entry)]
    if unstable:
        sys.exit(f"not the same in every run: {unstable}")
    choose = random.Random(SEED)
    seen = set()
    while len(seen) < RANDOM_CASES:
        source = jinja_random.template(choose)
        entry = case(source, jinja_snippets.VARIABLES)
        # Most random mistakes are alike: one in ten is enough.
        if source not in seen and is_stable(entry) and ("error" not in entry or choose.random() < 0.1):
            seen.add(source)
            if not NOT_SUPPORTED.search(source):
                entries.append(entry)
    for entry in entries:
        if entry["variables"] == jinja_snippets.VARIABLES:
            del entry["variables"]
    return {"variables": jinja_snippets.VARIABLES, "cases": entries}


def templates(folder):
    entries = []
    for path in sorted(pathlib.Path(folder).glob("*.jinja")):
        source = path.read_text()
        for variables in [*jinja_conversations.conversations(), *jinja_conversations.switches()]:
            entries.append({"name": path.name, **case(source, variables)})
    return {"variables": {}, "cases": entries}


def write(path, golden):
    with open(path, "w") as out:
        out.write('{"variables": ' + json.dumps(golden["variables"], ensure_ascii=False) + ',\n"cases": [\n')
        out.write(",\n".join(json.dumps(entry, ensure_ascii=False) for entry in golden["cases"]))
        out.write("\n]}\n")
    kinds = [next(k for k in ("expected", "raised", "error") if k in entry) for entry in golden["cases"]]
    print({kind: kinds.count(kind) for kind in set(kinds)})


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "cases":
        write(sys.argv[2], cases())
    elif len(sys.argv) == 4 and sys.argv[1] == "templates":
        write(sys.argv[3], templates(sys.argv[2]))
    else:
        sys.exit(__doc__)
