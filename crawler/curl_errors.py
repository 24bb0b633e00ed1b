"""What libcurl's errors mean, in the codes of reasons.py. Pure."""

import pycurl

_CODES: dict[int, str] = {
    pycurl.E_UNSUPPORTED_PROTOCOL: "bad_response",  # of the answer: HTTP/0.9, or no HTTP at all
    pycurl.E_URL_MALFORMAT: "bad_url",
    pycurl.E_COULDNT_RESOLVE_HOST: "dns",
    pycurl.E_COULDNT_CONNECT: "connect",
    pycurl.E_FTP_WEIRD_SERVER_REPLY: "bad_response",  # curl calls it WEIRD_SERVER_REPLY now
    pycurl.E_HTTP2: "bad_response",
    pycurl.E_PARTIAL_FILE: "reset",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_SSL_CONNECT_ERROR: "tls",
    pycurl.E_ABORTED_BY_CALLBACK: "private_address",  # only the fetcher's check of the address aborts
    pycurl.E_INTERFACE_FAILED: "connect",
    pycurl.E_GOT_NOTHING: "reset",
    pycurl.E_SEND_ERROR: "reset",
    pycurl.E_RECV_ERROR: "reset",
    pycurl.E_SSL_CIPHER: "tls",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls",
    pycurl.E_BAD_CONTENT_ENCODING: "bad_encoding",
    pycurl.E_FILESIZE_EXCEEDED: "too_large",
    pycurl.E_SSL_CACERT_BADFILE: "tls",
    pycurl.E_SSL_INVALIDCERTSTATUS: "tls",
    92: "reset",  # CURLE_HTTP2_STREAM: one stream of a connection was closed by the server
    100: "headers_too_large",  # CURLE_TOO_LARGE: more lines, or a longer one, than libcurl itself takes
}
"""What libcurl's error numbers mean here (https://curl.se/libcurl/c/libcurl-errors.html). Others: `bad_response`."""

_WORDS = (
    (pycurl.E_SSL_CONNECT_ERROR, "Recv failure", "reset"),
    (pycurl.E_SSL_CONNECT_ERROR, "Send failure", "reset"),
    (pycurl.E_SSL_CONNECT_ERROR, "SYSCALL", "reset"),
    (pycurl.E_SSL_CONNECT_ERROR, "unexpected eof", "reset"),
    (pycurl.E_RECV_ERROR, "chunk", "bad_response"),
)
"""Where one number stands for several troubles, only libcurl's words tell them apart: number, words, code."""


def code(errno: int, message: str) -> str:
    """The code of reasons.py for an error of libcurl's."""
    for number, words, meant in _WORDS:
        if errno == number and words in message:
            return meant
    return _CODES.get(errno, "bad_response")
