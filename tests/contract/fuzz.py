"""Schemathesis sends a live stack generated requests, good and bad, and holds the answers to a document.

What it sends is half made up and half real (`hooks.py`), so that each operation is also seen to succeed.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from stack import Fault, Stack, operations, success_of

HERE = Path(__file__).parent
# The same requests each time, as far as the answers to them are the same.
SEED = 2026
RUN_LIMIT_S = 300


def check(stack: Stack, stack_file: Path, dialect: str, document: dict, seed: int) -> str:
    """Says what was sent and answered."""
    with tempfile.TemporaryDirectory(prefix="onsale-fuzz-") as directory:
        tally = Path(directory, "tally.json")
        environment = os.environ | {
            "SCHEMATHESIS_HOOKS": "hooks",
            "PYTHONPATH": str(HERE),
            "ONSALE_CONTRACT_STACK": str(stack_file.resolve()),
            "ONSALE_CONTRACT_DIALECT": dialect,
            "ONSALE_CONTRACT_TALLY": str(tally),
            "ONSALE_CONTRACT_SEED": str(seed),
        }
        schemathesis = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")]
        url = f"{stack.http}/openapi/{dialect}.json"
        run = subprocess.run(
            [*schemathesis, "run", url, "--seed", str(seed)],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
        )
        if run.returncode != 0:
            raise Fault(f"schemathesis finds faults:\n{run.stdout}{run.stderr}")
        answers = json.loads(tally.read_text())
    faults = [
        f"{method} {path} never succeeded: {answers.get(f'{method} {path}')}"
        for path, method, operation in operations(document)
        if success_of(operation) not in answers.get(f"{method} {path}", {})
    ]
    if faults:
        raise Fault("\n".join(faults))
    sent = sum(sum(statuses.values()) for statuses in answers.values())
    done = sum(count for statuses in answers.values() for status, count in statuses.items() if status.startswith("2"))
    seen = len({status for statuses in answers.values() for status in statuses})
    return f"{sent} requests, {done} of them done, {seen} statuses, all as documented"
