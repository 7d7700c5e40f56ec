"""An OpenAI on loopback that answers as scripted, for the real SDK: no test and no benchmark reaches the real one.

Its own HTTP/1.1 on asyncio, in a thread (`with OpenAIServer() as server:`) or in a process (`with OpenAIProcess(…)`).
"""

from tests.openai_server.answers import Answer, Hint, Manner, Text, Tokens, ToolCall, Wait, answer_to
from tests.openai_server.limits import Kind
from tests.openai_server.process import OpenAIProcess
from tests.openai_server.requests import Request
from tests.openai_server.thread import OpenAIServer

__all__ = [
    "Answer",
    "Hint",
    "Kind",
    "Manner",
    "OpenAIProcess",
    "OpenAIServer",
    "Request",
    "Text",
    "Tokens",
    "ToolCall",
    "Wait",
    "answer_to",
]
