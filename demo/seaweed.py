"""A SeaweedFS on loopback, so that the demo can run over S3."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from demo.environment import BUCKET, HOME, s3_environment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_READY_SECONDS = 30
_STOP_SECONDS = 15


@contextmanager
def seaweed(folder: Path = HOME / "seaweed") -> Iterator[dict[str, str]]:
    """Start SeaweedFS on `folder`; the environment that speaks to it.

    Raises:
        RuntimeError: It did not answer in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key, secret = _credentials(folder)
    ports = _free_ports(5)
    s3 = ports[0]
    binary = Path(sys.executable).parent / "weed"
    command = [
        *(str(binary), "-logtostderr=true", "mini", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *(f"-bucket={BUCKET}", "-webdav=false", "-admin.ui=false", "-master.telemetry=false"),
        *(
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
            "-s3.allowDeleteBucketNotEmpty=false",
        ),
        *(f"-s3.port={s3}", f"-master.port={ports[1]}", f"-volume.port={ports[2]}", f"-filer.port={ports[3]}"),
        f"-admin.port={ports[4]}",
    ]
    environment = s3_environment(f"http://127.0.0.1:{s3}", key, secret)
    (folder / "data").mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
        try:
            _wait(process, environment)
            yield environment
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def client_of(environment: dict[str, str]) -> S3Client:
    """A client for a SeaweedFS that `seaweed` started."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
        config=Config(retries={"total_max_attempts": 2}, s3={"addressing_style": "path"}, max_pool_connections=32),
    )


def _credentials(folder: Path) -> tuple[str, str]:
    file = folder / "credentials"
    if not file.exists():
        file.write_text(f"demo{secrets.token_hex(8)} {secrets.token_hex(16)}")
        file.chmod(0o600)
    key, secret = file.read_text().split()
    return key, secret


def _free_ports(count: int) -> list[int]:
    """Ports that are free, and free 10,000 higher: SeaweedFS puts its gRPC there."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            found.append(port)
    return found


def _wait(process: subprocess.Popen[bytes], environment: dict[str, str]) -> None:
    """Wait until an object can be written: the health page is up before the bucket is."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = client_of(environment)
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.put_object(Bucket=BUCKET, Key=".ready", Body=b"")
            return
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
    raise RuntimeError(f"SeaweedFS did not start; see {HOME / 'seaweed' / 'log'}")
