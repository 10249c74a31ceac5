"""Serves an HTTP API of an emulator as a bare origin, http://127.0.0.1:PORT, to any client.

Usage: proxy.py PORT ENDPOINT API_ID

The emulator has its APIs under a Host header or a path that clients cannot be told of. Every request goes on below
that path; method, headers and body stay as they came, and so does the answer. So what the functions take for their
own origin, and write into answers, is this one. It listens on loopback only, keeps connections, and serves each in a
thread of its own.
"""

import http.client
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlsplit

# API Gateway takes no larger body.
MAX_BODY_BYTES = 10 * 1024 * 1024
# API Gateway waits half a minute for a function; an emulator may start it first.
TIMEOUT_SECS = 60
# What belongs to one connection, not to the message (RFC 9110, section 7.6.1).
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Small answers must not wait for the acknowledgement of their headers.
    disable_nagle_algorithm = True
    upstream = None

    def __getattr__(self, name):
        # Every method is served, also LIST, which is Vault's own.
        if name.startswith("do_"):
            return self.pass_on
        raise AttributeError(name)

    def pass_on(self):
        try:
            body = self.body()
        except Refused as refused:
            self.close_connection = True
            return self.complain(refused.status, str(refused))
        try:
            answer = self.ask(body)
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.hang_up()
            return self.complain(502, f"the emulator at {self.server.endpoint} did not answer: {error!r}")
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        if self.command == "HEAD":
            self.copy_length(answer)
        elif answer.status >= 200 and answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def copy_length(self, answer):
        length = answer.getheader("Content-Length")
        if length is not None:
            self.send_header("Content-Length", length)

    def body(self):
        """The whole body, whichever way it is framed."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self.chunks()
        length = self.headers.get("Content-Length")
        if length is None:
            return None
        if not length.isascii() or not length.isdigit():
            raise Refused(400, "Content-Length is not a number")
        if int(length) > MAX_BODY_BYTES:
            raise Refused(413, "the request body is too large")
        return self.rfile.read(int(length))

    def chunks(self):
        whole = b""
        while True:
            line = self.rfile.readline(1024).split(b";")[0].strip()
            try:
                size = int(line, 16)
            except ValueError:
                raise Refused(400, "a chunk has no length") from None
            if size == 0:
                break
            if size < 0 or len(whole) + size > MAX_BODY_BYTES:
                raise Refused(413, "the request body is too large")
            whole += self.rfile.read(size)
            self.rfile.readline(1024)
        while self.rfile.readline(65536).strip():
            pass  # trailers
        return whole

    def ask(self, body):
        """Sends the request on, on a connection of this client's own."""
        for attempt in (1, 2):
            kept = self.upstream is not None
            if not kept:
                self.upstream = http.client.HTTPConnection(self.server.address, timeout=TIMEOUT_SECS)
            try:
                self.send_on(body)
                return self.upstream.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.hang_up()
                # A connection that was kept may have been closed just now, before anybody read the request.
                if not kept or attempt == 2:
                    raise

    def send_on(self, body):
        # What is not ASCII would not pass http.client: it goes as the same bytes, percent-encoded.
        path = quote(self.path.encode("iso-8859-1"), safe="".join(map(chr, range(0x21, 0x7F))))
        self.upstream.putrequest(self.command, self.server.prefix + path, skip_host=True, skip_accept_encoding=True)
        if "Host" not in self.headers:
            self.upstream.putheader("Host", self.server.origin)
        if "X-Forwarded-Proto" not in self.headers:
            self.upstream.putheader("X-Forwarded-Proto", self.server.scheme)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP | {"content-length", "expect"}:
                self.upstream.putheader(name, value.encode("iso-8859-1", "replace"))
        if body is not None:
            self.upstream.putheader("Content-Length", str(len(body)))
        self.upstream.endheaders(body)

    def hang_up(self):
        if self.upstream is not None:
            self.upstream.close()
            self.upstream = None

    def finish(self):
        self.hang_up()
        super().finish()

    def complain(self, status, message):
        content = json.dumps({"message": message}).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass  # the functions keep the log


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, endpoint, api):
        self.endpoint = endpoint
        self.address = urlsplit(endpoint).netloc
        self.origin = f"127.0.0.1:{port}"
        self.scheme = "http"
        self.prefix = f"/_aws/execute-api/{api}/$default"
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


if __name__ == "__main__":
    port, endpoint, api = sys.argv[1:]
    Server(int(port), endpoint, api).serve_forever()
