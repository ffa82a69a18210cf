"""What `scripts/bench-hosts` has measured, as docs/capacity.md tells it."""

from pathlib import Path

import msgspec
import pytest

from capacity.measuring import Part, Record, Scaling
from capacity.section import NOT_MEASURED, line, section, verdicts

GENERATOR = Path(__file__).resolve().parents[1] / "results" / "recorded" / "generator"
SLICE_S = 0.3


def part(count: int) -> Record:
    """So many load processes, each of which costs the same."""
    return Record(
        measured_at="2026-11-30T12:00:00Z",
        cpu_model="a CPU",
        cpus=2,
        fingerprint="f",
        tool_version="0",
        slice_s=SLICE_S,
        part=Part(
            load_processes=count,
            start_s=1.0,
            survey_s=0.3,
            idle_cpu_share=0.001 * count,
            slice_cpu_s=(0.001 + 0.0002 * count,) * 3,
            overhead_s=(0.006,) * 3,
            late_s=(0.0001,) * 3,
            pss_bytes=50 * 2**20,
        ),
    )


def scaling(servers: int, two_rps: float, overhead_s: float) -> Scaling:
    """One that sends 100 requests per second, and two."""
    return Scaling(
        server_processes=servers,
        alone_rps=(100.0,),
        one_rps=(100.0,),
        two_rps=(two_rps,),
        alone_overhead_s=(0.001,),
        two_overhead_s=(0.001 + overhead_s,),
    )


def test_costs_lie_on_a_line() -> None:
    """What there is without any load process, and what each adds."""
    found = line([(1, 3.0), (2, 5.0), (4, 9.0)])
    assert found.at_none == pytest.approx(1.0)
    assert found.each == pytest.approx(2.0)
    assert found.at(100) == pytest.approx(201.0)


@pytest.mark.parametrize(
    ("servers", "two_rps", "overhead_s", "met"),
    [
        (2, 190.0, 0.008, [True, True]),
        (2, 170.0, 0.010, [False, False]),
        # On two CPUs nobody can say what two load processes would send.
        (1, 110.0, 0.008, [True, None]),
    ],
)
def test_two_load_processes_are_held_to_their_targets(
    servers: int, two_rps: float, overhead_s: float, met: list[bool | None]
) -> None:
    """At most 3 % of the slices' time beside them, and 1.8 times the throughput of one."""
    found = verdicts(scaling(servers, two_rps, overhead_s), SLICE_S)
    assert [is_met for _, is_met in found] == met


def test_the_page_plans_beyond_what_was_measured(tmp_path: Path) -> None:
    """Until then it says that nothing was."""
    file = tmp_path / "parts.jsonl"
    assert section(file, GENERATOR) == NOT_MEASURED
    records = [part(1), part(32), msgspec.structs.replace(part(1), part=None)]
    records[2] = msgspec.structs.replace(records[2], scaling=scaling(1, 110.0, 0.008))
    file.write_bytes(b"\n".join(map(msgspec.json.encode, records)))
    told = section(file, GENERATOR)
    assert "| 32 | 3.2% | 7.4 ms (7.4) |" in told
    assert "200 µs for each in each slice" in told
    assert "not judged: there are too few CPUs" in told
    assert "| 2,000,000 |" in told
    assert "million requests/s" in told
