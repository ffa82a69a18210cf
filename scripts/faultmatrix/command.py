"""The command that is under test, and how long anything may take."""

import sys
from pathlib import Path

COMMAND = Path(sys.executable).with_name("asgi-bench")
# A machine may stand still for a while; what takes longer hangs.
LONGEST_S = 120.0
