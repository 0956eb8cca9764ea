"""A runtime of its own process, without any SDK: it does what the execution's input says.

Its arguments are run first, as a way to begin badly: ``exit STATUS`` or ``init-error``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any
from urllib.request import Request, urlopen

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"


def post(path: str, body: Any) -> None:
    urlopen(Request(f"{API}/{path}", json.dumps(body).encode()), timeout=20).close()


def main() -> None:
    if sys.argv[1:2] == ["exit"]:
        sys.exit(int(sys.argv[2]))
    if sys.argv[1:2] == ["init-error"]:
        post("init/error", {"errorType": "Runtime.NoSuchModule", "errorMessage": "no module"})
        sys.exit(1)
    begun = time.time()
    while True:
        with urlopen(f"{API}/invocation/next") as response:
            request_id, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.load(response)
        [operation] = event["InitialExecutionState"]["Operations"]
        answer = handle(json.loads(operation["ExecutionDetails"]["InputPayload"]), begun)
        post(f"invocation/{request_id}/response", {"Status": "SUCCEEDED", "Result": json.dumps(answer)})


def handle(payload: Any, begun: float) -> Any:
    """What the payload says, once: the file that it names is the memory of all processes."""
    todo, memory = payload["todo"], payload.get("memory")
    if memory is not None and not os.path.exists(memory):
        with open(memory, "w") as file:
            file.write(str(os.getpid()))
        if todo == "exit":
            sys.exit(payload["status"])
        if todo == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if todo == "hang":
            time.sleep(3600)
    return {"pid": os.getpid()} if todo != "environment" else dict(os.environ)


if __name__ == "__main__":
    main()
