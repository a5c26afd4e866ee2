"""The server as a process: how it is stopped, what it logs."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

TEMPLATE = Path(__file__).resolve().parents[2] / "template"


@pytest.mark.slow
@pytest.mark.parametrize("options", [["serve"], ["serve", "--workers", "2"], ["dev"]], ids=" ".join)
def test_being_asked_to_stop_is_no_failure(options: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "PORT": "0", "PYTHONPATH": "", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "core", *options]
    with subprocess.Popen(command, cwd=TEMPLATE, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        seen = next(line for line in server.stderr if "startup complete" in line)
        server.send_signal(signal.SIGTERM)
        seen += server.stderr.read()
        assert server.wait(20) == 0, seen


def test_a_probe_that_finds_all_well_is_not_logged(served: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    served.get("/-/health")
    served.get("/-/ready")
    served.get("/-/sign-in")
    told = [record.getMessage() for record in caplog.records if record.name == "core.request"]
    assert ["/-/sign-in" in line for line in told] == [True]
