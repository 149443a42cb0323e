"""What the audit of dependencies makes of what it is told."""

import pytest

from tests.architecture.audit import _ACCEPTED, accepted_advisories, verdict

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "own", "skip_reason": "not found"}
ADVISORY = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["1.1"], "description": "long"}
BROKEN = {"name": "broken", "version": "1.0", "vulns": [ADVISORY]}


def test_a_known_vulnerability_fails_and_says_where_it_is_fixed() -> None:
    lines, passes = verdict({"dependencies": [SOUND, BROKEN]}, {})
    assert not passes
    assert lines[0] == "audit: broken 1.0 has PYSEC-1; fixed in 1.1"


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-2026-1"])
def test_one_that_is_listed_with_a_reason_passes_and_is_still_said(name: str) -> None:
    lines, passes = verdict({"dependencies": [SOUND, BROKEN]}, {name: "not used"})
    assert (passes, lines[0]) == (True, "audit: broken 1.0: PYSEC-1 accepted: not used")


def test_an_acceptance_that_nothing_needs_is_said() -> None:
    lines, passes = verdict({"dependencies": [SOUND]}, {"PYSEC-9": "was needed once"})
    assert passes
    assert "audit: PYSEC-9 is accepted, but nothing has it any more" in lines


def test_where_nothing_can_be_looked_up_that_is_said_and_fails_nothing() -> None:
    lines, passes = verdict({"dependencies": [UNKNOWN, UNKNOWN]}, {})
    assert passes
    assert "NOTHING WAS CHECKED" in lines[0]


def test_a_package_that_cannot_be_looked_up_hides_no_other() -> None:
    lines, passes = verdict({"dependencies": [UNKNOWN, BROKEN]}, {})
    assert not passes
    assert "audit: 1 packages could not be looked up: own" in lines


def test_an_acceptance_needs_a_reason() -> None:
    assert accepted_advisories('[[accepted]]\nid = "PYSEC-1"\nreason = "not used"') == {"PYSEC-1": "not used"}
    with pytest.raises(ValueError, match="reason"):
        accepted_advisories('[[accepted]]\nid = "PYSEC-1"')


def test_the_list_can_be_read() -> None:
    assert accepted_advisories(_ACCEPTED.read_text()) is not None
