"""The monitor's API answers as its document says."""

from collections.abc import Callable

import pytest
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from tests import promises


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", promises.MODES)
def test_the_api_answers_as_its_document_says(mode: GenerationMode, client_as: Callable[[str], TestClient]) -> None:
    assert promises.keep(client_as("operator"), mode) == 4
