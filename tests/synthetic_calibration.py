"""A calibration as a quiet machine of two CPUs gives it, for tests that need one."""

import msgspec

from asgi_bench.model.calibration import (
    AAFloor,
    Calibration,
    CeilingPoint,
    LatencyBias,
    LatencyFigures,
    LengthEffect,
    SliceLengths,
    SliceLoss,
    SliceNoise,
    TimerError,
    Variation,
)

LAG = LatencyFigures(samples=3000, p50=15e-6, p90=30e-6, p99=60e-6, max=200e-6)
RESPONSE = LatencyFigures(samples=2000, p50=60e-6, p90=80e-6, p99=120e-6, max=400e-6)


def ceiling_point(connections: int, ceiling_rps: float) -> CeilingPoint:
    """A point of the ceiling's curve."""
    return CeilingPoint(
        connections=connections,
        ceiling_rps=ceiling_rps,
        load_cpu_s_per_request=1 / ceiling_rps,
        coefficient_of_variation=0.02,
        throughput_rps=ceiling_rps / 2,
        slices=6,
    )


def quick_calibration(fingerprint: str = "0123456789abcdef") -> Calibration:
    """What `--quick` gives."""
    return Calibration(
        fingerprint=fingerprint,
        kind="quick",
        measured_at="2026-11-22T19:00:00+00:00",
        duration_s=5.1,
        tool_version="0.1.0",
        hostname="bench",
        cpu_model="Some Processor",
        cpu_count=2,
        kernel="6.1.0",
        python="CPython 3.11.7",
        seed=1,
        server_cpus=(0,),
        load_cpus=(1,),
        ceiling=(ceiling_point(64, 100_000.0),),
        timer_error=TimerError(1000.0, LAG),
    )


def full_calibration(fingerprint: str = "0123456789abcdef") -> Calibration:
    """What a full calibration gives, with a note."""
    quick = quick_calibration(fingerprint)
    lengths = (
        LengthEffect(0.02, 1.5, 1.4, 1.6, 0.9, 0.88, 0.92, "different"),
        LengthEffect(0.1, 1.66, 1.6, 1.7, 0.999, 0.98, 1.02, "undecided"),
        LengthEffect(0.5, 1.67, 1.6, 1.7, 0.998, 0.996, 1.001, "same"),
    )
    return msgspec.structs.replace(
        quick,
        kind="full",
        ceiling=tuple(
            ceiling_point(*point)
            for point in ((1, 20_000.0), (8, 80_000.0), (64, 100_000.0), (256, 90_000.0))
        ),
        latency_bias=LatencyBias(500.0, 64, RESPONSE, LAG),
        slice_noise=SliceNoise("uvicorn/default", 0.02, 200, 0.12, 0.45),
        aa_floor=AAFloor(
            "uvicorn/default", 8, 0.75, 0.002, 0.011, Variation(0.012, 0.004, 0.03, 0.05)
        ),
        slice_lengths=SliceLengths(
            "granian/default",
            "uvicorn/default",
            64,
            8,
            0.01,
            lengths,
            0.1,
            losses=(
                SliceLoss("granian/default", 0.003, 0.0021, 0.0042),
                SliceLoss("uvicorn/default", 0.001, 0.0004, 0.0016),
            ),
        ),
        notes=("this machine is busy",),
    )
