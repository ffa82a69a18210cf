"""JSON Schemas of the files, generated from the structs, for readers in other languages.

They are shipped beside this module in `schemas/`; `scripts/schemas` writes them anew.
"""

from pathlib import Path
from typing import Any

import msgspec

from asgi_bench.calibration import CALIBRATION_VERSION, Calibration
from asgi_bench.model import (
    SCHEMA_VERSION,
    VERDICT_VERSION,
    AbReport,
    Behaviour,
    Proof,
    RunHeader,
    Trial,
)

SCHEMA_FOLDER = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(kind: type[msgspec.Struct], title: str) -> str:
    """The JSON Schema of a struct as text, the same for the same struct."""
    schema: dict[str, Any] = {"$schema": DIALECT, "title": title, **msgspec.json.schema(kind)}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def store_schemas() -> dict[str, str]:
    """The schemas of a run folder's files and of a calibration, by name in `SCHEMA_FOLDER`."""
    return {
        "run.json": json_schema(RunHeader, f"asgi-bench run.json, version {SCHEMA_VERSION}"),
        "trial.json": json_schema(
            Trial, f"a line of asgi-bench trials.jsonl, version {SCHEMA_VERSION}"
        ),
        "proof.json": json_schema(
            Proof, f"an entry of asgi-bench proofs.json, version {SCHEMA_VERSION}"
        ),
        "verdict.json": json_schema(
            AbReport, f"asgi-bench verdict.json, version {VERDICT_VERSION}"
        ),
        "behaviour.json": json_schema(
            Behaviour, f"an entry of asgi-bench behaviour.json, version {SCHEMA_VERSION}"
        ),
        "calibration.json": json_schema(
            Calibration, f"asgi-bench calibration, version {CALIBRATION_VERSION}"
        ),
    }
