"""No client makes gateway or node connect anywhere: every place for an address is refused, and nothing is called."""

import asyncio
from typing import Any

import aiohttp
import pytest

from inference_service import contract

MODEL = "smollm2"


@pytest.mark.parametrize("name", ["base_url", "api_base", "api_key", "model_url", "proxy", "webhook", "callback_url"])
async def test_an_address_from_a_client_is_refused_and_never_called(shared_gateway: Any, name: str):
    await refused_without_a_call(shared_gateway, lambda url: {name: url})


@pytest.mark.parametrize("kind", ["image_url", "input_image", "file", "input_audio", "video_url"])
async def test_a_part_with_a_url_is_refused_and_never_fetched(shared_gateway: Any, kind: str):
    def message(url: str) -> dict[str, Any]:
        part = {"type": kind, kind: {"url": url}, "image_url": {"url": url}}
        return {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, part]}]}

    await refused_without_a_call(shared_gateway, message)


async def refused_without_a_call(gateway: Any, members: Any) -> None:
    calls: list[bytes] = []

    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(called, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]} | members(url)
    headers = {"Host": "gateway", "X-Forwarded-Host": url, "Forwarded": f"host={url}", "Referer": url}
    async with (
        server,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http,
        http.post(gateway.url + contract.PATH_CHAT_COMPLETIONS, json=body, headers=headers) as answer,
    ):
        error = (await answer.json())["error"]
        assert (answer.status, error["code"] in ("unknown_parameter", "unsupported_parameter")) == (400, True), error
    assert calls == []
