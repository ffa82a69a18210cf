"""Counts calls by function within a server's own processes: Python imports it as each starts.

Python finds it as `sitecustomize` because its folder, which contains nothing else, is the first of
PYTHONPATH; another `sitecustomize` behind it is imported as it would have been. Processes that a
server spawns inherit the variables, and forked ones the counting, so none is missed.

`sys.monitoring` (CPython 3.12) reports each start of a Python function, and each call from Python
code of something written in C. Python 3.11 only has `sys.setprofile`, which doesn't report calls of
classes, and only knows threads that Python starts. A generator or coroutine counts once, when it
begins, and not each time that it resumes.

Counts are in a file that is mapped into memory, `PID.counts`, so they survive however the process
ends. The lines of `PID.names` name the slots of that file.
"""

import importlib.machinery
import importlib.util
import json
import mmap
import os
import sys
import threading
import types
from pathlib import Path
from typing import Any

FOLDER = "ASGI_BENCH_CALLS"
# Many times what a large application has; what comes after them is counted in the first slot.
SLOTS = 1 << 17
OTHERS = "?"
# The last slot has no name: what is not to be counted is counted there.
UNREAD = -1
# Free for tools to which PEP 669 gives no number.
TOOLS = (4, 3)
OF_CLASSES = (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
)
# Python 3.11: the instruction with which a function begins (its argument is 0), or goes on.
RESUME = 151
HERE = str(Path(__file__).parent)


class Ledger:
    """The counts of this process: a slot for each function."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = [OTHERS]
        # By identity, or by class and name for what is made anew for each call.
        self.slots: dict[object, int] = {}
        # What is known by its identity must live: another might get that identity.
        self.kept: list[object] = []
        self.begin()

    def begin(self) -> None:
        """Count from zero into files of this process's own: at its start, and after a fork."""
        path = self.folder / f"{os.getpid()}.counts"
        with path.open("w+b") as file:
            file.truncate(8 * SLOTS)
            self.counts = memoryview(mmap.mmap(file.fileno(), 8 * SLOTS)).cast("Q")
        self.names_path = path.with_suffix(".names")
        self.names_path.write_bytes(b"".join(map(line, self.names)))
        # Another thread may have held it when the process was forked.
        self.lock = threading.Lock()
        self.is_open = True

    def pause(self) -> None:
        """Count nothing while it isn't known whose counts they are."""
        self.is_open = False

    def go_on(self) -> None:
        """Count again."""
        self.is_open = True

    def new_slot(self, key: object, thing: object, name: str) -> int:
        """Give something a slot, unless another thread just did; lines are in slot order."""
        with self.lock:
            if key in self.slots:
                return self.slots[key]
            if len(self.names) >= SLOTS - 1:
                return 0
            self.kept.append(thing)
            self.names.append(name)
            # Not kept open: a server that becomes a daemon closes all it has not opened itself.
            with self.names_path.open("ab") as file:
                file.write(line(name))
            # Last: who finds it finds a line in the file.
            self.slots[key] = len(self.names) - 1
            return self.slots[key]

    def began(self, code: types.CodeType) -> None:
        """Count the start of a Python function."""
        if not self.is_open:
            return
        slot = self.slots.get(id(code))
        if slot is None:
            name = f"{module_of(code.co_filename)}.{code.co_qualname}"
            slot = self.new_slot(id(code), code, name)
        self.counts[slot] += 1

    def called(self, callee: Any) -> None:
        """Count the call of something written in C."""
        if type(callee) is types.MethodType:
            callee = callee.__func__
        if type(callee) is types.FunctionType or not self.is_open:
            return
        slot = self.slots.get(id(callee))
        if slot is None:
            slot = self.slot_of(callee, type(callee))
        self.counts[slot] += 1

    def slot_of(self, callee: Any, kind: type) -> int:
        """Find the slot of something that isn't known by its identity, or give it one.

        Only an instance's class is used: a proxy would answer for another object.
        """
        key: object = id(callee)
        thing: Any = callee
        if kind in OF_CLASSES:
            module = callee.__objclass__.__module__
        elif kind is types.BuiltinMethodType and isinstance(callee.__self__, types.ModuleType):
            module = callee.__self__.__name__
        elif kind in (types.BuiltinMethodType, types.MethodWrapperType):
            owner = callee.__self__
            home = owner if isinstance(owner, type) else type(owner)
            key, module = (home, callee.__qualname__), home.__module__
        elif kind.__name__ == "cython_function_or_method":
            module = callee.__module__
            key = (kind, module, callee.__qualname__)
        elif issubclass(kind, type):
            if isinstance(callee.__init__, types.FunctionType):
                return UNREAD
            module = callee.__module__
        else:
            calls = (vars(base).get("__call__") for base in kind.__mro__)
            if any(isinstance(call, types.FunctionType) for call in calls):
                return UNREAD
            key, thing, module = id(kind), kind, kind.__module__
        slot = self.slots.get(key)
        if slot is None:
            slot = self.new_slot(key, thing, full_name(module, thing.__qualname__))
        return slot


def line(name: str) -> bytes:
    """Write a name so that nothing in it ends the line."""
    return json.dumps(name).encode() + b"\n"


def full_name(module: object, name: str) -> str:
    """Put the module before a name, except for built-in names."""
    return name if module in ("builtins", None) else f"{module}.{name}"


def module_of(file: str) -> str:
    """Return the module that a file is when imported, whatever its folder."""
    if file.startswith("<frozen "):
        return file[len("<frozen ") : -1]
    roots = [root for root in sys.path if root and file.startswith(root.rstrip("/") + "/")]
    inner = file[len(max(roots, key=len).rstrip("/")) + 1 :] if roots else Path(file).name
    return inner.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def monitor(ledger: Ledger) -> None:
    """Count each start and each call, in all threads; from CPython 3.12 on."""
    monitoring = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    tool = next(number for number in TOOLS if monitoring.get_tool(number) is None)

    def on_start(code: types.CodeType, _offset: int) -> None:
        ledger.began(code)

    def on_call(_code: types.CodeType, _offset: int, callee: object, _first: object) -> None:
        ledger.called(callee)

    events = monitoring.events
    monitoring.use_tool_id(tool, "asgi-bench")
    monitoring.register_callback(tool, events.PY_START, on_start)
    monitoring.register_callback(tool, events.CALL, on_call)
    monitoring.set_events(tool, events.PY_START | events.CALL)


def profile(ledger: Ledger) -> None:
    """Count each start and each call on CPython 3.11, in the threads that Python starts."""
    begins: dict[int, int] = {}

    def on_event(frame: types.FrameType, event: str, callee: object) -> None:
        if event == "c_call":
            ledger.called(callee)
        elif event == "call":
            code = frame.f_code
            begin = begins.get(id(code))
            if begin is None:
                begin = begins[id(code)] = begin_of(code)
            if frame.f_lasti == begin:
                ledger.began(code)

    threading.setprofile(on_event)
    sys.setprofile(on_event)


def begin_of(code: types.CodeType) -> int:
    """Return the offset at which a function begins: at those beyond, it resumes."""
    text = code.co_code
    return next(at for at in range(0, len(text), 2) if text[at] == RESUME and text[at + 1] == 0)


def import_the_other() -> None:
    """Import the `sitecustomize` that this one hides."""
    sys.path[:] = [folder for folder in sys.path if folder != HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


def count(folder: Path) -> None:
    """Count calls in this process, and in those that it forks."""
    ledger = Ledger(folder)
    os.register_at_fork(
        before=ledger.pause, after_in_parent=ledger.go_on, after_in_child=ledger.begin
    )
    if hasattr(sys, "monitoring"):
        monitor(ledger)
    else:
        profile(ledger)


import_the_other()
if FOLDER in os.environ:
    count(Path(os.environ[FOLDER]))
