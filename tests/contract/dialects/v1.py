"""`/api/v1`."""

from sale import ORGANISERS_CONCERT, ORGANISERS_SCHEDULE, PASSWORD, Sale, unused_name


class Dialect(Sale):
    """The sale with the canonical names."""

    def values(self) -> dict:
        """What a parameter or a field has in a request that is to succeed; by operation where it depends on it."""
        return {
            "userId": lambda fan: fan.user_id,
            "concertId": lambda fan: self.concert,
            "scheduleId": lambda fan: self.schedule,
            "reservationId": lambda fan: self.held(fan)["reservationId"],
            "paymentId": lambda fan: self.paid(fan)["paymentId"],
            "paymentMethod": lambda fan: "BALANCE",
            "token": lambda fan: fan.token,
            "LogIn.email": lambda fan: fan.email,
            "LogIn.password": lambda fan: PASSWORD,
            "CreateUser.username": lambda fan: unused_name(),
            "CreateUser.email": lambda fan: f"{unused_name()}@example.com",
            "IssueToken.userId": lambda fan: self.newcomer().user_id,
            "HoldSeats.seatIds": lambda fan: [self.offer()["seatId"]],
            "HoldSeats.amount": lambda fan: self.offer()["price"],
            "Pay.amount": lambda fan: self.held(fan)["totalAmount"],
            "ChargeBalance.amount": lambda fan: 50_000,
            "UseBalance.amount": lambda fan: 10,
            "CreateSchedule.concertId": lambda fan: ORGANISERS_CONCERT,
            "UpdateSchedule.scheduleId": lambda fan: ORGANISERS_SCHEDULE,
        }

    # What ends the fan's token, and what ends the hold.
    MAY_END_TOKEN = {"Pay", "LeaveQueue"}
    ENDS_HOLD = {"ReleaseReservation"}
