"""Response times as HdrHistogram's own files, for its plotters and for merging without loss.

`.hgrm` is a percentile table in milliseconds, one per cell; `.hlog` has the histogram of each
trial, in nanoseconds, tagged with its cell (as HistogramLogWriter.java writes both).
"""

import re
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO

from hdrh.histogram import HdrHistogram

from asgi_bench.analysis.percentiles import Histogram, merge_histograms
from asgi_bench.analysis.summary import Survey
from asgi_bench.errors import BenchError
from asgi_bench.model import RESPONSE_TIME, Trial
from asgi_bench.reporting.exports.figures import ExportFile, is_usable, usable_trials
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import safe_name

NANOSECONDS_PER_MS = 1e6
DIGITS = 3
# A tag ends at the first of these.
TAG_ENDS = re.compile(r"[,\s]+")
DEVIATION = re.compile(r"(StdDeviation +=) *[\d.]+")


def hgrm(surveyed: Survey) -> tuple[ExportFile, ...]:
    """`<cell>.hgrm` for each usable cell that has response times: all its rounds merged.

    Raises BenchError if there is none.
    """
    usable = {cell.cell for cell in surveyed.report.everything if is_usable(cell)}
    found = {key: times for key, times in surveyed.response_times.items() if key in usable}
    if not found:
        raise BenchError(f"{surveyed.report.run.id}: no cell has response times to export")
    documents: dict[str, str] = {}
    for key, times in found.items():
        documents[_unused(safe_name(key), documents)] = _distribution(times)
    return tuple(ExportFile(f"{name}.hgrm", text) for name, text in documents.items())


def hlog(surveyed: Survey) -> tuple[ExportFile, ...]:
    """`asgi-bench.hlog`: a line for each trial that a usable cell's estimates rest on."""
    started_at = surveyed.report.run.started_at
    started_s = datetime.fromisoformat(started_at).timestamp()
    lines = [
        "#[Histogram log format version 1.3]",
        f"#[StartTime: {started_s:.3f} (seconds since epoch), {plain(started_at)}]",
        f"#[BaseTime: {started_s:.3f} (seconds since epoch)]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    found = [
        (trial.slices[0].start_s, line)
        for sample, trials in usable_trials(surveyed)
        for trial in trials
        for line in _intervals(sample.planned.cell.key, trial)
    ]
    # Readers stop at the first line later than the range that they were asked for.
    lines += [line for _, line in sorted(found, key=lambda each: each[0])]
    return (ExportFile("asgi-bench.hlog", "\n".join(lines) + "\n"),)


def _distribution(times: Histogram) -> str:
    """The percentile table of merged counts."""
    values_ns = times.values_ns.tolist()
    # Twice the highest, for hdrh drops what its range can't hold without a word.
    histogram = HdrHistogram(1, 2 * values_ns[-1] + 2, DIGITS)
    for value_ns, count in zip(values_ns, times.counts.tolist(), strict=True):
        histogram.record_value(value_ns, count)
    out = BytesIO()
    histogram.output_percentile_distribution(out, NANOSECONDS_PER_MS)
    # hdrh 0.10.8 scales the mean beside it and leaves this one in nanoseconds.
    deviation_ms = histogram.get_stddev() / NANOSECONDS_PER_MS
    return DEVIATION.sub(rf"\g<1> {deviation_ms:12.{DIGITS}f}", out.getvalue().decode("ascii"))


def _unused(name: str, taken: dict[str, str]) -> str:
    """The name, numbered where cells differ only in what a file name can't hold."""
    number, unused = 1, name
    while unused in taken:
        number += 1
        unused = f"{name}-{number}"
    return unused


def _intervals(cell: str, trial: Trial) -> Iterator[str]:
    """A trial's line; none without response times."""
    histogram = merge_histograms([trial.times_hdr.get(RESPONSE_TIME)])
    if histogram is None:
        return
    start_s, end_s = trial.slices[0].start_s, trial.slices[-1].end_s
    most_ms = histogram.values_ns[-1] / NANOSECONDS_PER_MS
    tag = TAG_ENDS.sub("_", plain(cell))
    blob = trial.times_hdr[RESPONSE_TIME]
    yield f"Tag={tag},{start_s:.3f},{end_s - start_s:.3f},{most_ms:.3f},{blob}"
