"""Prism serves a document as a mock: each documented request is a valid one, and is answered as documented."""

import json
import subprocess
import tempfile
import time
from pathlib import Path

import requests

from stack import Fault, free_port, operations, success_of

START_LIMIT_S = 60
# Credentials of the right form; a mock looks at nothing else.
CREDENTIAL = "00000100-0000-8000-8000-000000000001"


def check(document: dict, tools: Path) -> str:
    """Says what was checked."""
    with tempfile.TemporaryDirectory(prefix="onsale-mock-") as directory:
        file = Path(directory, "document.json")
        file.write_text(json.dumps(document))
        log = Path(directory, "log")
        port = free_port()
        prism = [str(tools / "node_modules/.bin/prism"), "mock", "--port", str(port), str(file)]
        with log.open("wb") as output, subprocess.Popen(prism, stdout=output, stderr=output) as mock:
            try:
                url = f"http://127.0.0.1:{port}"
                wait(mock, log)
                return call_each(document, url)
            finally:
                mock.terminate()


def wait(mock: subprocess.Popen, log: Path) -> None:
    """Waits until the mock says that it listens."""
    began = time.monotonic()
    while "Prism is listening" not in log.read_text(errors="replace"):
        if mock.poll() is not None or time.monotonic() - began > START_LIMIT_S:
            raise Fault(f"Prism does not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def call_each(document: dict, url: str) -> str:
    """Sends each operation its documented request."""
    faults, calls, refused = [], 0, 0
    for path, method, operation in operations(document):
        status = success_of(operation)
        request = documented_request(document, path, operation)
        answer = requests.request(method, url + request["path"], **request["send"], timeout=10)
        calls += 1
        documented = next(iter(operation["responses"][status].get("content", {}).values()), {}).get("example")
        body = answer.json() if answer.content else None
        if answer.status_code != int(status) or "sl-violations" in answer.headers or body != documented:
            said = answer.headers.get("sl-violations", answer.text)
            faults.append(f"{method} {path}: the mock answers {answer.status_code}, not {status}: {said}")
        if "requestBody" in operation:
            # A mock that took anything would show nothing.
            broken = {**request["send"], "json": "not an object"}
            refused += 1
            answer = requests.request(method, url + request["path"], **broken, timeout=10)
            if answer.status_code == int(status) and "sl-violations" not in answer.headers:
                faults.append(f"{method} {path}: the mock takes a body that is no object")
    if faults:
        raise Fault("\n".join(faults))
    return f"{calls} documented requests are answered as documented, {refused} broken bodies are refused"


def documented_request(document: dict, path: str, operation: dict) -> dict:
    """The request that an operation's examples show."""
    query, headers, cookies = {}, {}, {}
    places = {"query": query, "header": headers, "cookie": cookies}
    for parameter in operation.get("parameters", []):
        example = parameter["example"]
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(example))
        else:
            places[parameter["in"]][parameter["name"]] = str(example)
    for name in next(iter(operation.get("security", [])), {}):
        scheme = document["components"]["securitySchemes"][name]
        if scheme["type"] == "http":
            headers["Authorization"] = f"Bearer {CREDENTIAL}"
        else:
            places[scheme["in"]][scheme["name"]] = CREDENTIAL
    send = {"params": query, "headers": headers, "cookies": cookies}
    for media in operation.get("requestBody", {}).get("content", {}).values():
        send["json"] = media["example"]
    return {"path": path, "send": send}
