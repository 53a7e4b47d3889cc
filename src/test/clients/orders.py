"""An HTTP service that knows where every order is, for routes that ask one."""

import http.server
import json
import threading

asked = []


class Orders(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        body = json.dumps({"order": self.path, "at": "Trieste"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(port):
    """Serves orders at a port of loopback until the program ends. `asked` has the paths of the requests."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Orders)
    threading.Thread(target=server.serve_forever, daemon=True).start()
