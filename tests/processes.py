"""Processes that start at once: forked from one that has imported already what takes seconds. Each is a process of its
own otherwise, with its own environment, folder, signals and exit status."""

import atexit
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "chip.running.cli",  # first: it keeps jsonschema from compiling a grammar
        "chip.running.report",
        "chip.running.summaries",
        "chip.kin",
        "papermill",
        "nbdev.test",
        "sklearn.metrics",
        "timm",
    ]
)


def _work(call: Callable, given: tuple, environment: Mapping, folder: str, files: list) -> None:
    "What a forked process does: takes its surroundings, calls, and ends as a command does."
    os.setsid()
    multiprocessing.set_start_method(None, force=True)  # the usual one again
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    tempfile.tempdir = None
    sys.path.insert(0, folder)
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), number)
    atexit._clear()
    try:
        sys.exit(call(*given))
    finally:
        atexit._run_exitfuncs()


class Forked:
    "A process that has been started, with what `subprocess.Popen` has of it."

    def __init__(
        self, call: Callable, *given, environment: Mapping = os.environ, cwd: Path | None = None
    ):
        self.folder = tempfile.TemporaryDirectory()
        self.files = [Path(self.folder.name, name) for name in ("out", "err")]
        given = (call, given, dict(environment), str(cwd or Path.cwd()), self.files)
        self.process = FORKS.Process(target=_work, args=given)
        self.process.start()
        self.pid = self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        self.process.join(timeout)
        assert self.returncode is not None, f"still there after {timeout} s"
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        with self.folder:
            return tuple(file.read_text(encoding="utf-8") for file in self.files)


def forked(call: Callable, *given, **where) -> CompletedProcess:
    "Calls a function of a module in a process of its own, to its end."
    process = Forked(call, *given, **where)
    out, err = process.communicate()
    return CompletedProcess(given, process.returncode, out, err)


def run_chip(words: tuple[str, ...], notebooks: str = "") -> int:
    "The command, perhaps on two notebooks of a test's own."
    from chip.running.cli import main
    from chip.running.runs import Phase

    sys.argv = ["chip", *words]
    if not notebooks:
        return main(words)
    return main(
        words,
        Path(notebooks),
        (Phase("10_first", "the first", ("tables/seen.csv",)), Phase("20_second", "the second")),
    )


def run_tests_of(notebook: str) -> None:
    "The tests inside a notebook, a path relative to the repository's root."
    from nbdev.test import nbdev_test

    nbdev_test(path=notebook, n_workers=0)


def run_papermill(*words: str) -> None:
    "The command `papermill`."
    from papermill.__main__ import papermill

    papermill([*words, "--no-progress-bar"])
