"""kinora jobs, pipelines, events, usage and call: a running service from a shell."""
import http.server
import json
import threading

import support
from media import film


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes callbacks; answers what `status` says."""
    bodies, status = [], 200

    def do_POST(self):
        Receiver.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(Receiver.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Jobs(support.Case):
    options = ("--allow-url-host", "127.0.0.1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        film("film.mp4")
        cls.service.run("buckets", "create", "films")
        cls.service.run("cp", "film.mp4", "oss://films/film.mp4")

    def submit(self, name, source="oss://films/film.mp4"):
        return self.service.submit(source, f"oss://films/out/{name}.mp4", name=name)

    def test_a_job_is_watched_to_its_end_shown_and_listed(self):
        job = self.submit("watched")
        watched = self.ok("jobs", "watch", job)
        self.assertIn("oss://films/out/watched.mp4", watched.out)
        shown = self.ok("jobs", "show", job, "--json").json
        self.assertEqual((shown["JobId"], shown["State"]), (job, "Complete"))
        listed = self.ok("jobs", "list", "--state", "Complete", "--json").json
        self.assertIn(job, [j["JobId"] for j in listed])
        self.assertIn("watched", self.ok("jobs", "list").out)
        self.assertEqual(len(self.ok("jobs", "list", "--limit", "1", "--json").json), 1)

    def test_a_failed_job_says_why_and_is_retried(self):
        job = self.submit("late", "oss://films/late.mp4")
        self.assert_fails(self.service.run("jobs", "watch", job, "--json"), job, "Error")
        self.ok("cp", "film.mp4", "oss://films/late.mp4")
        self.ok("jobs", "retry", job)
        self.ok("jobs", "watch", job)

    def test_a_waiting_job_is_cancelled(self):
        queue = self.ok("pipelines", "create", "waiting").out.strip()
        self.ok("pipelines", "pause", queue)
        job = self.service.submit("oss://films/film.mp4", "oss://films/out/never.mp4", queue=queue)
        self.ok("jobs", "cancel", job)
        self.assertEqual(self.ok("jobs", "show", job, "--json").json["State"], "Cancelled")
        self.assert_fails(self.service.run("jobs", "cancel", job))
        self.ok("pipelines", "resume", queue)
        self.ok("pipelines", "set", queue, "--name", "day", "--priority", "9")
        self.assertIn("day", self.ok("pipelines", "list").out)

    def test_callbacks_are_listed_shown_and_sent_again(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.ok("call", "SetEventCallback", "CallbackType=HTTP",
                f"CallbackURL=http://127.0.0.1:{server.server_port}/hook",
                "EventTypeList=MediaConvertComplete")
        job = self.submit("told")
        self.ok("jobs", "watch", job)
        self.wait_until(lambda: self.ok("events", "list", "--job", job, "--state", "acknowledged",
                                        "--json").json)
        delivery, = self.ok("events", "list", "--job", job, "--json").json
        shown = self.ok("events", "show", delivery["DeliveryId"])
        self.assertIn("MediaConvertComplete", shown.out)
        n = len(Receiver.bodies)
        self.assertIn("1", self.ok("events", "redeliver", delivery["DeliveryId"]).out)
        self.wait_until(lambda: len(Receiver.bodies) > n)
        self.assert_fails(self.service.run("events", "redeliver"), "--job")
        self.assert_fails(self.service.run("events", "show", "0" * 32))

    def test_usage_counts_what_was_done(self):
        self.ok("jobs", "watch", self.submit("counted"))
        kinds = {line["Kind"] for line in self.ok("usage", "--json").json}
        self.assertIn("convert", kinds)
        self.assertIn("minutes", self.ok("usage", "--month", "--kind", "convert").out)
        self.assertIn("no usage", self.ok("usage", "--from", "2100-01-01").out)
        self.assert_fails(self.service.run("usage", "--from", "yesterday"), "2026-03-01")

    def test_any_operation_is_called(self):
        self.assertIn("Queues", self.ok("call", "GetServiceInfo").json)
        self.assert_fails(self.service.run("call", "NoSuchThing"), "docs/api")
        self.assert_fails(self.service.run("call", "GetServiceInfo", "nonsense"), "Name=Value")

    def test_what_is_not_there_is_named(self):
        self.assert_fails(self.service.run("jobs", "show", "0" * 32))
        self.assert_fails(self.service.run("jobs", "list", "--state", "Happy"))
        self.assert_fails(self.service.run("jobs", "list", "--limit", "none"), "--limit")
        self.assert_fails(self.service.run("jobs", "dance"), "dance", status=2)
        self.assert_fails(self.service.run("jobs", "show"), "id", status=2)
        self.assert_fails(self.service.run("jobs", "list", "--nope"), "--nope", status=2)
        gone = support.run("jobs", "list", "--data", self.service.folder, "--api", "http://127.0.0.1:1")
        self.assert_fails(gone, "http://127.0.0.1:1", "kinora serve")


if __name__ == "__main__":
    support.main()
