"""The live stack under test."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path

import requests

# The names in `/openapi/{name}.json`, the canonical one first.
DIALECTS = ["v1", "bearer", "cookie", "reservation-token", "login"]


class Fault(Exception):
    """Something that the contract says and the stack does not do, or the other way round."""


@dataclass(frozen=True)
class Stack:
    """Where a stack is, as its `stack.json` says."""

    http: str
    admin_key: str

    @staticmethod
    def read(file: Path) -> "Stack":
        said = json.loads(file.read_text())
        return Stack(said["http"], said["adminKey"])

    def get(self, path: str) -> requests.Response:
        """Reads what must be there."""
        answer = requests.get(self.http + path, timeout=10)
        if answer.status_code != 200:
            raise Fault(f"GET {path} is answered {answer.status_code}")
        return answer

    def document(self, dialect: str) -> dict:
        """The OpenAPI document of a dialect."""
        return self.get(f"/openapi/{dialect}.json").json()


def operations(document: dict):
    """Each operation of an OpenAPI document, with its path and method."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def success_of(operation: dict) -> str:
    """The documented status of a success."""
    return next(status for status in operation["responses"] if status.startswith("2"))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
