"""The gateways' side of the token between them and nodes: they make it, change it every day, and send it."""

import asyncio
from collections.abc import Callable

import aiohttp
import structlog
from botocore.exceptions import BotoCoreError, ClientError

from inference_service.node_tokens import NodeTokensError, in_use, maintained, parse, to_json
from inference_service.secret_document import SecretConflictError, SecretDocument

AGAIN_SECONDS = 1.0


async def keep_node_token(
    http: aiohttp.ClientSession, stored: SecretDocument, seconds: float, now: Callable[[], float]
) -> None:
    """Have `http` send the token of this moment, for ever. The last one stays while SSM fails.

    Gateways do this all at once; whoever writes second finds that nothing is left to do (SecretDocument).
    """
    log, failing = structlog.get_logger(), False
    while True:
        try:
            tokens = parse(await asyncio.to_thread(_maintain, stored, now))
            http.headers["Authorization"] = f"Bearer {in_use(tokens, now()).token}"
            failing = False
        except (ClientError, BotoCoreError, NodeTokensError, SecretConflictError) as error:
            if not failing:
                known = "Authorization" in http.headers
                log.warning("the nodes' token cannot be read or made", known=known, error=str(error))
            failing = True
        await asyncio.sleep(min(seconds, AGAIN_SECONDS) if failing else seconds)


def _maintain(stored: SecretDocument, now: Callable[[], float]) -> str:
    text = stored.read()
    tokens = parse(text)
    if maintained(tokens, now()) == tokens:
        return text
    return stored.change(lambda before: to_json(maintained(parse(before), now())))
