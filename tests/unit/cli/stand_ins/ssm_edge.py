"""Session Manager and one Auto Scaling group as HTTP answers, on loopback."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MEMBER = """<member><InstanceId>{}</InstanceId><LifecycleState>{}</LifecycleState><HealthStatus>Healthy</HealthStatus>
<AvailabilityZone>us-east-1a</AvailabilityZone><ProtectedFromScaleIn>false</ProtectedFromScaleIn></member>"""
GROUPS = """<DescribeAutoScalingGroupsResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">
<DescribeAutoScalingGroupsResult><AutoScalingGroups><member><AutoScalingGroupName>gateways</AutoScalingGroupName>
<Instances>{}</Instances></member></AutoScalingGroups></DescribeAutoScalingGroupsResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeAutoScalingGroupsResponse>"""


class SsmEdge(ThreadingHTTPServer):
    """Answers StartSession and TerminateSession; keeps what it was asked.

    `instances` are lifecycle states by id, `refusals` error codes by the id of the instance asked for.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.instances = {"i-1": "InService"}
        self.refusals: dict[str, str] = {}
        self.asked: list[tuple[str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def named(self, operation: str) -> list[Any]:
        """The parameters of every call of an operation."""
        return [parameters for name, parameters in self.asked if name == operation]


class _Handler(BaseHTTPRequestHandler):
    server: SsmEdge

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        target = self.headers.get("X-Amz-Target")
        if target is None:
            members = "".join(MEMBER.format(*each) for each in self.server.instances.items())
            self._answer(200, GROUPS.format(members), "text/xml")
            return
        operation, parameters = target.split(".")[1], json.loads(body)
        self.server.asked.append((operation, parameters))
        if operation == "StartSession" and (code := self.server.refusals.get(parameters["Target"])):
            text = json.dumps({"__type": code, "message": f"{parameters['Target']} is not for you."})
            self._answer(400, text, "application/x-amz-json-1.1")
            return
        session = {"SessionId": "me-0123", "TokenValue": "token", "StreamUrl": "wss://stream"}
        self._answer(200, json.dumps(session), "application/x-amz-json-1.1")

    def _answer(self, status: int, text: str, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Tests ask; nothing is to be printed."""
