"""The fault matrix: it is whole, and some of its cells run; `scripts/fault-matrix` runs all."""

from pathlib import Path

import msgspec
import pytest

import asgi_bench
from asgi_bench.machine.fingerprint import describe_machine
from asgi_bench.machine.lock import measuring_lock
from asgi_bench.store.calibrations import write_calibration
from faultmatrix.cells import FAULTS, PHASES, Case, Same, cases, matrix
from faultmatrix.page import faults_page
from faultmatrix.running import Seen, prepare, see
from tests.command_line import LOCK_PATIENCE_S
from tests.synthetic_calibration import quick_calibration

QUICK = [key for key, case in cases().items() if case.is_quick]
# A machine's worth of them that take some seconds each; the others are run by the script.
MORE = (
    "start/exits",
    "install/sigterm",
    "start/second-harness",
    "slice/forks-a-child",
    "slice/sigterm",
    "slice/resumed",
)


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is known of this machine, so that no cell measures it."""
    known = msgspec.structs.replace(
        quick_calibration(describe_machine().fingerprint), tool_version=asgi_bench.__version__
    )
    return write_calibration(tmp_path_factory.mktemp("known"), known).parent


def test_every_phase_and_fault_has_a_cell() -> None:
    """None is left open, and a cell that equals another names one that is run."""
    cells = matrix()
    assert cells.keys() == {(phase, fault) for phase in PHASES for fault in FAULTS}
    for (phase, fault), cell in cells.items():
        if isinstance(cell, Same):
            assert isinstance(cells[cell.phase, fault], Case), (phase, fault)
            assert cell.phase != phase


def test_the_page_has_every_cell() -> None:
    """Those that were seen with their message, those that were not with the reason."""
    key = next(iter(cases()))
    page = faults_page({key: Seen(key, 1, "what | was said", (), 1.0)})
    assert "what \\| was said" in page
    assert page.count("✓") == 2  # in the table, and where it is explained
    for cell in matrix().values():
        if not isinstance(cell, Case):
            assert cell.why in page


@pytest.mark.parametrize(
    "key", [*QUICK, *(pytest.param(key, marks=pytest.mark.slow) for key in MORE)]
)
def test_a_cell_is_as_it_must_be(key: str, calibration: Path, tmp_path: Path) -> None:
    """Exit code, message, no orphan, no port, and earlier trials as they were."""
    # Who measures on this machine is waited for longer than a cell would.
    with measuring_lock(LOCK_PATIENCE_S):
        prepare(tmp_path)
    seen = see(cases()[key], tmp_path, calibration)
    assert seen.faults == (), seen
