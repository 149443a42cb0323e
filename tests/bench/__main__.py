"""`python -m tests.bench [NAME…]`: runs the benches and prints a table each, every figure beside its bar.

A bench is a module of this package with a function `run() -> Report`. Each has a process of its own, so that what one
leaves in memory slows no other. The exit code tells of failures to measure only: bars are for people to judge, since a
busy machine moves them.
"""

import argparse
import multiprocessing
import os
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor

from tests.bench.catalogue import measured, names
from tests.bench.figures import Figure, Report

_VERDICTS = {True: "met", False: "NOT MET", None: ""}


def main() -> int:
    """Run the named benches, or all of them; 1 if one could not be run."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(names())}")
    chosen = parser.parse_args().names or names()
    unknown = set(chosen) - set(names())
    if unknown:
        parser.error(f"no bench is called {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    print(f"{len(os.sched_getaffinity(0))} cores; figures are ratios within this run, microseconds are this machine's")
    return max([_run_and_print(name) for name in chosen])


def table(report: Report) -> str:
    """The report as text, its columns aligned."""
    width = max((len(figure.name) for figure in report.figures), default=0)
    rows = [_row(figure, width) for figure in report.figures]
    return "\n".join([report.title, *rows, *(f"  ({note})" for note in report.notes)])


def _row(figure: Figure, width: int) -> str:
    bar = "" if figure.bar is None else f"bar {figure.bar:g}"
    row = f"  {figure.name:<{width}}  {figure.ratio:>7.2f} x  {bar:<7} {_VERDICTS[figure.is_met]:<8} {figure.detail}"
    return row.rstrip()


def _run_and_print(name: str) -> int:
    started = time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=spawn) as worker:
            report = worker.submit(measured, name).result()
    except Exception:  # noqa: BLE001 - one bench that fails must not keep the others from being run
        traceback.print_exc()
        print(f"\n{name}: could not be measured", file=sys.stderr)
        return 1
    print(f"\n{table(report)}\n  [{name}, {time.monotonic() - started:.0f} s]", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
