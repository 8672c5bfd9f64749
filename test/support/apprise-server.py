"""An Apprise API of one key for tests: HTTP as https://github.com/caronc/apprise-api has it, deliveries by the real library.

Usage: apprise-server.py CONFIG, a file of Apprise's text configuration (`tag=url` lines). Prints its port.
"""

import json
import logging
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import apprise

KEY = "ops"
CONFIG = open(sys.argv[1], encoding="utf-8").read()


def stored():
    config = apprise.AppriseConfig()
    config.add_config(CONFIG, format="text")
    return config


def either_of(tag):
    """ "a b, c" is (a and b) or c."""
    return [tuple(part.split()) for part in tag.split(",")] if tag else None


def pass_on(content, key):
    asset = apprise.AppriseAsset(body_format=content.get("format", "text"))
    services = apprise.Apprise(asset=asset)
    services.add(stored() if key else content.get("urls"))
    if not len(services):
        return 204, None
    with apprise.LogCapture(level=logging.INFO, fmt="%(levelname)s\t%(asctime)s\t%(message)s") as lines:
        told = services.notify(
            content["body"],
            title=content.get("title", ""),
            notify_type=content.get("type", "info"),
            tag=either_of(content.get("tag")) or (None if key else "all"),
        )
    details = [line.split("\t", 2) for line in lines.getvalue().splitlines() if line.count("\t") > 1]
    if not told:
        return 424, {"error": "One or more notification could not be sent", "details": details}
    return 200, {"error": None, "details": details}


def listed(query):
    found = stored_services().find(query.get("tag", ["all"])[0])
    urls = [{"url": one.url(privacy="privacy" in query), "enabled": one.enabled, "tags": sorted(str(tag) for tag in one.tags)} for one in found]
    return 200, {"tags": [], "urls": urls}


def stored_services():
    services = apprise.Apprise()
    services.add(stored())
    return services


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == f"/json/urls/{KEY}":
            self.answer(*listed(query))
        elif path.startswith("/json/urls/"):
            self.answer(204, None)
        elif path == "/status":
            self.answer(200, {"status": {"details": ["OK"]}})
        else:
            self.answer(404, {"error": "Not Found"})

    def do_POST(self):
        content = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if content.get("type", "info") not in apprise.NOTIFY_TYPES or not content.get("body"):
            self.answer(400, {"error": "Payload lacks minimum requirements"})
        elif content.get("format", "text") not in apprise.NOTIFY_FORMATS:
            self.answer(400, {"error": "An invalid body input format was specified"})
        elif self.path == "/notify":
            self.answer(*pass_on(content, None))
        elif self.path == f"/notify/{KEY}":
            self.answer(*pass_on(content, KEY))
        else:
            self.answer(204, None)

    def answer(self, status, content):
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
