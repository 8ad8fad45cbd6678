"""A small web server on this host for a guest that tries its network: a page of random bytes, and the MD5 sum of it."""
import hashlib
import http.server
import os
import threading

SIZE = 200000                   # bytes of the page: more than a window of TCP
HOST = '10.0.2.2'               # this host, as a guest on --net user sees it


class Server(http.server.ThreadingHTTPServer):
    """Answers on a port of the loopback address while a `with` block lasts. `fetched` counts the pages that went out."""
    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.page = os.urandom(SIZE)
        self.fetched = 0

    def address(self):
        """As the guest has it."""
        return f'{HOST}:{self.server_address[1]}'

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = self.server.page
        body = {'/page': page, '/sum': hashlib.md5(page).hexdigest().encode() + b'\n'}.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.fetched += 1

    def log_message(self, *words):
        pass                    # the console is the guest's
