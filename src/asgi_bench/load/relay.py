"""Locust's master between the harness and several load processes: splits, waits, merges.

A command goes to every worker as its share of the load, and the harness gets one reply when all
have answered: the last report is acknowledged, not hoped for; where one isn't, the log says so.
"""

import logging
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import gevent
import msgspec
from gevent.queue import Empty, Queue
from locust.runners import MasterRunner

from asgi_bench.load.channel import COMMAND_MESSAGE, REPLY_MESSAGE, SocketChannel
from asgi_bench.load.histogram import merge_histograms
from asgi_bench.load.messages import (
    Closed,
    Command,
    Failed,
    Load,
    Loaded,
    Open,
    Opened,
    Quit,
    Ready,
    Reply,
    decode_reply,
    encode,
)
from asgi_bench.load.statistics import write_table
from asgi_bench.model import OpenFigures, RequestFigures, merged_wrong_answers

# Slices begin in step this long after they were ordered: a message takes about 1 ms.
STEP_S = 0.01
# A worker that is silent for this long beyond the longest command has died.
REPLY_TIMEOUT_S = 120.0
FLUSH_TIMEOUT_S = 5.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class Relay:
    """Runs in Locust's master; `serve` is its only greenlet of ours."""

    def __init__(self, runner: MasterRunner) -> None:
        self._runner = runner
        self._channel = SocketChannel()
        self._replies: Any = Queue()
        runner.register_message(REPLY_MESSAGE, self._take)

    def serve(self, workers: int) -> None:
        """Greet once every worker has, then relay until the harness quits."""
        self._channel.send(self._collect(workers, REPLY_TIMEOUT_S))
        while True:
            command = self._channel.receive()
            clients = [client.id for client in self._runner.clients.all]
            if isinstance(command, Load):
                begin_at_s = perf_counter() + STEP_S
                command = msgspec.structs.replace(command, begin_at_s=begin_at_s)
            for index, client in enumerate(clients):
                share = share_of(command, index, workers)
                self._runner.send_message(COMMAND_MESSAGE, encode(share), client)
            if isinstance(command, Quit):
                last = self._collect(workers, FLUSH_TIMEOUT_S)
                if isinstance(last, Failed):
                    # It goes to the log in the run's folder: nobody waits for a reply any more.
                    log.warning("Locust's table may lack the last counts: %s", last.text)
                if command.table is not None:
                    write_table(self._runner.environment, Path(command.table))
                leave(self._runner.environment)
                return
            self._channel.send(self._collect(workers, REPLY_TIMEOUT_S))

    def _collect(self, count: int, timeout_s: float) -> Reply:
        try:
            return merge([self._replies.get(timeout=timeout_s) for _ in range(count)])
        except Empty:
            return Failed(f"not all of {count} load processes answered within {timeout_s:g} s")

    def _take(self, environment: Any, msg: Any, **_: Any) -> None:
        self._replies.put(decode_reply(msg.data))


def leave(environment: Any) -> None:
    """Begin to end Locust by its own quit; its web page, where it is open, would stay up otherwise.

    In a greenlet of its own: to quit is to kill the users, and it may be one of them that asks.
    """

    def end() -> None:
        environment.runner.quit()
        if environment.web_ui is not None:
            environment.web_ui.stop()

    gevent.spawn(end)


def share_of(command: Command, index: int, workers: int) -> Command:
    """Return what one of several workers does of a command: connections and rate are divided.

    Each draws its own arrivals and order of requests: independent Poisson streams add up to one.
    """
    match command:
        case Open(target=target):
            each, rest = divmod(target.connections, workers)
            connections = each + (1 if index < rest else 0)
            share = msgspec.structs.replace(target, connections=connections)
            return msgspec.structs.replace(command, target=share)
        case Load(rate_rps=rate_rps):
            return msgspec.structs.replace(
                command,
                rate_rps=None if rate_rps is None else rate_rps / workers,
                seed=command.seed * workers + index,
            )
    return command


def merge(replies: Sequence[Reply]) -> Reply:
    """Return one reply for many of the same kind; a failed one stands for all."""
    failed = [reply for reply in replies if isinstance(reply, Failed)]
    if failed:
        return failed[0]
    return reduce(_merge, replies)


def _merge(one: Reply, other: Reply) -> Reply:
    match one, other:
        case Ready(), Ready():
            return Ready(one.pids + other.pids)
        case Opened(), Opened():
            rate_rps = one.throughput_rps + other.throughput_rps
            return Opened(rate_rps, one.client_ports + other.client_ports)
        case Loaded(), Loaded():
            return _merge_loaded(one, other)
        case Closed(), Closed():
            return _merge_closed(one, other)
    return Failed(f"load processes answered {type(one).__name__} and {type(other).__name__}")


def _merge_loaded(one: Loaded, other: Loaded) -> Loaded:
    """From the first send of any to the last answer of any, and so the servers' clocks."""
    clocks_s = dict(one.server_clocks_s)
    for pid, (before_s, after_s) in other.server_clocks_s.items():
        known = clocks_s.get(pid, (before_s, after_s))
        clocks_s[pid] = (min(known[0], before_s), max(known[1], after_s))
    return Loaded(
        begin_s=min(one.begin_s, other.begin_s),
        end_s=max(one.end_s, other.end_s),
        requests=one.requests + other.requests,
        sent=one.sent + other.sent,
        errors=one.errors + other.errors,
        server_clocks_s=clocks_s,
        load_cpu_s=one.load_cpu_s + other.load_cpu_s,
        open_loop=_merge_optional(one.open_loop, other.open_loop),
        response_time_hdr=merge_histograms(one.response_time_hdr, other.response_time_hdr),
        # The worse of the two: neither's shortfall makes up for the other's.
        accounted_share=min(
            (share for share in (one.accounted_share, other.accounted_share) if share is not None),
            default=None,
        ),
        load_wait_s=one.load_wait_s + other.load_wait_s,
        service_time_hdr=merge_histograms(one.service_time_hdr, other.service_time_hdr),
        generator_lag_hdr=merge_histograms(one.generator_lag_hdr, other.generator_lag_hdr),
        losses=one.losses + other.losses,
        by_request=_merge_by_request(one.by_request, other.by_request),
        reconnects=_sum(one.reconnects, other.reconnects),
        connect_s=_sum(one.connect_s, other.connect_s),
        sent_bytes=_sum(one.sent_bytes, other.sent_bytes),
        wrong_ports=one.wrong_ports + other.wrong_ports,
        wrong_answers=merged_wrong_answers(one.wrong_answers + other.wrong_answers),
    )


FigureT = TypeVar("FigureT", int, float)


def _sum(one: FigureT | None, other: FigureT | None) -> FigureT | None:
    """The sum where both tell."""
    return None if one is None or other is None else one + other


def _merge_optional(one: OpenFigures | None, other: OpenFigures | None) -> OpenFigures | None:
    if one is None or other is None:
        return one or other
    marks = zip(one.outstanding, other.outstanding, strict=True)
    return OpenFigures(
        due=one.due + other.due,
        sent_in_time=one.sent_in_time + other.sent_in_time,
        unsent=one.unsent + other.unsent,
        outstanding=tuple(mine + theirs for mine, theirs in marks),
        # Their peaks need not coincide: this is the most it can have been.
        in_flight_max=one.in_flight_max + other.in_flight_max,
        spin_s=one.spin_s + other.spin_s,
    )


def _merge_closed(one: Closed, other: Closed) -> Closed:
    return Closed(
        response_time_hdr=merge_histograms(one.response_time_hdr, other.response_time_hdr),
        service_time_hdr=merge_histograms(one.service_time_hdr, other.service_time_hdr),
        generator_lag_hdr=merge_histograms(one.generator_lag_hdr, other.generator_lag_hdr),
        clamped=one.clamped + other.clamped,
        reconnects=one.reconnects + other.reconnects,
        sent_total=one.sent_total + other.sent_total,
        errors_total=one.errors_total + other.errors_total,
        response_bytes=one.response_bytes or other.response_bytes,
        by_request=_merge_by_request(one.by_request, other.by_request),
        wrong_answers=merged_wrong_answers(one.wrong_answers + other.wrong_answers),
        wrong_by_port=one.wrong_by_port | other.wrong_by_port,
        unanswered=one.unanswered + other.unanswered,
    )


def _merge_by_request(
    one: Sequence[RequestFigures], other: Sequence[RequestFigures]
) -> tuple[RequestFigures, ...]:
    return tuple(
        RequestFigures(
            name=mine.name,
            requests=mine.requests + theirs.requests,
            sent=mine.sent + theirs.sent,
            errors=mine.errors + theirs.errors,
            response_time_hdr=merge_histograms(mine.response_time_hdr, theirs.response_time_hdr),
            response_bytes=mine.response_bytes or theirs.response_bytes,
        )
        for mine, theirs in zip(one, other, strict=True)
    )
