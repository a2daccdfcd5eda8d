"""Pulumi's LanguageRuntime protocol.

https://pulumi-developer-docs.readthedocs.io/latest/docs/_generated/proto/language.html
"""

import os
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from localcloud.language_host.children import Children
from localcloud.language_host.interpreter import interpreter

PROGRAM = Path(__file__).with_name("program.py")
ERROR_SHOWN = 32  # exit code of program.py: the user has seen the error already
READ_BYTES = 65536


class Service(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs each program and each policy pack in a process of its own.

    Args:
        engine: address of the CLI's engine, for the programs' log.
        environ: the CLI's environment.
    """

    def __init__(self, engine: str, environ: Mapping[str, str], children: Children) -> None:
        self._engine = engine
        self._environ = environ
        self._children = children

    def Handshake(self, request: Any, context: Any) -> Any:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="0.1.0")

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        return language_pb2.GetRequiredPackagesResponse()  # the one provider is attached, nothing is to be installed

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        return language_pb2.GetProgramDependenciesResponse()

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        yield language_pb2.InstallDependenciesResponse(stdout=b"`make .venv` installs the dependencies.\n")

    def About(self, request: Any, context: Any) -> Any:
        python = interpreter(request.info, self._environ)
        shown = subprocess.run([python.executable, "-V"], capture_output=True, text=True, check=False).stdout
        return language_pb2.AboutResponse(executable=python.executable, version=shown.removeprefix("Python ").strip())

    def Run(self, request: Any, context: Any) -> Any:
        """Run a program; the request goes over its standard input: configuration may hold secrets."""
        try:
            python = interpreter(request.info, self._environ)
        except FileNotFoundError as error:
            return language_pb2.RunResponse(error=str(error))
        command = [python.executable, "-u", str(PROGRAM), self._engine]
        streams = {"stdin": subprocess.PIPE}
        with self._children.start(command, request.pwd, python.environment, context, **streams) as process:
            assert process.stdin is not None
            try:
                process.stdin.write(request.SerializeToString())
                process.stdin.close()
            except BrokenPipeError:
                pass  # it has ended: its exit code says more
            code = process.wait()
        if code == ERROR_SHOWN or (code and self._children.stopping):
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"the program exited with code {code}" if code else "")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a policy pack, which prints its port first, and pass on what it prints."""
        info = request.info
        try:
            python = interpreter(info, dict(entry.split("=", 1) for entry in request.env))
        except FileNotFoundError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        target = os.path.normpath(Path(info.program_directory) / (info.entry_point or "."))
        command = [python.executable, "-u", target, *request.args]
        pipe = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self._children.start(command, request.pwd, python.environment, context, **pipe) as process:
            yield from _output(process)
            yield language_pb2.RunPluginResponse(exitcode=process.wait())

    def Cancel(self, request: Any, context: Any) -> Any:
        self._children.stop()
        return empty_pb2.Empty()


def _output(process: "subprocess.Popen[bytes]") -> Iterator[Any]:
    """What a process prints, as it prints it, until both its outputs are closed."""
    printed: queue.Queue[Any] = queue.Queue()

    def pump(stream: IO[bytes], answer: Callable[[bytes], Any]) -> None:
        while data := os.read(stream.fileno(), READ_BYTES):
            printed.put(answer(data))
        printed.put(None)

    assert process.stdout is not None
    assert process.stderr is not None
    response = language_pb2.RunPluginResponse
    streams = (process.stdout, lambda data: response(stdout=data)), (process.stderr, lambda data: response(stderr=data))
    for stream in streams:
        threading.Thread(target=pump, args=stream, daemon=True).start()
    for _ in streams:
        yield from iter(printed.get, None)
