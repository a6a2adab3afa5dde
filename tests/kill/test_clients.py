#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that misbehave: half a request, slow headers, giant headers, bodies that never come, a thousand connections
that say nothing. Each is answered with an error or dropped after its time, and meanwhile the service answers others."""
import json
import resource
import socket
import time
import unittest

import client

N_IDLE = 1000
PATIENCE = 150  # seconds; the server's own limits are 30 (a request that stalls) and 60 (idle)


class MisbehavingClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))  # the server inherits it
        cls.service = client.Service("data").start()
        cls.service.object("PUT", "films")
        host, port = cls.service.api.rsplit(":", 1)
        cls.silent = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in range(100)]

    @classmethod
    def tearDownClass(cls):
        for connection in cls.silent:
            connection.close()
        cls.service.kill()

    def say(self, text, listener="api"):
        """A connection on which so much was said."""
        host, port = getattr(self.service, listener).rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.sendall(text.encode())
        return connection

    def heard(self, connection):
        """Everything until the server closes; a reset is an end as well."""
        heard = b""
        try:
            while piece := connection.recv(65536):
                heard += piece
        except ConnectionResetError:
            pass
        return heard.decode(errors="replace")

    def answers_others(self):
        self.assertTrue(self.service.is_well())
        self.assertEqual(self.service.call("ListPipelines").keys() >= {"PipelineList"}, True)
        self.service.object("PUT", "films", "small", b"still here")
        self.assertEqual(self.service.object("GET", "films", "small")[1], b"still here")

    def test_those_who_stop_half_way_are_dropped_after_their_time(self):
        """All at once, for each waits out the server's time limit."""
        host = "Host: x\r\n"
        half = {
            "a line": self.say("POST /?Acti"),
            "headers": self.say(f"POST /?Action=ListPipelines HTTP/1.1\r\n{host}"),
            "a body": self.say(f"POST / HTTP/1.1\r\n{host}Content-Length: 1000\r\n"
                               "Content-Type: application/x-www-form-urlencoded\r\n\r\nAction=List"),
            "an object": self.say(f"PUT {client.presigned('PUT', 'films', 'half')} HTTP/1.1\r\n{host}"
                                  "Content-Length: 1000000\r\n\r\nthe beginning", "oss"),
            "a chunk": self.say(f"PUT {client.presigned('PUT', 'films', 'chunk')} HTTP/1.1\r\n{host}"
                                "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "oss"),
        }
        slow = self.say(f"GET /healthz HTTP/1.1\r\n{host}")
        began = time.monotonic()
        while time.monotonic() - began < 5:  # a header every 100 ms keeps nobody's patience alive for ever
            slow.sendall(b"X-Slow: 1\r\n")
            time.sleep(0.1)
        self.answers_others()
        for what, connection in half.items():
            with self.subTest(what):
                answer = self.heard(connection)
                self.assertTrue(not answer or " 408 " in answer.splitlines()[0] or " 400 " in answer.splitlines()[0], answer)
        self.heard(slow)
        for key in ("half", "chunk"):
            with self.assertRaises(client.Refused, msg="half an object became visible") as refused:
                self.service.object("HEAD", "films", key)
            self.assertEqual(refused.exception.status, 404)
        for connection in self.silent:
            self.heard(connection)  # those who never said a word are hung up on, too
        self.answers_others()

    def test_giant_and_broken_requests_are_refused_in_words(self):
        giant = "a" * 300_000
        many = "".join(f"X-{i}: 1\r\n" for i in range(20_000))
        for listener in ("api", "oss"):
            for what, text in (
                    ("a header", f"GET / HTTP/1.1\r\nHost: x\r\nX-Giant: {giant}\r\n\r\n"),
                    ("headers", f"GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
                    ("a target", f"GET /{giant * 8} HTTP/1.1\r\nHost: x\r\n\r\n"),
                    ("no HTTP", "\x16\x03\x01 hello?\r\n\r\n"),
                    ("a length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"),
                    ("two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
                    ("both", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                    ("a huge body", "POST /?Action=x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n"
                     "Content-Type: application/x-www-form-urlencoded\r\n\r\n")):
                with self.subTest(f"{what}, {listener}"):
                    try:
                        connection = self.say(text, listener)
                    except (BrokenPipeError, ConnectionResetError):
                        continue  # it closed while we were still talking: refused as well
                    answer = self.heard(connection)
                    if answer:
                        self.assertRegex(answer, "^HTTP/1.1 4[0-9][0-9] ", answer[:300])
        self.answers_others()

    def test_a_thousand_idle_connections_cost_little(self):
        before = self.service.resident_mib()
        idle = [self.say("", listener) for listener in ("api", "oss") for _ in range(N_IDLE // 2)]
        self.answers_others()
        grown = self.service.resident_mib() - before
        print(f"\n  {len(idle)} idle connections: {grown:.1f} MiB")
        self.assertLess(grown, 50)

    def test_deep_and_long_parameters_are_refused_in_words(self):
        deep = "[" * 100_000
        for config in (deep, '{"a":' * 5000, json.dumps({"Inputs": ["x"] * 50_000})):
            with self.assertRaises(client.Refused) as refused:
                self.service.call("SubmitMediaConvertJob", Config=config)
            self.assertIn(refused.exception.status, (400, 413, 414))
        self.answers_others()


if __name__ == "__main__":
    unittest.main(verbosity=2)
