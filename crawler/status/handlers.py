"""The pages and the JSON of the status page. They only read; whatever crawled sites say in them is escaped."""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any

from tornado.web import HTTPError, RequestHandler, StaticFileHandler

from crawler import VERSION
from crawler.explain import answer
from crawler.frontier import FrontierError
from crawler.status import Watched, words
from crawler.status.door import Door
from crawler.status.view import look, status, to_json

_HEADERS = {
    "Server": f"Waterspout/{VERSION}",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HOSTS_LIMIT = 1000  # hosts in one answer


class FieldError(HTTPError):
    """A request that cannot be answered; `text` names the field and what is wrong with it."""

    def __init__(self, status_code: int, text: str) -> None:
        super().__init__(status_code)
        self.text = text


class GuardedHandler(RequestHandler):
    """What all addresses share: who is let in, the headers of safety, and how errors look."""

    @property
    def watched(self) -> Watched:
        """The crawl."""
        watched: Watched = self.settings["watched"]
        return watched

    @property
    def door(self) -> Door:
        """Who is let in."""
        door: Door = self.settings["door"]
        return door

    def set_default_headers(self) -> None:
        """For errors, too."""
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse a foreign Host before anything is read."""
        if not self.door.admits(self.request.host):
            raise FieldError(HTTPStatus.FORBIDDEN, "Host: this is not a name of the status page")

    def get_template_namespace(self) -> dict[str, Any]:
        """Templates write numbers by `words`."""
        return super().get_template_namespace() | {"words": words, "version": VERSION}

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A page for people; JSON where programs ask."""
        error = kwargs.get("exc_info", (None, None))[1]
        text = error.text if isinstance(error, FieldError) else HTTPStatus(status_code).phrase
        if self.request.path.startswith(("/api/", "/healthz", "/live")):
            self.send_json({"error": text})
        else:
            self.render("error.html", status=status_code, text=text)

    def send_json(self, content: dict[str, object]) -> None:
        """Answer with an object; the crawler's version is added."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(to_json({"version": VERSION} | content))


class GuardedStaticHandler(GuardedHandler, StaticFileHandler):
    """/static/: style, script and icon."""


class NotFoundHandler(GuardedHandler):
    """Every other address."""

    def prepare(self) -> None:
        """Whatever the method."""
        super().prepare()
        raise HTTPError(HTTPStatus.NOT_FOUND)


class ReadHandler(GuardedHandler):
    """What answers HEAD as it does GET; the body is then left out by Tornado."""

    def head(self, *args: str) -> Awaitable[None] | None:
        """As GET."""
        return self.get(*args)


class PageHandler(ReadHandler):
    """/: the page with all its figures, of use without JavaScript too."""

    def get(self) -> None:
        """Render the crawl as it is now."""
        self.render("page.html", crawl=self.watched.snapshot(), view=look(self.watched, self.watched.history()))


class StatusHandler(ReadHandler):
    """/api/status: the crawl now."""

    def get(self) -> None:
        """{version, state, pages, ...}: the fields of Snapshot."""
        self.send_json(status(self.watched.snapshot()))


class HostsHandler(ReadHandler):
    """/api/hosts: a page of the hosts."""

    def get(self) -> None:
        """{hosts, total}; `sort` is a field, with "-" before it for the largest first."""
        limit = self._whole("limit", 100, least=1, most=_HOSTS_LIMIT)
        offset = self._whole("offset", 0, least=0, most=10**9)
        name_part = self.get_query_argument("filter", "")
        try:
            hosts, total = self.watched.hosts(self.get_query_argument("sort", "-queued"), name_part, limit, offset)
        except ValueError:
            raise FieldError(HTTPStatus.BAD_REQUEST, "sort: not a field of hosts") from None
        self.send_json({"hosts": hosts, "total": total})

    def _whole(self, name: str, default: int, *, least: int, most: int) -> int:
        text = self.get_query_argument(name, str(default))
        # Python would also read "1_0" and the digits of other scripts.
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
            raise FieldError(HTTPStatus.BAD_REQUEST, f"{name}: a whole number from {least} to {most} is needed")
        return int(text)


class HostHandler(ReadHandler):
    """/api/hosts/HOST: one host."""

    def get(self, name: str) -> None:
        """The fields of HostView."""
        host = self.watched.host(name)
        if host is None:
            raise FieldError(HTTPStatus.NOT_FOUND, "host: not known to this crawl")
        self.send_json({field: getattr(host, field) for field in host.__slots__})


class RecentHandler(ReadHandler):
    """/api/recent: the last pages."""

    def get(self) -> None:
        """{pages}, newest first, as they were recorded."""
        self.send_json({"pages": self.watched.recent()})


class ErrorsHandler(ReadHandler):
    """/api/errors: what went wrong."""

    def get(self) -> None:
        """{errors}: by kind and host, most frequent first."""
        self.send_json({"errors": self.watched.errors()})


class ExplainHandler(ReadHandler):
    """/api/explain?url=: why a URL was, will be or will not be crawled."""

    async def get(self) -> None:
        """{url, state, reason, text, chain, attempts, due_at}, for any URL."""
        try:
            explanation = await self.watched.explain(self.get_query_argument("url", ""))
        except ValueError as error:
            raise FieldError(HTTPStatus.BAD_REQUEST, f"url: {error}") from None
        except FrontierError as error:
            raise FieldError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None
        self.send_json(answer(explanation))


class HealthHandler(ReadHandler):
    """/healthz: answered while the loop runs, for those who watch over processes."""

    def get(self) -> None:
        """{status: "ok", state}."""
        self.send_json({"status": "ok", "state": self.watched.snapshot().state})
