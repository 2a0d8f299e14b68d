"""`/compat/cookie`: the token in a cookie, seats by their numbers."""

from sale import Sale


class Dialect(Sale):
    """The sale with the names of this design."""

    def values(self) -> dict:
        return {
            "userId": lambda fan: fan.user_id,
            "scheduleId": lambda fan: self.schedule,
            "concertScheduleId": lambda fan: self.schedule,
            "seatId": lambda fan: self.offer()["seatNumber"],
            "price": lambda fan: self.offer()["price"],
            "usePoints.amount": lambda fan: 10,
        }
