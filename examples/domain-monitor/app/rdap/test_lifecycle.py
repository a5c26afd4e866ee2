"""By when somebody has to act."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from .lifecycle import Known, deadline, disagree

TODAY = date(2026, 11, 23)


def at(day: str, hour: int = 0) -> datetime:
    return datetime.fromisoformat(day).replace(hour=hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("known", "phase", "on"),
    [
        pytest.param({"registrar": at("2027-05-01")}, "registered", "2027-05-01", id="the registrar alone"),
        pytest.param({"registry": at("2027-05-01")}, "registered", "2027-05-01", id="the registry alone"),
        pytest.param(
            {"registrar": at("2027-05-02"), "registry": at("2027-05-01")}, "registered", "2027-05-01", id="the earlier"
        ),
        pytest.param({"registrar": date(2026, 11, 20)}, "expired", "2026-11-20", id="past, and nobody knows more"),
        pytest.param({"typed": date(2027, 1, 1)}, "registered", "2027-01-01", id="typed in"),
        pytest.param(
            {"typed": date(2027, 1, 1), "registrar": at("2027-05-01")},
            "registered",
            "2027-05-01",
            id="told",
        ),
        pytest.param({}, "unknown", None, id="nobody knows"),
        pytest.param(
            {"registrar": at("2026-11-10"), "registry": at("2027-11-10"), "status": ("auto renew period",)},
            "auto-renew grace",
            "2026-12-25",
            id="in the grace the registrar's word wins",
        ),
        pytest.param(
            {"registrar": at("2027-11-10"), "registry": at("2027-11-10"), "status": ("auto renew period",)},
            "registered",
            "2027-11-10",
            id="in the grace, but paid",
        ),
        pytest.param(
            {"registry": at("2027-11-10"), "status": ("autoRenewPeriod",)},
            "auto-renew grace",
            "2026-12-25",
            id="in the grace, in EPP's words",
        ),
        pytest.param(
            {"status": ("pending delete", "redemption period"), "since": at("2026-11-20")},
            "redemption",
            "2026-12-20",
            id="redemption",
        ),
        pytest.param(
            {"status": ("pending delete",), "since": at("2026-11-20")},
            "pending delete",
            "2026-11-25",
            id="deleted",
        ),
        pytest.param(
            {"status": ("pending restore",), "since": at("2026-11-20")}, "being restored", "2026-11-27", id="restored"
        ),
    ],
)
def test_the_deadline_that_counts(known: dict[str, Any], phase: str, on: str | None) -> None:
    found = deadline(Known(**known), TODAY)
    assert (found.phase, found.on and found.on.isoformat()) == (phase, on)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param({"registrar": at("2027-05-01"), "registry": at("2027-05-01", 21)}, False, id="hours"),
        pytest.param({"registrar": at("2027-05-01"), "registry": at("2027-05-02", 1)}, True, id="more than a day"),
        pytest.param({"registrar": date(2027, 5, 1), "registry": at("2027-05-02", 23)}, False, id="a bare day"),
        pytest.param({"registrar": date(2027, 5, 1), "registry": at("2027-05-03", 0)}, True, id="two bare days"),
        pytest.param({"registrar": at("2027-05-01")}, False, id="one is silent"),
        pytest.param(
            {"registrar": at("2026-11-10"), "registry": at("2027-11-10"), "status": ("auto renew period",)},
            False,
            id="the year that the registry adds",
        ),
    ],
)
def test_when_two_dates_disagree(known: dict[str, Any], expected: bool) -> None:
    assert disagree(Known(**known)) is expected
