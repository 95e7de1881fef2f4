"""Write `.env` for docker-compose.yml, with fresh secrets.

Usage: python deploy/make_env.py [FILE]

FILE is `.env` in the repository's root by default. A file that is there is never overwritten: the database is
encrypted with the key in it.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

DEFAULT = Path(__file__).resolve().parents[1] / ".env"
HEADER = "# Secrets of this installation, written by deploy/make_env.py. Do not commit. Keep a copy somewhere safe.\n"


def fresh_secrets() -> dict[str, str]:
    """One value for each variable that docker-compose.yml requires.

    Every value is made of letters, digits, `-`, `_` and `=`, because some end up inside a URL or inside JSON.
    """
    return {
        # 32 random bytes in URL-safe base64: what `Fernet.generate_key` returns
        "AIRFLOW_FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        # HS512 wants at least 64 bytes; this is 86 characters
        "AIRFLOW_JWT_SECRET": secrets.token_urlsafe(64),
        "AIRFLOW_API_SECRET_KEY": secrets.token_urlsafe(32),
        "POSTGRES_PASSWORD": secrets.token_urlsafe(24),
        "ADMIN_PASSWORD": secrets.token_urlsafe(18),
        "S3_ACCESS_KEY": secrets.token_hex(10).upper(),
        "S3_SECRET_KEY": secrets.token_urlsafe(30),
    }


def write_once(path: Path, text: str) -> None:
    """Create `path`, readable by its owner only.

    Raises:
        FileExistsError: There is something at `path`.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def main(arguments: list[str]) -> int:
    """Write the file that is named, or `.env`."""
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    path = Path(arguments[0]) if arguments else DEFAULT
    text = HEADER + "".join(f"{name}={value}\n" for name, value in fresh_secrets().items())
    try:
        write_once(path, text)
    except FileExistsError:
        print(
            f"{path}: already there, left as it is; hint: move it away first if you really want new secrets,"
            " and know that stored connections and the database need the old ones",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(f"{path}: cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{path}: written. Log in to Airflow as admin, with the ADMIN_PASSWORD that is in it.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
