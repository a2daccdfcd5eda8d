"""The two AWS APIs that the local cloud lacks, answered at the HTTP edge: Service Quotas and the Price List.

Stubs, with replies in the form of AWS's API references; the figures are made up.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

QUOTAS = {"L-34B43A08": 64.0, "L-1216C47A": 5.0, "L-0263D0A3": 5.0}  # others: 0, as on a new account
PRICE = 0.2


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        reply = {"GetServiceQuota": _quota, "GetProducts": _products}[operation](asked)
        text = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _quota(asked: dict[str, str]) -> object:
    return {"Quota": {"QuotaCode": asked["QuotaCode"], "Value": QUOTAS.get(asked["QuotaCode"], 0.0)}}


def _products(asked: dict[str, list[dict[str, str]]]) -> object:
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": str(PRICE)}}
    free = {"unit": "Hrs", "pricePerUnit": {"USD": "0.0000000000"}}
    terms = {"OnDemand": {"T": {"priceDimensions": {"D": dimension, "F": free}}}}
    named = {each["Field"]: each["Value"] for each in asked["Filters"]}
    assert named["operatingSystem"] == "Linux"
    return {"FormatVersion": "aws_v1", "PriceList": [json.dumps({"product": {}, "terms": terms})]}


@contextlib.contextmanager
def aws_edge() -> Iterator[str]:
    """Its URL, for AWS_ENDPOINT_URL_PRICING and AWS_ENDPOINT_URL_SERVICE_QUOTAS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
