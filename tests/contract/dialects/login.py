"""`/compat/login`: callers log in, and everything goes by UUIDs."""

from sale import PASSWORD, Fan, Sale
from stack import Stack

MOUNT = "/compat/login"


class Dialect(Sale):
    """The sale with the names of this design."""

    MAY_END_TOKEN = {"pay"}

    def __init__(self, stack: Stack):
        super().__init__(stack)
        fan = self.admitted()
        concerts = self.ask("GET", "/concerts", fan)
        self.name = next(concert["id"] for concert in concerts if concert["name"] == self.title)
        seats = self.ask("GET", f"/concerts/{self.name}/seats", fan)
        self.seat_names = {seat["seat_number"]: seat["id"] for seat in seats}

    def ask(self, method: str, path: str, fan: Fan, body: dict | None = None):
        """Asks in this dialect."""
        headers = {"Authorization": f"Bearer {self.log_in(fan)}", "Queue-Token": fan.token}
        answer = self.session.request(method, self.stack.http + MOUNT + path, json=body, headers=headers, timeout=40)
        answer.raise_for_status()
        return answer.json()

    def hold(self, fan: Fan) -> dict:
        body = {"concert_id": self.name, "seat_id": self.seat_names[self.seat()["seatNumber"]]}
        return self.ask("POST", "/reservation", fan, body)

    def offer_name(self) -> str:
        """The name of a seat that nobody has."""
        return self.seat_names[self.offer()["seatNumber"]]

    def values(self) -> dict:
        return {
            "user_id": lambda fan: fan.uuid,
            "id": lambda fan: self.name,
            "concert_id": lambda fan: self.name,
            "seat_id": lambda fan: self.offer_name(),
            "reservation_id": lambda fan: self.held(fan)["id"],
            "logIn.email": lambda fan: fan.email,
            "logIn.password": lambda fan: PASSWORD,
            "chargeBalance.amount": lambda fan: 50_000,
            "pay.amount": lambda fan: self.held(fan)["amount"],
        }
