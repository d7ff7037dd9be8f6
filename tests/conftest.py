"Two tests run at a time, those that build on each other on the same worker; each keeps to one core, and what it starts does too."
import os

import pytest

if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PHASES = ("10_", "20_", "30_", "40_", "50_")


def group_of(item: pytest.Item) -> str | None:
    "Tests of one group share what a fixture made, or read what the one before has left; None: stands alone."
    file = item.path.stem
    if file == "test_notebooks": return "phases" if item.callspec.params["notebook"].startswith(PHASES) else None
    if file == "test_runs" and "smoke" in item.fixturenames: return "smoke"
    return file


def pytest_itemcollected(item: pytest.Item) -> None:
    "Marks each test before xdist reads the marks."
    if group := group_of(item): item.add_marker(pytest.mark.xdist_group(group))
