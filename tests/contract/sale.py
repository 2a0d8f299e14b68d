"""Fans in a live sale: signed up, admitted, with money and seats, for requests that are to succeed."""

import itertools
import uuid
from dataclasses import dataclass, field

import requests

from stack import Stack

# What the organiser changes must not be what the fans buy: a sale that is paused sells nothing. These are the demo's.
ORGANISERS_CONCERT, ORGANISERS_SCHEDULE = 1, 1
SEATS = 4000
FANS = 5
PASSWORD = "correct horse battery staple"
CHARGE = 1_000_000


def unused_name() -> str:
    """A name that no user has."""
    return f"fan-{uuid.uuid4().hex[:12]}"


@dataclass
class Fan:
    """One fan: who, and what is theirs right now."""

    user_id: int
    uuid: str
    username: str
    email: str
    token: str | None = None
    login: str | None = None
    # The hold under way and the last payment, as v1 shows them.
    hold: dict | None = None
    payment: dict | None = None
    secrets: set = field(default_factory=set)


class Sale:
    """The sale through `/api/v1`. Every dialect is another way to speak of the same one."""

    # The operations that can end the token, or that end the hold, of who asks.
    MAY_END_TOKEN: set[str] = set()
    ENDS_HOLD: set[str] = set()
    # What is in an answer that calls a request malformed.
    MALFORMED = "INVALID_REQUEST"

    def __init__(self, stack: Stack):
        self.stack = stack
        self.session = requests.Session()
        # A few fans send all requests: a limit of seats per fan would only show that there is one.
        window = {"bookingOpenAt": "2020-01-01T00:00:00Z", "bookingCloseAt": "2090-01-01T00:00:00Z"}
        plan = {"performanceDate": "2090-02-01", "performanceTime": "19:30:00", "seatsPerUser": 1000}
        seats = {"seats": {"count": SEATS, "price": 60_000}}
        self.title = unused_name()
        self.concert = self.organise("/concerts", {"title": self.title, "venueName": "Hall"})["concertId"]
        self.schedule = self.organise(f"/concerts/{self.concert}/schedules", window | plan | seats)["scheduleId"]
        self.everybody = [self.newcomer() for _ in range(FANS)]
        self.turns = itertools.cycle(self.everybody)
        path = f"/concerts/{self.concert}/schedules/{self.schedule}/seats"
        self.seats = iter(self.call("GET", path, self.admitted())["seats"])
        self.offered = None

    def call(self, method: str, path: str, fan: Fan | None = None, body: dict | None = None, mount: str = "/api/v1"):
        """Asks what has to be done, and gives the answer's data; the token that the fan has already does as well."""
        headers = {"Queue-Token": fan.token} if fan else {}
        url = self.stack.http + mount + path
        answer = self.session.request(method, url, json=body, headers=headers, timeout=40)
        said = answer.json() if answer.content else {}
        if answer.status_code == 409 and said.get("error", {}).get("code") == "TOKEN_EXISTS":
            return said["error"]["details"]
        if not answer.ok:
            raise RuntimeError(f"{method} {path} is answered {answer.status_code}: {answer.text}")
        return said.get("data", said)

    def organise(self, path: str, body: dict) -> dict:
        """Does what only the organiser may."""
        headers = {"Authorization": f"Bearer {self.stack.admin_key}"}
        answer = self.session.post(f"{self.stack.http}/api/v1/admin{path}", json=body, headers=headers, timeout=40)
        answer.raise_for_status()
        return answer.json()["data"]

    def newcomer(self) -> Fan:
        """Somebody who has just signed up."""
        name = unused_name()
        user = self.call("POST", "/users", body={"username": name, "email": f"{name}@example.com", "password": PASSWORD})
        return Fan(user["userId"], user["uuid"], user["username"], user["email"])

    def admitted(self) -> Fan:
        """The next fan, with a live token."""
        fan = next(self.turns)
        if fan.token is None:
            self.admit(fan)
        return fan

    def admit(self, fan: Fan) -> None:
        """Gives the fan a live token, and money. What was held with an earlier token counts for nothing."""
        fan.token, fan.hold = self.join(fan), None
        fan.secrets.add(fan.token)
        self.call("POST", f"/users/{fan.user_id}/balance/charge", fan, {"amount": CHARGE})

    def join(self, fan: Fan) -> str:
        """Gets a token for the sale."""
        return self.call("POST", "/queue/tokens", body={"userId": fan.user_id, "scheduleId": self.schedule})["token"]

    def log_in(self, fan: Fan) -> str:
        """Gets a login."""
        if fan.login is None:
            said = self.call("POST", "/auth/login", body={"email": fan.email, "password": PASSWORD})
            fan.login = said["accessToken"]
            fan.secrets.add(fan.login)
        return fan.login

    def seat(self) -> dict:
        """A seat that nobody has."""
        return next(self.seats)

    def offer(self) -> dict:
        """A seat that nobody has, the same one throughout a request."""
        if self.offered is None:
            self.offered = self.seat()
        return self.offered

    def held(self, fan: Fan) -> dict:
        """The fan's hold under way."""
        if fan.hold is None:
            fan.hold = self.hold(fan)
        return fan.hold

    def hold(self, fan: Fan) -> dict:
        """Holds a seat."""
        body = {"userId": fan.user_id, "scheduleId": self.schedule, "seatIds": [self.seat()["seatId"]]}
        return self.call("POST", "/reservations", fan, body)

    def let_go(self, fan: Fan) -> None:
        """Gives up every hold under way."""
        for held in self.call("GET", f"/users/{fan.user_id}/reservations", fan)["reservations"]:
            if held["status"] == "RESERVED":
                self.call("DELETE", f"/reservations/{held['reservationId']}", fan)
        fan.hold = None

    def paid(self, fan: Fan) -> dict:
        """A payment of the fan."""
        if fan.payment is None:
            body = {"userId": fan.user_id, "reservationId": self.held(fan)["reservationId"], "paymentMethod": "BALANCE"}
            fan.payment = self.call("POST", "/payments", fan, body)
            self.look_again(fan)
            if fan.token is None:
                self.admit(fan)
        return fan.payment

    def look_again(self, fan: Fan) -> None:
        """Forgets a token that has ended. Paying ends it, unless the fan holds other seats as well."""
        if self.call("GET", f"/queue/tokens/{fan.token}")["status"] != "ACTIVE":
            fan.token = None
        fan.hold = None

    def happened(self, operation: str, status: int, secrets: set) -> None:
        """Notes what an answer ended for the fan whose secrets the request had."""
        for fan in self.everybody:
            if fan.token in secrets:
                if status == 401 or operation in self.MAY_END_TOKEN:
                    self.look_again(fan)
                if operation in self.ENDS_HOLD:
                    fan.hold = None
