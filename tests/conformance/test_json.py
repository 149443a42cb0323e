"""The official protobuf conformance suite, its JSON tests, against the gateway's codec in plain ProtoJSON."""

import sys
from pathlib import Path

import pytest

from tests.conformance.runner import RunnerMissingError, install
from tests.support.pools import ROOT, WELL_KNOWN, file_set

FAILURES = Path(__file__).with_name("recommended_failures.txt")
MESSAGES = ("proto3", "proto2", "edition2023", "proto2_editions", "proto3_editions")
# What version 33.2 has in JSON; fewer would mean that the suite was not really run.
WANTED_SUCCESSES = 1300


@pytest.mark.timeout(600)
def test_no_required_json_test_fails_and_the_recommended_ones_that_do_are_listed(tmp_path: Path) -> None:
    try:
        runner = install()
    except RunnerMissingError as missing:
        pytest.skip(f"no conformance runner: {missing}")
    protos = [f"google/protobuf/test_messages_{each}.proto" for each in MESSAGES]
    descriptors = tmp_path / "set.binpb"
    # The well-known types come from protoc itself.
    compiled = file_set("conformance/conformance.proto", *protos, imports=(runner.protos, WELL_KNOWN))
    descriptors.write_bytes(compiled.SerializeToString())
    testee = tmp_path / "testee"
    testee.write_text(
        f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m tests.conformance.testee "{descriptors}"\n'
    )
    testee.chmod(0o755)

    result = runner.run(testee, FAILURES, tmp_path)

    assert result.passed, result.output
    assert result.unexpected_failures == 0
    assert result.expected_failures == sum(1 for line in FAILURES.read_text().splitlines() if not line.startswith("#"))
    assert result.successes > WANTED_SUCCESSES


def test_every_listed_failure_is_of_a_recommended_test() -> None:
    listed = [line for line in FAILURES.read_text().splitlines() if not line.startswith("#")]
    assert all(line.startswith("Recommended.") for line in listed)
