"""`make ui`: Airflow on the demo's store, on loopback, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType
from typing import IO

from demo.environment import HOME, ROOT, airflow_environment
from demo.run import Place, place

_USER = "admin"
_READY_SECONDS = 240
_STOP_SECONDS = 40


def main() -> int:
    """Start `airflow standalone`, say where it is, and stop it cleanly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["local", "s3"], default="local", help="which of the demo's stores")
    parser.add_argument("--port", type=int, default=8080, help="port of the web server (%(default)s)")
    given = parser.parse_args()
    if not _free(given.port):
        print(f"Port {given.port} is taken. Choose another: {sys.executable} -m demo.ui --port 8081", file=sys.stderr)
        return 1
    if given.store == "local" and not (HOME / "store").is_dir():
        print("There is nothing to show yet: `make demo` first.", file=sys.stderr)
        return 1
    with place(given.store) as where:
        return _run(where, given.port)


def _run(where: Place, port: int) -> int:
    home = HOME / "airflow" / f"{where.name}-ui"
    environment = airflow_environment(home, where.store) | where.extra | ui_settings(home, port)
    log = HOME / "logs" / f"{where.name}-ui.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        process = start(environment, file)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        try:
            print("Starting Airflow (half a minute or so) ...", flush=True)
            if not wait_until_healthy(process, port):
                print(f"Airflow did not start; see {log}", file=sys.stderr)
                return 1
            _welcome(home, port)
            process.wait()
            print(f"Airflow ended by itself; see {log}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nStopping Airflow ...", flush=True)
            return 0
        finally:
            stop(process)


def start(environment: dict[str, str], log: IO[str]) -> subprocess.Popen[bytes]:
    """Start `airflow standalone`.

    It gets a session of its own: Ctrl-C reaches it through us, once, and not in the middle of its start.
    """
    return subprocess.Popen(
        [str(Path(sys.executable).parent / "airflow"), "standalone"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=_default_interrupt,  # noqa: PLW1509  # we have no threads yet
    )


def ui_settings(home: Path, port: int) -> dict[str, str]:
    """What makes `airflow standalone` listen on loopback only, with one user, and look at its DAGs often."""
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{_USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords(home)),
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
    }


def _passwords(home: Path) -> Path:
    file = home / "passwords.json"
    if not file.exists():
        file.write_text(json.dumps({_USER: secrets.token_urlsafe(9)}))
        file.chmod(0o600)
    return file


def _welcome(home: Path, port: int) -> None:
    password = json.loads(_passwords(home).read_text())[_USER]
    print(
        f"\n  Airflow   http://127.0.0.1:{port}\n  user      {_USER}\n  password  {password}\n\n"
        "  Reports   'Models' in the navigation\n"
        "  Run one   Dags, monitor_flight_delay, Trigger, window 2013-04-24\n"
        "  Stop      Ctrl-C\n",
        flush=True,
    )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _default_interrupt() -> None:
    # a shell that starts things in the background has them ignore Ctrl-C, and Airflow would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def wait_until_healthy(process: subprocess.Popen[bytes], port: int) -> bool:
    """Until the scheduler, the DAG processor and the triggerer say that they are well."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=5) as answer:
                parts = json.load(answer).values()
            if all(part["status"] == "healthy" for part in parts):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError):
            pass  # it is not up yet
        time.sleep(1)
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt, which stops all parts; a termination would leave them running without their parent."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
