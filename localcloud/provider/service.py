"""The gRPC front end: Pulumi's ResourceProvider protocol, served to the real CLI that is attached to this process.

https://pulumi-developer-docs.readthedocs.io/latest/docs/_generated/proto/provider.html
"""

import functools
import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Protocol, TypeVar

import grpc
import structlog
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from localcloud.provider import operations
from localcloud.provider.clients import Clients
from localcloud.provider.configuration import configured, guard_account, opened
from localcloud.provider.errors import CancelledError, ProviderError, RefusedError, UnknownTypeError
from localcloud.provider.invokes import invoke
from localcloud.provider.operations import Difference, Made
from localcloud.provider.registry import handler_for, handlers
from localcloud.provider.resource import account_of
from localcloud.provider.schema import Problem, provider_problems
from localcloud.provider.session import Sessions
from localcloud.provider.urns import name_of, type_of
from localcloud.provider.values import Properties, decode, encode

Answer = TypeVar("Answer")
Kind = provider_pb2.PropertyDiff.Kind


class Context(Protocol):
    """The part of grpc.ServicerContext that is used here."""

    def peer(self) -> str: ...
    def is_active(self) -> bool: ...
    def abort(self, code: Any, details: str) -> Any: ...
    def set_trailing_metadata(self, metadata: Any) -> None: ...


def answered(method: Callable[[Any, Any, Context], Answer]) -> Callable[[Any, Any, Context], Answer]:
    """Turn what a method raises into gRPC errors, whose text the CLI shows."""

    @functools.wraps(method)
    def answer(self: Any, request: Any, context: Context) -> Answer:
        try:
            return method(self, request, context)
        except RefusedError as error:
            failed: tuple[Any, str] = grpc.StatusCode.PERMISSION_DENIED, str(error)
        except UnknownTypeError as error:
            failed = grpc.StatusCode.UNIMPLEMENTED, str(error)
        except CancelledError as error:
            failed = grpc.StatusCode.CANCELLED, str(error)
        except (ProviderError, ClientError, BotoCoreError, OSError) as error:
            failed = grpc.StatusCode.UNKNOWN, str(error)
        except Exception as error:
            structlog.get_logger().exception("a defect of the provider", method=method.__name__)
            failed = (
                grpc.StatusCode.INTERNAL,
                f"a defect of the local aws provider: {error!r}; see provider.log",
            )
        answer: Answer = context.abort(*failed)  # never returns
        return answer

    return answer


class Service(provider_pb2_grpc.ResourceProviderServicer):
    """One process serves every provider resource of every CLI run; a connection stands for one of them."""

    def __init__(self, clients: Clients, sessions: Sessions) -> None:
        self._clients = clients
        self._sessions = sessions

    @answered
    def Handshake(self, request: Any, context: Context) -> Any:
        self._sessions.begin(context.peer())
        return provider_pb2.ProviderHandshakeResponse()  # no secrets, resources or outputs: the engine unwraps them

    @answered
    def Attach(self, request: Any, context: Context) -> Any:
        self._sessions.of(context.peer())
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Context) -> Any:
        return plugin_pb2.PluginInfo(version=version("pulumi-aws"))

    def GetSchema(self, request: Any, context: Context) -> Any:
        resources: dict[str, object] = {token: {} for token in handlers()}
        schema = {"name": "aws", "version": version("pulumi-aws"), "resources": resources}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema))

    @answered
    def CheckConfig(self, request: Any, context: Context) -> Any:
        found = provider_problems(opened(decode(request.news)))
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(found))

    @answered
    def DiffConfig(self, request: Any, context: Context) -> Any:
        before, after = decode(request.old_inputs), decode(request.news)
        changed = tuple(sorted(key for key in {*before, *after} if before.get(key) != after.get(key)))
        return _difference_response(Difference(changed, (), False), before, after)

    @answered
    def Configure(self, request: Any, context: Context) -> Any:
        session = self._sessions.of(context.peer())
        given = configured(decode(request.args))
        guard_account(given, lambda: account_of(self._clients.client("sts", given.region)))
        session.configuration = given
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @answered
    def Check(self, request: Any, context: Context) -> Any:
        tags = self._sessions.of(context.peer()).configured().default_tags
        try:
            handler = handler_for(type_of(request.urn))
        except UnknownTypeError as error:
            return provider_pb2.CheckResponse(failures=_failures([Problem("", str(error))]))
        news, olds = decode(request.news), decode(request.olds)
        seed = bytes(request.randomSeed)
        inputs, found = operations.check(handler, name_of(request.urn), news, olds, seed=seed, tags=tags)
        return provider_pb2.CheckResponse(inputs=encode(inputs), failures=_failures(found))

    @answered
    def Diff(self, request: Any, context: Context) -> Any:
        before, after = decode(request.old_inputs), decode(request.news)
        found = operations.difference(handler_for(type_of(request.urn)), before, after, request.ignoreChanges)
        return _difference_response(found, before, after)

    @answered
    def Create(self, request: Any, context: Context) -> Any:
        handler, inputs = handler_for(type_of(request.urn)), decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(operations.preview(handler, inputs)))
        made = operations.create(handler, self._aws(request, context), inputs)
        self._fail_unfinished(made, inputs, context)
        return provider_pb2.CreateResponse(id=made.id, properties=encode(made.state))

    @answered
    def Read(self, request: Any, context: Context) -> Any:
        handler, inputs = handler_for(type_of(request.urn)), decode(request.inputs)
        aws = self._aws(request, context)
        found = operations.read(handler, aws, request.id, inputs, decode(request.properties))
        if found is None:
            return provider_pb2.ReadResponse()  # without an id: gone
        return provider_pb2.ReadResponse(id=request.id, properties=encode(found.state), inputs=encode(found.inputs))

    @answered
    def Update(self, request: Any, context: Context) -> Any:
        handler, inputs, state = handler_for(type_of(request.urn)), decode(request.news), decode(request.olds)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=encode(operations.preview(handler, inputs, state)))
        made = operations.update(handler, self._aws(request, context), request.id, inputs, state)
        self._fail_unfinished(made, inputs, context)
        return provider_pb2.UpdateResponse(properties=encode(made.state))

    @answered
    def Delete(self, request: Any, context: Context) -> Any:
        handler = handler_for(type_of(request.urn))
        operations.delete(handler, self._aws(request, context), request.id, decode(request.properties))
        return empty_pb2.Empty()

    @answered
    def Invoke(self, request: Any, context: Context) -> Any:
        answer = invoke(self._aws(request, context), request.tok, decode(request.args))
        return provider_pb2.InvokeResponse(**{"return": encode(answer)})

    @answered
    def Cancel(self, request: Any, context: Context) -> Any:
        self._sessions.of(context.peer()).cancelled.set()
        return empty_pb2.Empty()

    def _aws(self, request: Any, context: Context) -> Any:
        session = self._sessions.of(context.peer())
        return session.aws(self._clients, context.is_active, getattr(request, "timeout", 0))

    @staticmethod
    def _fail_unfinished(made: Made, inputs: Properties, context: Context) -> None:
        """Tell the engine that the resource exists but is not finished: it keeps it and tries again next time."""
        if not made.failure:
            return
        detail = provider_pb2.ErrorResourceInitFailed(
            id=made.id, properties=encode(made.state), reasons=[made.failure], inputs=encode(inputs)
        )
        packed = any_pb2.Any()
        packed.Pack(detail)
        code = grpc.StatusCode.UNKNOWN
        status = status_pb2.Status(code=code.value[0], message=made.failure, details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        raise ProviderError(made.failure)


def _failures(problems: list[Problem]) -> list[Any]:
    # The CLI prints no property for a provider, and an empty value for one that the program left out.
    return [provider_pb2.CheckFailure(reason=str(problem)) for problem in problems]


def _difference_response(found: Difference, before: Properties, after: Properties) -> Any:
    response = provider_pb2.DiffResponse
    return response(
        changes=response.DIFF_SOME if found.changed else response.DIFF_NONE,
        diffs=found.changed,
        replaces=found.replacing,
        deleteBeforeReplace=found.delete_first,
        hasDetailedDiff=True,
        detailedDiff={
            key: provider_pb2.PropertyDiff(kind=_kind(key, found, before, after), inputDiff=True)
            for key in found.changed
        },
    )


def _kind(key: str, found: Difference, before: Properties, after: Properties) -> Any:
    change = "UPDATE" if key in before and key in after else "ADD" if key in after else "DELETE"
    return Kind.Value(f"{change}_REPLACE" if key in found.replacing else change)
