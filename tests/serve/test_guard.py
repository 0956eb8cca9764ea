"""Nothing listens beyond the loopback address, and no page of another origin has anything done."""

from __future__ import annotations

import contextlib
import socket
import unittest
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest.errors import ConfigurationError
from durabletest.serve.loopback import listen
from tests.serve.case import ServeTestCase

INVOKE = "/2015-03-31/functions/echo:1/invocations"


@durable_execution
def echo(event: Any, _context: DurableContext) -> Any:
    return event


def addresses() -> set[str]:
    """The addresses of this machine that are not the loopback's, as far as its name and its routes tell them."""
    found: set[str] = set()
    with contextlib.suppress(
        OSError
    ):  # a machine without a network may not know its own name, or have no other address
        found |= {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # of a datagram socket: nothing is sent
            found.add(str(probe.getsockname()[0]))
    return {address for address in found if not address.startswith("127.") and address != "::1"}


class GuardTests(ServeTestCase):
    functions = {"echo": echo}

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def executions(self) -> int:
        return len(self.client.list_durable_executions_by_function(FunctionName="echo")["DurableExecutions"])

    def test_nothing_listens_beyond_the_loopback_address(self) -> None:
        port = int(self.host.split(":")[1])
        for address in addresses():
            with self.subTest(address), self.assertRaises(OSError):
                socket.create_connection((address, port), 5).close()

    def test_the_socket_is_bound_to_the_loopback_address_alone(self) -> None:
        with listen(0) as listening:
            self.assertEqual(listening.getsockname()[0], "127.0.0.1")
            with self.assertRaisesRegex(
                ConfigurationError, r"cannot be used: Address already in use; choose another --port"
            ):
                listen(listening.getsockname()[1])

    def test_names_under_which_this_machine_is_served(self) -> None:
        port = self.host.split(":")[1]
        for name in ("localhost", "127.0.0.1", "[::1]", f"localhost:{port}", f"[::1]:{port}", "LOCALHOST:1"):
            with self.subTest(name):
                self.assertEqual(self.send("POST", INVOKE, b"1", Host=name).status, 200)

    def test_a_name_that_was_bound_to_this_machines_address_is_not_served(self) -> None:
        before = self.executions()
        for name in (
            "evil.example",
            f"evil.example:{self.host.split(':')[1]}",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "0.0.0.0",
            "[::]",
            "localhost:port",
            "",
        ):
            for method, target in (("POST", INVOKE), ("GET", "/")):
                with self.subTest(name, method=method):
                    answer = self.send(method, target, b"1", Host=name)
                    self.assertEqual((answer.status, answer.code), (403, "AccessDeniedException"))
        self.assertEqual(self.executions(), before)

    def test_a_page_of_another_origin_cannot_post(self) -> None:
        before = self.executions()
        for origin in (
            "http://evil.example",
            "null",
            "https://" + self.host,
            "http://localhost:1",
            "http://127.0.0.1",
            "file://",
        ):
            for kind in ("text/plain", "application/json", "application/x-www-form-urlencoded"):
                with self.subTest(origin, kind=kind):
                    answer = self.send("POST", INVOKE, b"1", Origin=origin, Content_Type=kind)
                    self.assertEqual((answer.status, answer.code), (403, "AccessDeniedException"))
                    self.assertNotIn("access-control-allow-origin", answer.headers)
        for site in ("cross-site", "same-site"):
            for mode in ("no-cors", "navigate"):
                with self.subTest(site, mode=mode):
                    answer = self.send("POST", INVOKE, b"1", Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)
                    self.assertEqual((answer.status, answer.code), (403, "AccessDeniedException"))
        answer = self.send("OPTIONS", INVOKE, Origin="http://evil.example", Access_Control_Request_Method="POST")
        self.assertEqual(answer.status, 403)
        self.assertEqual(self.executions(), before)

    def test_its_own_pages_and_programs_can_post(self) -> None:
        own = {"Origin": self.url, "Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}
        self.assertEqual(self.send("POST", INVOKE, b"1", **own).status, 200)
        self.assertEqual(self.send("POST", INVOKE, b"1").status, 200)

    def test_another_site_may_link_to_the_page_and_to_nothing_else(self) -> None:
        link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
        self.assertNotEqual(self.send("GET", "/", **link).status, 403)
        self.assertEqual(self.send("GET", "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status, 403)
        lists = "/2025-12-01/functions/echo/durable-executions"
        self.assertEqual(self.send("GET", lists, **link).status, 403)


if __name__ == "__main__":
    unittest.main()
