"""Checks the contract of a live stack with tools that know nothing of Onsale: see `deploy/contract-test --help`."""

import argparse
import sys
import time
from pathlib import Path

import documents
import fuzz
import mock
import pages
from stack import DIALECTS, Fault, Stack


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/contract-test", description=__doc__)
    parser.add_argument("--stack", type=Path, required=True, help="the stack.json of a stack that runs")
    parser.add_argument("--tools", type=Path, required=True, help="where the npm tools are")
    parser.add_argument("--dialect", choices=DIALECTS, action="append", help="only this document; may be given again")
    parser.add_argument("--only", choices=["documents", "mock", "fuzz"], action="append", help="only this kind of check")
    parser.add_argument("--seed", type=int, default=fuzz.SEED, help="what the generated requests begin with")
    options = parser.parse_args()
    stack = Stack.read(options.stack)
    kinds = options.only or ["documents", "mock", "fuzz"]
    failed = []

    def step(name: str, check) -> None:
        began = time.monotonic()
        try:
            outcome, mark = check(), "ok  "
        except Fault as fault:
            outcome, mark = str(fault), "FAIL"
            failed.append(name)
        print(f"{mark} {name} ({time.monotonic() - began:.1f} s): {outcome}", flush=True)

    if "documents" in kinds:
        step("pages", lambda: pages.check(stack))
    for dialect in options.dialect or DIALECTS:
        document = stack.document(dialect)
        if "documents" in kinds:
            step(f"{dialect} document", lambda: documents.check(document))
        if "mock" in kinds:
            step(f"{dialect} mock", lambda: mock.check(document, options.tools))
        if "fuzz" in kinds:
            step(f"{dialect} requests", lambda: fuzz.check(stack, options.stack, dialect, document, options.seed))
    if failed:
        print(f"\n{len(failed)} checks failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
