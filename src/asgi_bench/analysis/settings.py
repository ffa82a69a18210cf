"""What the report says of how each server was started: version, command, what really ran."""

from asgi_bench.analysis.report import SettingReport
from asgi_bench.model import Plan, Proof


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
