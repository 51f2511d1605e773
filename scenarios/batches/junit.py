"""JUnit XML of a batch: one test case an episode and one a gate.

A *failure* is a criterion or a gate that is not met, an *error* an episode without a result or a gate that could not be
decided for that reason: what is wrong with the machine is never scored as driving.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from scenarios.batches.batch import BatchResult, EpisodeResult
from scenarios.batches.gates import GateResult
from simulator.errors import InfrastructureError, MissingExtra

try:
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
except ModuleNotFoundError as error:
    raise MissingExtra(
        f"--junit needs {error.name}, which is not installed: pip install 'dirtyroad[batch]'"
    ) from error

UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML has no characters for, but a dying process may print."""


def write_junit(result: BatchResult, path: Path) -> None:
    """Write the file.

    Raises:
        InfrastructureError: it cannot be written.
    """
    name = result.batch.suite.name
    document = JUnitXml("dirtyroad")
    document.add_testsuite(_suite(f"{name}.episodes", [_episode_case(name, one) for one in result.episodes]))
    document.add_testsuite(_suite(f"{name}.gates", [_gate_case(name, one) for one in result.gates]))
    document.update_statistics()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        document.write(str(path), pretty=True)
    except OSError as error:
        raise InfrastructureError(f"{path}: cannot be written ({error})") from error


def _suite(name: str, cases: Sequence[TestCase]) -> TestSuite:
    suite = TestSuite(name)
    for case in cases:
        suite.add_testcase(case)
    return suite


def _episode_case(suite: str, result: EpisodeResult) -> TestCase:
    report = result.report
    case = TestCase(str(result.episode.labels), f"{suite}.episodes", 0.0 if report is None else report.wall_s)
    if result.verdict == "not met":
        case.result = [Failure(_clean(result.reason), "criteria")]
    elif result.verdict != "met":
        case.result = [Error(_clean(result.reason), result.verdict)]
        if report is not None and report.detail:
            case.system_err = _clean(report.detail)
    return case


def _gate_case(suite: str, result: GateResult) -> TestCase:
    case = TestCase(str(result.gate), f"{suite}.gates", 0.0)
    if result.verdict == "not met":
        case.result = [Failure(_clean(str(result)), "gate")]
    elif result.verdict == "undecided":
        case.result = [Error(_clean(result.reason), "gate")]
    elif result.verdict == "left out":
        case.result = [Skipped(_clean(result.reason))]
    return case


def _clean(text: str) -> str:
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
