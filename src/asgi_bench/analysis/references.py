"""A stored run read again with another reference: the ratios change, the measurements don't."""

import msgspec

from asgi_bench.errors import UsageError
from asgi_bench.model import Run, setting_named


def with_reference(run: Run, name: str | None, flag: str = "--reference") -> Run:
    """The run with its ratios referring to another setting; without a name as it is.

    Only a setting that took part in a block has ratios there: the reference that the run was
    measured with is in all of them, any other in that of its worker count alone.

    Raises UsageError where no such setting was measured, and for an A/B, which has its own.
    """
    plan = run.header.plan
    if name is None:
        return run
    if plan.gate is not None:
        raise UsageError(f"{flag}: an A/B refers to its baseline")
    measured = [one.cell.setting for one in plan.cells if one.skip_reason is None]
    replace = msgspec.structs.replace
    plan = replace(plan, reference=setting_named(name, measured, flag))
    return replace(run, header=replace(run.header, plan=plan))
