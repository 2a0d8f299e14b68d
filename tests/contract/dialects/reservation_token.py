"""`/compat/reservation-token`: users by UUIDs, a seat booked and paid by its own id, one booking at a time."""

from sale import Fan, Sale


class Dialect(Sale):
    """The sale with the names of this design."""

    MAY_END_TOKEN = {"paySeat"}
    MALFORMED = "Request is invalid"

    def join(self, fan: Fan) -> str:
        body = {"user_id": fan.uuid}
        return self.call("POST", "/user_queue_tokens", body=body, mount="/compat/reservation-token")["token"]

    def bookable(self, fan: Fan) -> int:
        """A seat for a fan who has booked no other."""
        self.let_go(fan)
        return self.offer()["seatId"]

    def booked(self, fan: Fan) -> int:
        """A seat that the fan has booked."""
        if fan.hold is None:
            self.let_go(fan)
        return self.held(fan)["seats"][0]["seatId"]

    def values(self) -> dict:
        return {
            "user_id": lambda fan: fan.uuid,
            "concert_id": lambda fan: self.concert,
            "concert_date_id": lambda fan: self.schedule,
            "bookSeat.id": self.bookable,
            "paySeat.id": self.booked,
            "chargeBalance.amount": lambda fan: 50_000,
        }
