"""JUnit files: accepted by a schema, and failures are no errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xmlschema

from scenarios.batches.batch import BatchResult, EpisodeResult
from scenarios.batches.expansion import load_batch
from scenarios.batches.gates import GateResult, judge
from scenarios.batches.junit import write_junit
from scenarios.batches.suite import Gate
from scenarios.batches.worker import Report
from scenarios.metrics import MetricValue
from simulator.world import InfrastructureError

MakeSuite = Callable[..., Path]

SCHEMA = """
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:complexType name="problem"><xs:simpleContent><xs:extension base="xs:string">
    <xs:attribute name="message" type="xs:string"/><xs:attribute name="type" type="xs:string"/>
  </xs:extension></xs:simpleContent></xs:complexType>
  <xs:element name="testsuites"><xs:complexType>
    <xs:sequence><xs:element name="testsuite" maxOccurs="unbounded"><xs:complexType>
      <xs:sequence><xs:element name="testcase" minOccurs="0" maxOccurs="unbounded"><xs:complexType>
        <xs:sequence>
          <xs:choice minOccurs="0">
            <xs:element name="failure" type="problem"/>
            <xs:element name="error" type="problem"/>
            <xs:element name="skipped" type="problem"/>
          </xs:choice>
          <xs:element name="system-out" type="xs:string" minOccurs="0"/>
          <xs:element name="system-err" type="xs:string" minOccurs="0"/>
        </xs:sequence>
        <xs:attribute name="name" type="xs:string" use="required"/>
        <xs:attribute name="classname" type="xs:string" use="required"/>
        <xs:attribute name="time" type="xs:decimal"/>
      </xs:complexType></xs:element></xs:sequence>
      <xs:attribute name="name" type="xs:string" use="required"/>
      <xs:attribute name="tests" type="xs:nonNegativeInteger" use="required"/>
      <xs:attribute name="failures" type="xs:nonNegativeInteger" use="required"/>
      <xs:attribute name="errors" type="xs:nonNegativeInteger" use="required"/>
      <xs:attribute name="skipped" type="xs:nonNegativeInteger"/>
      <xs:attribute name="time" type="xs:decimal"/>
    </xs:complexType></xs:element></xs:sequence>
    <xs:attribute name="name" type="xs:string"/>
    <xs:attribute name="tests" type="xs:nonNegativeInteger"/>
    <xs:attribute name="failures" type="xs:nonNegativeInteger"/>
    <xs:attribute name="errors" type="xs:nonNegativeInteger"/>
    <xs:attribute name="skipped" type="xs:nonNegativeInteger"/>
    <xs:attribute name="time" type="xs:decimal"/>
  </xs:complexType></xs:element>
</xs:schema>
"""
"""What continuous-integration servers read of the format."""

GATE = Gate(metric="collision", statistic="rate", max=0.0)


@pytest.fixture
def result(make_suite: MakeSuite) -> BatchResult:
    """A batch with every verdict there is."""
    batch = load_batch(str(make_suite(matrix={"seeds": [0, 1, 2, 3]})))
    missed = {"metric": "lateral_offset_max", "met": False, "optional": False}
    missed["value"] = MetricValue(0.7, "m").to_json()
    outcome: dict[str, Any] = {"metrics": {}, "criteria": []}
    died = Report(3, "error", "the process was killed by SIGKILL (3 times)", "last words \x00 <&>", 1.5, 3)
    episodes = [
        EpisodeResult(batch.episodes[0], "a", "met", outcome, Report(0, "done", wall_s=0.25)),
        EpisodeResult(batch.episodes[1], "b", "not met", {**outcome, "criteria": [missed]}, None),
        EpisodeResult(batch.episodes[2], "c", "invalid", None, Report(2, "invalid", "no such thing")),
        EpisodeResult(batch.episodes[3], "d", "error", None, died),
    ]
    zero, one = MetricValue(0.0, "1"), MetricValue(1.0, "1")
    gates = [judge(GATE, [zero]), judge(GATE, [one]), judge(GATE, [None]), judge(GATE, [zero], left_out=1)]
    return BatchResult(batch, tuple(episodes), tuple(gates))


def test_the_file_is_valid_and_tells_failures_from_errors(result: BatchResult, tmp_path: Path) -> None:
    path = tmp_path / "new" / "junit.xml"
    write_junit(result, path)
    document = xmlschema.XMLSchema(SCHEMA).to_dict(str(path))
    episodes, gates = document["testsuite"]
    assert (episodes["@tests"], episodes["@failures"], episodes["@errors"]) == (4, 1, 2)
    assert (gates["@tests"], gates["@failures"], gates["@errors"], gates["@skipped"]) == (4, 1, 1, 1)
    cases = episodes["testcase"]
    assert cases[0]["@name"] == "tiny, ground_truth, seed 0"
    assert cases[1]["failure"]["@message"] == "lateral_offset_max is 0.700 m"
    assert "last words \N{REPLACEMENT CHARACTER} <&>" in str(cases[3]["system-err"])


@pytest.mark.parametrize(
    ("verdicts", "gates", "code"),
    [
        (["met"], [], 0),
        (["met", "not met"], [], 1),
        (["met", "not met"], ["met"], 0),
        (["met"], ["not met"], 1),
        (["met", "invalid"], ["met"], 2),
        (["invalid", "error"], ["undecided"], 3),
        (["met"], ["left out"], 0),
    ],
)
def test_exit_codes(result: BatchResult, verdicts: list[str], gates: list[str], code: int) -> None:
    episodes = tuple(replace(result.episodes[0], verdict=verdict) for verdict in verdicts)
    judged = tuple(GateResult(GATE, None, verdict) for verdict in gates)
    assert BatchResult(result.batch, episodes, judged).exit_code == code


def test_a_place_that_cannot_be_written_is_an_infrastructure_error(
    result: BatchResult, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfrastructureError, match="cannot be written"):
        write_junit(result, tmp_path / "file" / "junit.xml")
