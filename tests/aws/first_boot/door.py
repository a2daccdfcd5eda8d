"""A door before the bucket that keeps each request as it came, and checks its signature as S3 does."""

import re
import threading
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html: host and every x-amz- header.
SIGNED = {"host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"}


@dataclass(frozen=True)
class Asked:
    """One request; names of headers in lower case."""

    path: str
    headers: dict[str, str]

    def signed(self) -> set[str]:
        found = re.search("SignedHeaders=([^,]+)", self.headers["authorization"])
        assert found is not None
        return set(found[1].split(";"))

    def authorization(self, keys: dict[str, str], region: str) -> str:
        """The header that botocore would send with these keys for what was signed, at the time that was signed."""
        names = sorted(self.signed())
        request = AWSRequest(
            "GET", f"http://{self.headers['host']}{self.path}", {name: self.headers[name] for name in names}
        )
        request.context["timestamp"] = self.headers["x-amz-date"]
        auth = S3SigV4Auth(Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"]), "s3", region)
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        scope = f"Credential={auth.scope(request)}, SignedHeaders={';'.join(names)}"
        return f"AWS4-HMAC-SHA256 {scope}, Signature={signature}"


@dataclass
class Door:
    """Serves what `upstream` serves."""

    upstream: str
    asked: list[Asked] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    def open(self) -> str:
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = {name.lower(): text for name, text in self.headers.items()}
                door.asked.append(Asked(self.path, headers))
                onward = urllib.request.Request(door.upstream + self.path, headers=headers)
                with urllib.request.urlopen(onward, timeout=30) as answer:
                    body = answer.read()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
