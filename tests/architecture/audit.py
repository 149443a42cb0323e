"""Asks for known vulnerabilities of everything in the locks: `python -m tests.architecture.audit`, or `make audit`.

A vulnerability fails, unless `.ci/accepted_advisories.toml` lists it with a reason. Where the advisories cannot be
reached nothing is known, which is said and fails nothing: a build is not to hang on somebody else's service.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

_ROOT: Final = Path(__file__).parents[2]
_ACCEPTED: Final = _ROOT / ".ci" / "accepted_advisories.toml"
LOCKS: Final = ("requirements.lock", "requirements-voice.lock")
_SECONDS: Final = 300
_MOST_NAMED: Final = 5


class Verdict(NamedTuple):
    """What is to be said, and whether the build may go on."""

    lines: list[str]
    passes: bool


def accepted_advisories(text: str) -> dict[str, str]:
    """Reasons by id. Raises `ValueError` for an entry without either."""
    found = {}
    for entry in tomllib.loads(text).get("accepted", []):
        if not entry.get("id") or not entry.get("reason"):
            raise ValueError("an accepted advisory needs an id and a reason")
        found[entry["id"]] = entry["reason"]
    return found


def verdict(report: Mapping[str, Any], accepted: Mapping[str, str]) -> Verdict:
    """Judge a report of pip-audit in its JSON form."""
    dependencies = report["dependencies"]
    skipped = [each["name"] for each in dependencies if "skip_reason" in each]
    if len(skipped) == len(dependencies):
        return unreachable("nothing is known of any package")
    lines, passes, used = [], True, set()
    for each in dependencies:
        for advisory in each.get("vulns", ()):
            ids = {advisory["id"], *advisory.get("aliases", ())}
            known = ids & accepted.keys()
            used |= known
            if known:
                lines.append(
                    f"audit: {each['name']} {each['version']}: {advisory['id']} accepted: {accepted[known.pop()]}"
                )
                continue
            passes = False
            fixed = ", ".join(advisory["fix_versions"]) or "no version yet"
            lines.append(f"audit: {each['name']} {each['version']} has {advisory['id']}; fixed in {fixed}")
    lines += [f"audit: {name} is accepted, but nothing has it any more" for name in sorted(accepted.keys() - used)]
    if skipped:
        named = ", ".join(skipped[:_MOST_NAMED])
        lines.append(f"audit: {len(skipped)} packages could not be looked up: {named}")
    lines.append(f"audit: {len(dependencies) - len(skipped)} packages looked up")
    return Verdict(lines, passes)


def unreachable(fact: str) -> Verdict:
    """What is said where the advisories cannot be asked."""
    return Verdict([f"audit: the advisories cannot be reached, so NOTHING WAS CHECKED ({fact})"], passes=True)


def audit() -> Verdict:
    """Ask about the locks, and judge."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip"]
    for lock in LOCKS:
        command += ["--requirement", lock]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_SECONDS, check=False)
        report = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return unreachable(f"no answer within {_SECONDS} seconds")
    except json.JSONDecodeError:
        facts = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        # Only a network that fails is none of ours: anything else is a fault of the audit, and has to be seen.
        is_network = any(
            word in done.stderr for word in ("ConnectionError", "Timeout", "NameResolution", "ServiceError")
        )
        return (
            unreachable(facts[-1]) if is_network else Verdict([f"audit: pip-audit failed: {facts[-1]}"], passes=False)
        )
    return verdict(report, accepted_advisories(_ACCEPTED.read_text()))


if __name__ == "__main__":
    outcome = audit()
    print("\n".join(outcome.lines))
    sys.exit(0 if outcome.passes else 1)
