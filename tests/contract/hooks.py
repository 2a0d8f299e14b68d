"""Gives Schemathesis' requests the credentials and, often, the ids of a live sale. `fuzz.py` says where it is."""

import atexit
import importlib
import json
import os
import random
from collections import Counter, defaultdict
from pathlib import Path

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import RejectedPositiveData

from sale import ORGANISERS_SCHEDULE
from stack import Stack

STACK = Stack.read(Path(os.environ["ONSALE_CONTRACT_STACK"]))
DIALECT = os.environ["ONSALE_CONTRACT_DIALECT"]
DOCUMENT = STACK.document(DIALECT)
SALE = importlib.import_module(f"dialects.{DIALECT.replace('-', '_')}").Dialect(STACK)
VALUES = SALE.values()
CHANCE = random.Random(int(os.environ["ONSALE_CONTRACT_SEED"]))

# How many requests have live values throughout. Coverage tries the borders of each value, and is to reach them.
LIVE = {"examples": 0.7, "coverage": 0.5, "fuzzing": 0.8}
# How many have the credentials that were made up for them, if any.
STRANGERS = 0.1

# What a valid request may be called malformed for, by the words that say it: what no schema can say portably.
BEYOND_SCHEMAS = (
    # How two fields go together.
    "must not be before fromDate",
    "must be after bookingOpenAt",
    "200000 in all",
    # The letters of every script.
    "must be 1 to 50 letters",
)

tally = defaultdict(Counter)
atexit.register(lambda: Path(os.environ["ONSALE_CONTRACT_TALLY"]).write_text(json.dumps(tally)))


def operation_of(case) -> dict | None:
    """What the document says of a request; none for a method that it does not have."""
    return DOCUMENT["paths"][case.path].get(case.method.lower())


@schemathesis.auth(refresh_interval=None)
class Credentials:
    """A fan's token or login, or the organiser's key, wherever the document wants it."""

    def get(self, case, _context):
        operation = operation_of(case)
        ways = [way for way in operation["security"] if way] if operation else []
        if not ways or CHANCE.random() < STRANGERS:
            return None
        fan = SALE.admitted()
        secrets = {
            "queueToken": lambda: fan.token,
            "login": lambda: SALE.log_in(fan),
            "adminKey": lambda: STACK.admin_key,
        }
        return [(DOCUMENT["components"]["securitySchemes"][name], secrets[name]()) for name in CHANCE.choice(ways)]

    def set(self, case, credentials, _context):
        for scheme, secret in credentials:
            if scheme["type"] == "http":
                case.headers["Authorization"] = f"Bearer {secret}"
            elif scheme["in"] == "cookie":
                case.cookies[scheme["name"]] = secret
            else:
                case.headers[scheme["name"]] = secret


@schemathesis.hook
def before_call(_context, case, **_kwargs):
    """Puts live values in, except where a value is there because it is wrong."""
    operation = operation_of(case)
    if operation is None or case.meta is None:
        return
    SALE.offered = None
    fan = owner_of(case) or SALE.admitted()
    if fan.token is None:
        SALE.admit(fan)
    name = operation["operationId"]
    if CHANCE.random() < LIVE[case.meta.phase.name.value]:
        places = {"PATH": case.path_parameters, "QUERY": case.query, "BODY": case.body}
        for place, container in places.items():
            if isinstance(container, dict) and not case.meta.is_negative_at(ParameterLocation[place]):
                for key in container:
                    supply = VALUES.get(f"{name}.{key}") or VALUES.get(key)
                    if supply:
                        container[key] = supply(fan)
    if name == "UpdateSchedule" and str(case.path_parameters.get("scheduleId")) in ("0", str(SALE.schedule)):
        case.path_parameters["scheduleId"] = ORGANISERS_SCHEDULE
    renew(case, fan)


def owner_of(case):
    """Whose credentials a request has."""
    secrets = {part for value in [*case.headers.values(), *case.cookies.values()] for part in str(value).split()}
    return next((fan for fan in SALE.everybody if not secrets.isdisjoint(fan.secrets)), None)


def renew(case, fan) -> None:
    """Replaces a token that has ended since it was put into a request."""
    for container in (case.headers, case.cookies):
        for key, value in container.items():
            for ended in fan.secrets - {fan.token, fan.login}:
                if ended in str(value):
                    container[key] = value.replace(ended, fan.token)


@schemathesis.hook
def after_call(_context, case, response):
    """Counts answers, and notes what an answer ended."""
    operation = operation_of(case)
    if operation is None:
        return
    tally[f"{case.method.upper()} {case.path}"][str(response.status_code)] += 1
    values = [*case.headers.values(), *case.cookies.values(), *case.path_parameters.values()]
    secrets = {part for value in values for part in str(value).split()}
    if response.status_code < 300 or response.status_code == 401:
        SALE.happened(operation["operationId"], response.status_code, secrets)


@schemathesis.hook
def filter_failure(_context, failure, case, response):
    """Passes over refusals of valid requests that call them something other than malformed, or that have a reason."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    said = response.content.decode(errors="replace")
    if SALE.MALFORMED not in said or any(rule in said for rule in BEYOND_SCHEMAS):
        return False
    return not has_whole_float(case.body)


def has_whole_float(value) -> bool:
    """Whether 1.0 is anywhere: to a schema that is an integer, but here a whole number is written as one."""
    if isinstance(value, dict | list):
        return any(has_whole_float(item) for item in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and value.is_integer()
