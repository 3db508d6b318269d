"""What lies between caller and agent: a telephone line, another continent."""

from __future__ import annotations

from collections.abc import Mapping

from turnkit.lab.experiments.experiment import (
    Condition,
    Experiment,
    Options,
    Results,
    in_words,
    request,
    saved,
)

_COLUMNS = (
    "turns", "v2v_p50", "v2v_p90", "v2v_max", "eot_p50", "eot_p90", "post_commit_p50",
    "uplink_p50", "downlink_p50", "false_interruptions", "early_commits", "dead_air",
    "misses", "late_frames",
)  # fmt: skip
_SIMULATED = "the network is simulated: real packets through a relay in user space"


def _line(options: Options, _services: Mapping[str, str]) -> list[Condition]:
    networks = {
        "web": "good",
        "telephone 150 ms": "phone,line.round_trip_ms=150",
        "telephone 300 ms": "phone",
        "telephone 700 ms": "phone,line.round_trip_ms=700",
    }
    return [
        Condition(name, request(options, network=network)) for name, network in networks.items()
    ]


def _region(options: Options, _services: Mapping[str, str]) -> list[Condition]:
    networks = {"near": "good", "far": "far", "near, mobile": "mobile"}
    return [
        Condition(name, request(options, network=network)) for name, network in networks.items()
    ]


def _say_far(first: str, second: str, results: Results) -> list[str]:
    more = saved(results, second, first, "v2v_ms")
    return [] if more is None else [f"{second} costs {in_words(more)}, of V2V over {first}"]


LINE = Experiment(
    "line",
    "What does a telephone line cost against the web?",
    _line,
    _COLUMNS,
    say=lambda results: [
        line for name in list(results)[1:] for line in _say_far("web", name, results)
    ],
    notes=(_SIMULATED, "the telephone's band and mu-law are applied to both voices"),
)
REGION = Experiment(
    "region",
    "What does another continent cost, and what a mobile network?",
    _region,
    _COLUMNS,
    say=lambda results: [
        line for name in list(results)[1:] for line in _say_far("near", name, results)
    ],
    notes=(_SIMULATED,),
)
