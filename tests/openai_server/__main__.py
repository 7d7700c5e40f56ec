"""Serve until stdin ends: `python -m tests.openai_server PORT-FILE --latency 0.02`.

Writes the port into the file and one line to stdout; each line on stdin is answered with the counts since the last one.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tests.openai_server.limits import Kind
from tests.openai_server.thread import OpenAIServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.openai_server", description=__doc__)
    parser.add_argument("port_file", type=Path)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--limit", type=int, help="requests in each window")
    parser.add_argument("--window", type=float, default=60.0, help="seconds")
    parser.add_argument("--kind", choices=list(Kind), default=Kind.FIXED)
    parser.add_argument("--text", help="the text of every reply, instead of one for each prompt")
    arguments = parser.parse_args()
    with OpenAIServer() as server:
        server.latency = arguments.latency
        if arguments.text is not None:
            server.answer(text=arguments.text)
        if arguments.limit is not None:
            server.limit(arguments.limit, arguments.window, kind=arguments.kind)
        arguments.port_file.write_text(server.base_url.split(":")[2].split("/")[0])
        print("ready", flush=True)
        for _line in sys.stdin:
            told = _told(server)
            server.forget()
            print(json.dumps(told), flush=True)


def _told(server: OpenAIServer) -> dict[str, Any]:
    return {
        "requests": len(server.requests),
        "rate_limited": server.rate_limited,
        "statuses": server.counts,
        "replied": [(request.prompt, status) for request, status in server.replied],
    }


main()
