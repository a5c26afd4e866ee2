"""The portfolio's first page beside its floor: CPU and wall time per request, as ratios (`make bench`).

Both servers are uvicorn on one core (the first), the load comes from the other; they are asked in turns, so that a
machine whose speed drifts slows both. Answers are checked before anything is timed.
"""

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLE = REPOSITORY / "examples" / "domain-monitor"
SERVER_CORE, LOAD_CORE = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")
AIM_FLOOR, AIM_BUSY = 4.0, 2.0


@dataclass
class Server:
    """A server that answers /domains for a cookie."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    cookie: str
    cold_s: float
    idle_mb: float = 0

    def request(self, path: str = "/domains") -> bytes:
        """The bytes of one request on a kept connection."""
        return (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: {self.cookie}\r\n"
            "Accept: text/html\r\nConnection: keep-alive\r\n\r\n"
        ).encode()

    def cpu_s(self) -> float:
        """The processor time it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self) -> float:
        """Its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


def main() -> None:
    """Measure, and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--domains", type=int, default=10_000)
    arguments.add_argument("--requests", type=int, default=200, help="per turn")
    arguments.add_argument("--turns", type=int, default=5)
    options = arguments.parse_args()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    with tempfile.TemporaryDirectory(dir=REPOSITORY / ".cache", prefix="bench-") as scratch:
        data = Path(scratch)
        secret = prepare(data, options.domains)
        ours = start_ours(data, secret)
        floor = start_floor(data, secret, ours.cookie)
        try:
            check(ours, floor, options.domains)
            quiet = compare(ours, floor, turns=options.turns, requests=options.requests)
            beside_a_writer(ours, data, quiet, options.requests)
        finally:
            ours.stop()
            floor.stop()


def prepare(data: Path, domains: int) -> str:
    """A database with the sample portfolio and a signed-in admin; returns the session's secret."""
    environment = {**os.environ, "DATA_DIR": str(data)}
    for command in (
        ["core", "migrate"],
        ["app.sample", "--domains", str(domains)],
        ["core", "users", "add", "bench", "--role=admin"],
    ):
        subprocess.run(
            [sys.executable, "-m", *command], cwd=EXAMPLE, env=environment, check=True, stdout=subprocess.DEVNULL
        )
    program = (
        "import sys; from pathlib import Path; from core import auth; from core.crypto import Keyring;"
        "from core.db import Actor, Database; data = Path(sys.argv[1]);"
        "database = Database(f'sqlite:///{data / \"app.db\"}', keyring=Keyring.load(data))\n"
        "with database.write(Actor('bench')) as db:\n"
        "    print(auth.sign_in(db, auth.find_user(db, 'bench'), days=1, address='', agent=''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(data)], cwd=EXAMPLE, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def start_ours(data: Path, secret: str) -> Server:
    """The domain monitor as `python -m core serve`."""
    environment = {**os.environ, "DATA_DIR": str(data), "TOOL_NAME": "bench", "LOG_LEVEL": "warning"}
    return start("PyOps", ["core", "serve"], EXAMPLE, environment, f"bench-session={secret}")


def start_floor(data: Path, secret: str, cookie: str) -> Server:
    """The floor under the same server."""
    environment = {**os.environ, "FLOOR_DATABASE": str(data / "app.db"), "FLOOR_COOKIE": cookie.partition("=")[0]}
    command = ["uvicorn", "benchmarks.floor:app", "--log-level", "warning", "--no-access-log"]
    return start("floor", command, REPOSITORY, environment, cookie)


def start(name: str, command: list[str], folder: Path, environment: dict[str, str], cookie: str) -> Server:
    """Start a server on the server's core, and wait for its first answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    full = ["taskset", "-c", SERVER_CORE, sys.executable, "-m", *command, "--port", str(port)]
    process = subprocess.Popen(full, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server(name, process, port, cookie, 0)
    while True:
        try:
            if ask(server, 1, path="/-/health")[0][1].startswith(b"HTTP/1.1 200"):
                break
        except OSError:
            time.sleep(0.01)
    server.cold_s = time.perf_counter() - began
    server.idle_mb = server.memory_mb()
    return server


def ask(server: Server, count: int, *, path: str = "/domains") -> list[tuple[float, bytes]]:
    """Ask one after the other on one connection; seconds and answer of each."""
    answers = []
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            connection.sendall(server.request(path))
            answer = receive(connection)
            answers.append((time.perf_counter() - began, answer))
    return answers


def receive(connection: socket.socket) -> bytes:
    """One answer with a content length."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = connection.recv(65_536)
        if not part:
            raise OSError("the server closed the connection")
        answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
    while len(body) < length:
        body += connection.recv(262_144)
    return head + b"\r\n\r\n" + body


def check(ours: Server, floor: Server, domains: int) -> None:
    """Both must answer the same fifty names and the total, before anything is timed."""
    pages = [ask(server, 1)[0][1].decode() for server in (ours, floor)]
    names = [re.findall(r'<th[^>]*><a[^>]*href="/domains/([^"?]+)"', page) for page in pages]
    heads = len(re.findall(r"<th scope=\"col\"", pages[0]))
    for page in pages:
        assert page.startswith("HTTP/1.1 200") and f"{domains:,}" in page, page[:500]
    assert names[0] == names[1] and len(names[0]) == 50, (len(names[0]), len(names[1]), names[0][:3], names[1][:3])
    assert heads == 10, f"{heads} columns"
    print(f"checked: both answer the same 50 of {domains:,} names; ours in {heads} columns and {len(pages[0]):,} bytes")


def compare(ours: Server, floor: Server, *, turns: int, requests: int) -> float:
    """Ask both in turns; prints CPU and wall per request and their ratios; returns our median wall time."""
    cpu: dict[str, list[float]] = {"PyOps": [], "floor": []}
    wall: dict[str, list[float]] = {"PyOps": [], "floor": []}
    for server in (ours, floor):
        ask(server, requests // 4)
    for _ in range(turns):
        for server in (ours, floor):
            before = server.cpu_s()
            times = [seconds for seconds, _ in ask(server, requests)]
            cpu[server.name].append((server.cpu_s() - before) / requests * 1000)
            wall[server.name].append(statistics.median(times) * 1000)
    for name, figures in (("CPU", cpu), ("wall", wall)):
        a, b = statistics.median(figures["PyOps"]), statistics.median(figures["floor"])
        ratios = sorted(x / y for x, y in zip(figures["PyOps"], figures["floor"], strict=True))
        print(
            f"{name:5} per request: {a:6.2f} ms, floor {b:5.2f} ms: {statistics.median(ratios):.2f} x"
            f" ({ratios[0]:.2f} to {ratios[-1]:.2f}){f'; aim {AIM_FLOOR:g}' if name == 'CPU' else ''}"
        )
    print(f"cold start: {ours.cold_s:.2f} s to the first 200, floor {floor.cold_s:.2f} s")
    print(f"memory idle: {ours.idle_mb:.0f} MB, floor {floor.idle_mb:.0f} MB")
    print(f"memory after this: {ours.memory_mb():.0f} MB, floor {floor.memory_mb():.0f} MB")
    return statistics.median(wall["PyOps"])


def beside_a_writer(ours: Server, data: Path, quiet_ms: float, requests: int) -> None:
    """Ask the same page while another process upserts the whole table without pause."""
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLE)}
    command = ["taskset", "-c", LOAD_CORE, sys.executable, str(REPOSITORY / "benchmarks" / "writer.py"), str(data)]
    writer = subprocess.Popen(command, cwd=EXAMPLE, env=environment, stdout=subprocess.PIPE, text=True)
    assert writer.stdout and writer.stdout.readline()
    try:
        answers = ask(ours, requests)
    finally:
        writer.terminate()
        turns = len(writer.stdout.read().split())
    wrong = [answer[:60] for _, answer in answers if not answer.startswith(b"HTTP/1.1 200")]
    times = sorted(seconds * 1000 for seconds, _ in answers)
    p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
    print(
        f"beside a job that upserts all rows without pause ({turns} times):"
        f" p50 {p50:.2f} ms = {p50 / quiet_ms:.2f} x quiet"
        f" (aim {AIM_BUSY:g}), p99 {p99:.1f} ms, {len(wrong)} errors"
    )


if __name__ == "__main__":
    if shutil.which("taskset") is None or (os.cpu_count() or 1) < 2:
        sys.exit("the benchmark needs taskset (util-linux) and two cores")
    (REPOSITORY / ".cache").mkdir(exist_ok=True)
    main()
