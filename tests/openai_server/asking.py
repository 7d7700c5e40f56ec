"""One question, the way each API takes it."""

from openai import OpenAI
from openai.types.chat import ChatCompletion

from tests.openai_server.conftest import MODEL


def ask(client: OpenAI, prompt: str = "hello there", *, model: str = MODEL) -> ChatCompletion:
    """A chat completion of one message."""
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": prompt}])


def said(client: OpenAI, prompt: str = "hello there") -> str | None:
    """The text of it."""
    return ask(client, prompt).choices[0].message.content
