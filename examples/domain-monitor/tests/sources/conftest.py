"""A stand-in for a registrar, for every test that wants one."""

from collections.abc import Iterator

import pytest

from tests.sources.stand_in import StandIn, standing_in


@pytest.fixture
def registrar() -> Iterator[StandIn]:
    with standing_in() as server:
        yield server
