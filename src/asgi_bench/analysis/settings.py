"""What the report says of how each server was started: version, command, what really ran."""

import msgspec

from asgi_bench.model import Plan, Proof


class SettingReport(msgspec.Struct, frozen=True):
    """A server setting: its version, its argv, and what really ran under it.

    `setting` begins the keys of its cells (`uvicorn/default/w1`). `command` serves the plan's first
    scenario, `{port}` or `{fd}` filled in at each start; it is empty where the setting can't be
    measured here, for `reason`. `proof` is null where nothing was proven.
    """

    setting: str
    server: str
    variant: str
    workers: int
    server_version: str | None
    command: tuple[str, ...]
    env: dict[str, str] = {}
    reason: str | None = None
    proof: Proof | None = None


def settings_of(plan: Plan, proofs: tuple[Proof, ...]) -> tuple[SettingReport, ...]:
    """Each server setting of the plan once, in its order."""
    by_setting = {proof.setting: proof for proof in proofs}
    found: dict[str, SettingReport] = {}
    for planned in plan.cells:
        cell = planned.cell
        if cell.setting not in found:
            found[cell.setting] = SettingReport(
                setting=cell.setting,
                server=cell.server,
                variant=cell.variant,
                workers=cell.workers,
                server_version=planned.server_version,
                command=planned.command,
                env=planned.env,
                reason=planned.skip_reason,
                proof=by_setting.get(cell.setting),
            )
    return tuple(found.values())
