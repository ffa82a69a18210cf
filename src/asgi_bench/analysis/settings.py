"""What the report says of how each server was started: version, command, what really ran."""

import msgspec

from asgi_bench.model import Plan, Proof


class SettingReport(msgspec.Struct, frozen=True):
    """A server setting: its version, its argv, and what really ran under it."""

    setting: str
    """The setting, with which the keys of its cells begin: `uvicorn/default/w1`."""
    server: str
    """The server."""
    variant: str
    """Its variant."""
    workers: int
    """How many workers it is started with."""
    server_version: str | None
    """The version that was measured."""
    command: tuple[str, ...]
    """The argv, in which each start fills in `{port}` or `{fd}`. With several scenarios it is the
    one that serves the first; it is empty where the setting can't be measured here."""
    env: dict[str, str] = {}
    """Variables set for the server."""
    reason: str | None = None
    """Why it can't be measured here; otherwise null."""
    proof: Proof | None = None
    """Its entry of `proofs.json`; null where there is none."""


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
