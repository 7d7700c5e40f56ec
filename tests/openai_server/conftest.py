"""A server for each test, and one SDK for all of them: making its TLS context takes longer than most tests."""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.openai_server import OpenAIServer

KEY = "sk-loopback-0123456789-wxyz"
MODEL = "gpt-loopback"


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture(scope="session")
def sdk() -> Iterator[OpenAI]:
    with OpenAI(api_key=KEY, base_url="http://127.0.0.1:9/v1", max_retries=0, timeout=5) as client:
        yield client


@pytest.fixture
def client(sdk: OpenAI, server: OpenAIServer) -> OpenAI:
    """The SDK, asking this test's server, without retries."""
    return sdk.with_options(base_url=server.base_url)
