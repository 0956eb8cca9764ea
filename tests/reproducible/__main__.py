"""``python -m tests.reproducible [runs] [names]``: every workflow so many times, then beside two busy processes.

Last, each is run in two interpreters with other hash seeds. The exit status is 1 if two runs of one were not equal.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.reproducible.recording import difference, recorded, recorded_elsewhere
from tests.reproducible.workflows import RUNS

_BUSY = "while True: sum(range(1000))"


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """For the block so many other processes compute."""
    processes = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def repeated(name: str, runs: int, busy: int) -> set[str]:
    """The distinct records of a workflow; says how many there are, and where the first two part."""
    began = time.perf_counter()
    with busy_processes(busy):
        seen = {recorded(name): None for _ in range(runs)}
    each = (time.perf_counter() - began) / runs * 1000
    beside = f", beside {busy} busy processes" if busy else ""
    print(f"{name:32} {len(seen)} distinct in {runs} runs of {each:.0f} ms{beside}", flush=True)
    if len(seen) > 1:
        print(difference(*list(seen)[:2]), flush=True)
    return set(seen)


def main(runs: int, *names: str) -> int:
    seen = {name: repeated(name, runs, busy=0) for name in names or RUNS}
    for name in seen:
        seen[name] |= repeated(name, runs, busy=2)
    for hash_seed in ("1", "2"):
        for name, record in recorded_elsewhere(hash_seed).items():
            if name in seen:
                seen[name].add(record)
    unequal = [name for name, records in seen.items() if len(records) > 1]
    print(f"{len(seen) - len(unequal)} of {len(seen)} workflows were the same in every run; not: {unequal}")
    return 1 if unequal else 0


if __name__ == "__main__":
    _runs, *_names = sys.argv[1:] or ["50"]
    raise SystemExit(main(int(_runs), *_names))
