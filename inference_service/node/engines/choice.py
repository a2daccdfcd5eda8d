"""The engine that the settings name. Each one's libraries are imported only where it is chosen."""

from inference_service.node.engines.protocol import Engine
from inference_service.node.settings import NodeSettings


def create_engine(settings: NodeSettings) -> Engine:
    """An engine with nothing loaded."""
    if settings.engine == "stub":
        from inference_service.node.engines.stub import StubEngine

        return StubEngine(settings.stub, context_tokens=settings.context_tokens)
    if settings.engine == "vllm":
        from inference_service.node.engines.vllm import VllmEngine

        return VllmEngine(settings)
    from inference_service.node.engines.llama_cpp import LlamaCppEngine

    return LlamaCppEngine(context_tokens=settings.context_tokens, slots=settings.slots)
