"Two files of tests run at a time; each keeps to one core, and what it starts does too."

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest

# where the tests run in the background, Ctrl-C would be ignored, also by what they interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)
if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture
def saved_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable:
    "Makes a run of given tables, with or without captions, in a project folder of its own."
    from chip.core.settings import Run

    monkeypatch.setenv("CHIP_HOME", str(tmp_path))

    def make(tables: Mapping[str, pd.DataFrame], captions: Mapping[str, str] | None = None) -> Run:
        run = Run("example")
        for name, table in tables.items():
            run.save_table(table, name, (captions or {}).get(name, ""))
        return run

    return make


# files that take long, longest first: they start first, so that no process waits for one of them
SLOW = (
    "test_notebooks",
    "test_runs",
    "test_real_data",
    "test_sweeps",
    "test_hierarchy",
    "test_sweeps_cases",
    "test_audit",
    "test_page",
    "test_misuse",
)


def pytest_collection_modifyitems(items: list[pytest.Item]):
    "The tests of a file stay in their order."
    places = {name: i for i, name in enumerate(SLOW)}
    items.sort(key=lambda item: places.get(item.path.stem, len(SLOW)))
