"""Clients that send or read as slowly as they can take nothing from the others: slowhttptest beside good requests."""

import asyncio
import re
import shutil
import subprocess
from typing import Any

import aiohttp
import pytest

from tests.contract.conftest import MODEL
from tests.contract.node_bytes import CHAT

pytestmark = [
    pytest.mark.failures,  # a quarter of a minute for each attack
    pytest.mark.skipif(not shutil.which("slowhttptest"), reason="slowhttptest is not installed (apt-get install)"),
]
CONNECTIONS, ATTACK_SECONDS = 500, 15
ATTACKS = {
    "headers that never end": ["-H", "-i", "2"],
    "a body of 4 KiB, some bytes every two seconds": ["-B", "-i", "2", "-s", "4096", "-f", "application/json"],
    "an answer read by five bytes a second": ["-X", "-n", "1", "-z", "5", "-w", "1", "-y", "5", "-k", "3"],
}
COLOURS = re.compile(r"\x1b\[[\d;]*m")
PATHS = {"-H": CHAT, "-B": CHAT, "-X": "/metrics"}
BODY = {"model": MODEL, "max_tokens": 2, "messages": [{"role": "user", "content": "one two"}]}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_good_requests_are_answered_meanwhile(shared_gateway: Any, attack: str):
    options = ATTACKS[attack]
    url = shared_gateway.url + PATHS[options[0]]
    command = ["slowhttptest", *options, "-c", str(CONNECTIONS), "-r", "200", "-l", str(ATTACK_SECONDS), "-u", url]
    answered = 0
    attacker = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = asyncio.create_task(attacker.communicate())
    async with aiohttp.ClientSession(shared_gateway.url, timeout=aiohttp.ClientTimeout(10)) as http:
        while not output.done():
            async with http.post(CHAT, json=BODY) as answer:
                assert answer.status == 200, await answer.text()
            answered += 1
    said = COLOURS.sub("", (await output)[0].decode())
    assert answered > ATTACK_SECONDS  # more than one a second
    connected = [int(count) for count in re.findall(r"connected: +(\d+)", said)]
    assert max(connected) > CONNECTIONS / 2, said[-2000:]
