"""Which codes are currencies."""

import pytest

from . import currency_code


@pytest.mark.parametrize(("typed", "code"), [("EUR", "EUR"), (" chf ", "CHF")])
def test_a_currency_is_told_in_capitals(typed: str, code: str) -> None:
    assert currency_code(typed) == code


@pytest.mark.parametrize("typed", ["eux", "EURO", "", "€"])
def test_what_is_no_currency_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="is no currency; write its code, like EUR"):
        currency_code(typed)
