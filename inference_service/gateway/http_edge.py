"""What of HTTP the gateway takes. aiohttp's parser (llhttp, strict) refuses two lengths, a length beside chunks, bare
line feeds, folded headers and a missing or second Host; what it lets through, and a proxy could read otherwise, is
refused here: https://www.rfc-editor.org/rfc/rfc9112#section-11.2
"""

from collections.abc import Iterable

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler

from inference_service import contract
from inference_service.gateway.errors import ApiError

# Each means one thing: of two, a proxy may go by the first and we by the second.
SINGLE = (
    hdrs.AUTHORIZATION,
    hdrs.CONTENT_TYPE,
    contract.HEADER_IDEMPOTENCY_KEY,
    contract.HEADER_REQUEST_ID,
    contract.HEADER_DEADLINE,
    contract.HEADER_CONNECT_TIMEOUT,
    contract.HEADER_SILENCE_TIMEOUT,
    contract.HEADER_TOTAL_TIMEOUT,
)
MOST_NESTING = 64  # of the body's arrays and objects; JSON schemas need about ten


def refusal(request: web.BaseRequest) -> ApiError | None:
    """Why this request is not taken, or None. Pure."""
    for name in SINGLE:
        if len(request.headers.getall(name, ())) > 1:
            return ApiError(400, f"The header {name} came more than once.", param=name, code="ambiguous_request")
    coding = request.headers.get(hdrs.TRANSFER_ENCODING)
    if coding is not None and (coding.strip().lower() != "chunked" or request.version < HttpVersion11):
        text = "Transfer-Encoding may be chunked and nothing else, from HTTP/1.1 on."
        return ApiError(400, text, param=hdrs.TRANSFER_ENCODING, code="ambiguous_request")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() != "identity":
        text = "Request bodies are taken without Content-Encoding."
        return ApiError(415, text, param=hdrs.CONTENT_ENCODING, code="unsupported_encoding")
    return None


@web.middleware
async def unambiguous(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse before anything of the request is used, its key included."""
    if problem := refusal(request):
        raise problem
    return await handler(request)


async def expected(request: web.Request) -> web.StreamResponse | None:
    """`Expect: 100-continue` gets its interim answer; there is nothing else to expect."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # else aiohttp takes the answer for begun
        return None
    error = ApiError(417, "Expect may be 100-continue and nothing else.", param=hdrs.EXPECT, code="bad_http")
    return web.Response(body=error.body(), status=417, content_type="application/json")


def deeper_than(document: object, most: int) -> bool:
    """Whether arrays and objects are nested deeper than `most`, without recursion. Pure."""
    level = [document]
    for _ in range(most):
        level = [inner for each in level for inner in _inner(each) if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _inner(each: object) -> Iterable[object]:
    if isinstance(each, dict):
        return each.values()
    return each if isinstance(each, list) else ()
