"""`/compat/bearer`: users by their names, one waiting room for the whole service."""

from sale import Fan, Sale


class Dialect(Sale):
    """The sale with the names of this design."""

    MAY_END_TOKEN = {"pay", "payAsInTheExample"}
    MALFORMED = "요청 값이 올바르지 않습니다"

    def join(self, fan: Fan) -> str:
        return self.call("POST", "/queues", body={"userId": fan.username}, mount="/compat/bearer")["tokenId"]

    def values(self) -> dict:
        return {
            "userId": lambda fan: fan.username,
            "concertId": lambda fan: self.concert,
            "scheduleId": lambda fan: self.schedule,
            "seatId": lambda fan: self.offer()["seatId"],
            "reserveId": lambda fan: self.held(fan)["reservationId"],
            "issueToken.userId": lambda fan: self.newcomer().username,
            "chargePoints.amount": lambda fan: 50_000,
            "pay.amount": lambda fan: self.held(fan)["totalAmount"],
            "payAsInTheExample.amount": lambda fan: self.held(fan)["totalAmount"],
        }
