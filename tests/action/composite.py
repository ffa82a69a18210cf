"""The action as GitHub's runner carries it out: the steps of action.yml, one after another.

What is read is the real file: inputs with their defaults, conditions, expressions, environments,
outputs. Only what needs a network is stood in for: packages are those of the tests, and an artifact
is a folder.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from tests.action.job import Step, run_shell
from tests.action.workflows import ACTION, load
from tests.command_line import COMMAND

Value: TypeAlias = str | bool | None
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||[=!]=|[!()]|[A-Za-z_][\w.-]*)")
UPLOAD = "actions/upload-artifact@"
# Stands in for the runner's Python: an environment that it makes has what the tests have, and pip
# finds everything there. All else is done by the tests' own interpreter.
PYTHON = """#!/usr/bin/env bash
if [[ $1 == -m && $2 == venv ]]; then
    mkdir -p "$3/bin" && ln -s "$0" "$3/bin/python" && ln -s {command!r} "$3/bin/asgi-bench"
elif [[ $1 == -m && $2 == pip ]]; then
    echo "pip $*"
else
    exec {python!r} "$@"
fi
"""


class Job(NamedTuple):
    """How a job ended that uses the action: its code, what the action hands on, what is kept."""

    code: int
    outputs: Mapping[str, str]
    summary: str
    steps: Mapping[str, Step]
    artifacts: Mapping[str, Path]

    @property
    def said(self) -> str:
        """What all steps said."""
        return "\n".join(f"{name}: {step.said}" for name, step in self.steps.items())


def run_action(
    workspace: Path,
    temp: Path,
    inputs: Mapping[str, str],
    event: Mapping[str, Any] | None = None,
    command: Path = COMMAND,
) -> Job:
    """Run the action in a checkout, with some inputs, upon an event; `command` is asgi-bench."""
    action = load(ACTION)
    unknown = inputs.keys() - action["inputs"].keys()
    assert not unknown, f"action.yml has no inputs {unknown}"
    defaults = {name: str(each["default"]) for name, each in action["inputs"].items()}
    context: dict[str, Any] = {
        "inputs": defaults | dict(inputs),
        "github": {"event": dict(event or {})},
        "steps": {},
    }
    steps: dict[str, Step] = {}
    artifacts: dict[str, Path] = {}
    code, summary = 0, ""
    for number, step in enumerate(action["runs"]["steps"]):
        if not _is_due(step.get("if", ""), context, has_failed=code != 0):
            continue
        name = step.get("id", f"step-{number}")
        if "uses" in step:
            stored = _upload(step, context, temp)
            artifacts[stored.name] = stored
            continue
        assert step["shell"] == "bash", step
        env = {key: filled(value, context) for key, value in step.get("env", {}).items()}
        env["PATH"] = f"{_interpreter(temp, command)}:{os.environ['PATH']}"
        done = run_shell(filled(step["run"], context), name, workspace, temp, env)
        context["steps"][name] = {"outputs": done.outputs}
        steps[name] = done
        summary += done.summary
        code = code or done.code
    outputs = {name: filled(each["value"], context) for name, each in action["outputs"].items()}
    return Job(code, outputs, summary, steps, artifacts)


def filled(text: str, context: Mapping[str, Any]) -> str:
    """A text with the values of its expressions."""
    return EXPRESSION.sub(lambda found: _text(evaluated(found[1], context)), text)


def evaluated(expression: str, context: Mapping[str, Any]) -> Value:
    """The value of an expression; raises AssertionError for one that the runner doesn't know.

    It knows names, texts, `==`, `!=`, `!`, `&&`, `||`, brackets and `always()`.
    """
    tokens = list(_tokens(expression))
    value = _alternatives(tokens, context)
    assert not tokens, f"{expression}: {tokens} is left"
    return value


def _tokens(expression: str) -> Iterator[str]:
    place = 0
    text = expression.rstrip()
    while place < len(text):
        found = TOKEN.match(text, place)
        assert found is not None, f"{expression}: what is {text[place:]!r}?"
        yield found[1]
        place = found.end()


def _alternatives(tokens: list[str], context: Mapping[str, Any]) -> Value:
    """The first operand that is true, or the last one."""
    value = _conjunction(tokens, context)
    while tokens[:1] == ["||"]:
        tokens.pop(0)
        other = _conjunction(tokens, context)
        value = value or other
    return value


def _conjunction(tokens: list[str], context: Mapping[str, Any]) -> Value:
    """The first operand that is false, or the last one."""
    value = _comparison(tokens, context)
    while tokens[:1] == ["&&"]:
        tokens.pop(0)
        other = _comparison(tokens, context)
        value = value and other
    return value


def _comparison(tokens: list[str], context: Mapping[str, Any]) -> Value:
    """Texts are compared without regard to case, as GitHub does; what is missing is empty."""
    value = _operand(tokens, context)
    while tokens[:1] in (["=="], ["!="]):
        is_equality = tokens.pop(0) == "=="
        other = _operand(tokens, context)
        value = (_text(value).lower() == _text(other).lower()) == is_equality
    return value


def _operand(tokens: list[str], context: Mapping[str, Any]) -> Value:
    token = tokens.pop(0)
    if token == "!":
        return not _operand(tokens, context)
    if token == "(":
        value = _alternatives(tokens, context)
        assert tokens.pop(0) == ")"
        return value
    if token.startswith("'"):
        return token[1:-1].replace("''", "'")
    if tokens[:2] == ["(", ")"]:
        del tokens[:2]
        assert token == "always", f"{token}() is not known"
        return True
    return _looked_up(token, context)


def _looked_up(name: str, context: Mapping[str, Any]) -> Value:
    """What a dotted name stands for; None where there is nothing under it."""
    first, *rest = name.split(".")
    assert first in context, f"{name}: there is no {first}"
    found: Any = context[first]
    for part in rest:
        found = found.get(part) if isinstance(found, Mapping) else None
    assert found is None or isinstance(found, str | bool), f"{name} is no text"
    return found


def _text(value: Value) -> str:
    """A value within a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value or ""


def _is_due(condition: str, context: Mapping[str, Any], *, has_failed: bool) -> bool:
    """Whether a step is carried out: after a failure only those that always are."""
    if has_failed and "always()" not in condition:
        return False
    return not condition or bool(evaluated(condition, context))


def _upload(step: Mapping[str, Any], context: Mapping[str, Any], temp: Path) -> Path:
    """Keep an artifact, as a folder beside the job's."""
    assert step["uses"].startswith(UPLOAD), step
    given = {name: filled(value, context) for name, value in step["with"].items()}
    stored = temp / "artifacts" / given["name"]
    shutil.copytree(given["path"], stored)
    return stored


def _interpreter(temp: Path, command: Path) -> Path:
    """A folder to begin the search path with, in which `python3` is."""
    folder = temp / "interpreter"
    folder.mkdir(exist_ok=True)
    python = folder / "python3"
    python.write_text(PYTHON.format(python=sys.executable, command=str(command)))
    python.chmod(0o755)
    return folder
