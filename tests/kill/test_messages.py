#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of the server while messages are sent, received and deleted, published and pushed; and what is true then:

- every message whose send was answered is received; none that was never sent;
- none whose delete was answered comes again;
- every published message reaches its HTTP subscriber and its subscribed queue at least once.

    test_messages.py [--messages 300] [--seed N]
"""
import argparse
import base64
import hashlib
import hmac
import random
import re
import sys
import threading
import time
import unittest
from email.utils import formatdate
from xml.sax.saxutils import escape

import client

OPTIONS = argparse.Namespace(messages=300, seed=1)


def mns(service, method, target, body=""):
    """One signed request; (status, body)."""
    date = formatdate(usegmt=True)
    kind = "text/xml" if body else ""
    text = f"{method}\n\n{kind}\n{date}\nx-mns-version:2015-06-06\n{target}"
    digest = base64.b64encode(hmac.new(client.SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()
    headers = {"Date": date, "x-mns-version": "2015-06-06", "Authorization": f"MNS {client.KEY}:{digest}"}
    if kind:
        headers["Content-Type"] = kind
    status, _, answer = client.request(service.mns, method, target, body.encode(), headers)
    return status, answer.decode()


def message(text):
    return f"<Message><MessageBody>{escape(text)}</MessageBody></Message>"


class Messages(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(OPTIONS.seed)
        self.service = client.Service("data", workers=0).start()
        self.addCleanup(self.service.kill)
        self.is_over = threading.Event()

    def surely(self, method, target, body=""):
        """The answer, from whichever life of the server gives one. A request may have been served before."""
        while True:
            try:
                return mns(self.service, method, target, body)
            except (*client.GONE, TypeError):  # TypeError: between two lives it has no address
                time.sleep(0.02)

    def strike(self, n):
        """n times: wait a little, kill -9, start again."""
        for _ in range(n):
            time.sleep(self.random.uniform(0.05, 0.4))
            self.service.kill()
            self.service.start()

    def test_what_was_acknowledged_holds(self):
        self.assertEqual(self.surely("PUT", "/queues/q", "<Queue><VisibilityTimeout>1</VisibilityTimeout></Queue>")[0], 201)
        sent, received, deleted, again = set(), set(), set(), []

        def send():
            for i in range(OPTIONS.messages):
                if self.surely("POST", "/queues/q/messages", message(f"m{i}"))[0] == 201:
                    sent.add(f"m{i}")

        def take():
            while not self.is_over.is_set():
                status, body = self.surely("GET", "/queues/q/messages?waitseconds=1")
                if status != 200:
                    continue
                text = re.search("<MessageBody>(.*?)</MessageBody>", body)[1]
                receipt = re.search("<ReceiptHandle>(.*?)</ReceiptHandle>", body)[1]
                # A send whose answer was lost is sent again: two messages of one text, with ids of their own.
                name = re.search("<MessageId>(.*?)</MessageId>", body)[1]
                if name in deleted:
                    again.append(text)
                received.add(text)
                if self.surely("DELETE", f"/queues/q/messages?ReceiptHandle={receipt}")[0] == 204:
                    deleted.add(name)

        threads = [threading.Thread(target=act, daemon=True) for act in (send, take, take)]
        for thread in threads:
            thread.start()
        self.strike(6)
        threads[0].join(120)
        self.assertEqual(len(sent), OPTIONS.messages, "every send was answered in the end")
        client.until(lambda: len(received), lambda n: n == OPTIONS.messages, 60)
        self.is_over.set()
        self.assertEqual(received, sent)
        self.assertEqual(again, [], "a deleted message came again")

    def test_published_messages_reach_their_subscribers(self):
        receiver = client.Receiver(lambda n: 500 if n % 5 == 0 else 0 if n % 7 == 0 else 200)
        self.addCleanup(receiver.stop)
        self.surely("PUT", "/queues/copy")
        self.surely("PUT", "/topics/t")
        for name, endpoint in (("http", receiver.url), ("queue", "acs:mns:cn-shanghai:1:queues/copy")):
            status, body = self.surely("PUT", f"/topics/t/subscriptions/{name}",
                                       f"<Subscription><Endpoint>{endpoint}</Endpoint><NotifyStrategy>EXPONENTIAL_DECAY_RETRY"
                                       "</NotifyStrategy><NotifyContentFormat>JSON</NotifyContentFormat></Subscription>")
            self.assertIn(status, (201, 204), body)
        n = OPTIONS.messages // 10
        published = threading.Thread(daemon=True, target=lambda: [
            self.surely("POST", "/topics/t/messages", message(f"p{i}")) for i in range(n)])
        published.start()
        self.strike(3)
        published.join(60)
        want = {f"p{i}" for i in range(n)}
        # What a dead server had claimed is pushed again when its lease has ended, after half a minute.
        client.until(lambda: {event["Message"] for event in list(receiver.acknowledged)}, want.issubset, 120)
        copies = set()
        while (answer := self.surely("GET", "/queues/copy/messages?numOfMessages=16"))[0] == 200:
            copies |= set(re.findall(r"&quot;Message&quot;:&quot;(p\d+)", answer[1]))
        self.assertEqual(copies, want)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=OPTIONS.messages)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    OPTIONS, rest = parser.parse_known_args()
    print(f"seed {OPTIONS.seed}")
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
