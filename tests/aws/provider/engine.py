"""The engine's side of a connection to the stand-in provider, over a real socket."""

from typing import Any

import grpc
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

SECONDS = 10
URN = "urn:pulumi:local::warmfleet::warmfleet:network:Network$aws:{}::net"
VPC, GROUP, BUCKET = "ec2/vpc:Vpc", "autoscaling/group:Group", "s3/bucket:Bucket"


def struct(properties: dict[str, Any]) -> struct_pb2.Struct:
    """As the engine sends it: every number is a float."""
    made = struct_pb2.Struct()
    made.update(properties)
    return made


class Engine:
    """The engine's side of one connection."""

    def __init__(self, channel: grpc.Channel, **config: str) -> None:
        self.stub = provider_pb2_grpc.ResourceProviderStub(channel)
        self.call("Handshake", provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
        self.call("Configure", provider_pb2.ConfigureRequest(args=struct(config)))

    def call(self, method: str, request: Any) -> Any:
        return getattr(self.stub, method)(request, timeout=SECONDS)

    def check(self, kind: str, news: dict[str, Any], olds: dict[str, Any] | None = None, seed: bytes = b"seed") -> Any:
        given = {"urn": URN.format(kind), "news": struct(news), "olds": struct(olds or {}), "randomSeed": seed}
        return self.call("Check", provider_pb2.CheckRequest(**given))

    def reasons(self, kind: str, news: dict[str, Any]) -> list[str]:
        return [each.reason for each in self.check(kind, news).failures]

    def create(self, kind: str, inputs: dict[str, Any], *, preview: bool = False) -> Any:
        request = {"urn": URN.format(kind), "properties": struct(inputs), "preview": preview}
        return self.call("Create", provider_pb2.CreateRequest(**request))

    def diff(self, kind: str, before: dict[str, Any], after: dict[str, Any]) -> Any:
        request = {"urn": URN.format(kind), "old_inputs": struct(before), "news": struct(after)}
        return self.call("Diff", provider_pb2.DiffRequest(**request))
