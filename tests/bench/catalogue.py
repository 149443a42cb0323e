"""Which benches there are: the modules of this package with a function `run() -> Report`. It prints nothing."""

import importlib
import pkgutil

import tests.bench
from tests.bench.figures import Report

_NO_BENCHES = ("__main__", "catalogue", "figures")


def names() -> list[str]:
    """Their names, sorted."""
    modules = pkgutil.iter_modules(tests.bench.__path__)
    return sorted(
        each.name for each in modules if not each.ispkg and each.name not in _NO_BENCHES and "test" not in each.name
    )


def measured(name: str) -> Report:
    """Run one bench in this process."""
    report = importlib.import_module(f"tests.bench.{name}").run()
    if not isinstance(report, Report):
        raise TypeError(f"tests.bench.{name}.run() gave {type(report).__name__} instead of a Report")
    return report
