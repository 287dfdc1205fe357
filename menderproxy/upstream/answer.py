"""An upstream's answer: its head, and its body on the way to whoever takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.logger import Logger

from menderproxy.upstream.errors import UpstreamTimeout, UpstreamUnavailable
from menderproxy.upstream.statistics import Statistics, Trouble
from menderproxy.wire.body import BodySink
from menderproxy.wire.response_head import ResponseHead


class Source(Protocol):
    """Where the rest of a body comes from."""

    def pause(self) -> None:
        """Send nothing more for now."""

    def resume(self) -> None:
        """Send on."""

    def drop(self) -> None:
        """Send nothing more at all."""


class Answer:
    """
    The head of an upstream's answer, and its body: to be delivered, or aborted.

    :ivar code: the status.
    :ivar phrase: the reason phrase.
    :ivar headers: raw, in order, with duplicates; without the framing ones.
    :ivar length: bytes of the body, or ``None`` when the upstream doesn't say.

    :param source: sends the rest of the body; ``None`` when all of it is here.
    :param content: what is here of the body.
    :param statistics: counts the body's bytes, and how it ends if not well.
    """

    log = Logger()

    __slots__ = (
        "_ending",
        "_held",
        "_is_busy",
        "_is_paused",
        "_last",
        "_over",
        "_sink",
        "_source",
        "_statistics",
        "code",
        "headers",
        "length",
        "phrase",
    )

    def __init__(
        self, head: ResponseHead, source: Source | None, content: bytes, statistics: Statistics
    ):
        self.code = head.code
        self.phrase = head.phrase
        self.headers = head.headers
        self.length = head.length
        self._last = head.last
        self._source = source
        self._held = content
        self._ending: bool | Exception | None = True if source is None else None
        self._statistics = statistics
        statistics.received += len(content)
        self._sink: BodySink | None = None
        self._is_paused = False
        self._is_busy = False
        self._over: Callable[[], object] | None = None

    def header(self, name: bytes) -> bytes | None:
        """The last value of one header."""
        return self._last.get(name.lower())

    @property
    def is_wanted(self) -> bool:
        """Whether somebody takes the body, and more of it at once."""
        return self._sink is not None and not self._is_paused

    def when_over(self, callback: Callable[[], object]) -> None:
        """
        Say when the connection has no more to do for this answer.

        :param callback: called once; now, if that is so already.
        """
        if self._source is None:
            callback()
        else:
            self._over = callback

    # For who takes the body

    def take_whole(self) -> bytes | None:
        """
        Give the body, if all of it came together with the head.

        Then there is nothing to deliver any more; if not, nothing was done.
        """
        if self._source is not None or self._sink is not None or self._ending is not True:
            return None
        whole, self._held, self._ending = self._held, b"", None
        return whole

    def deliver(self, sink: BodySink) -> None:
        """Let the body flow to *sink* (see :class:`menderproxy.wire.body.Body`)."""
        self._sink = sink
        self._go_on()

    def pause(self) -> None:
        """Stop the body for a while."""
        if self._sink is not None:
            self._is_paused = True
            if self._source is not None:
                self._source.pause()

    def resume(self) -> None:
        """Let the body flow again."""
        if self._is_paused:
            self._is_paused = False
            self._go_on()

    def abort(self) -> None:
        """Drop the body, and the connection with it unless all of it is here."""
        self._sink = None
        self._held = b""
        self._ending = None
        source = self._source
        self._detach()
        if source is not None:
            source.drop()

    # For the source

    def received(self, content: bytes) -> None:
        """More of the body came."""
        self._statistics.received += len(content)
        self._held = self._held + content
        self._pass_on()

    def ended(self, ending: bool | Exception, content: bytes = b"") -> None:
        """
        The body is over, or broke off.

        :param ending: whether it is certainly all, or what broke it.
        :param content: the last of it.
        """
        self._ending = ending
        self._detach()
        self.received(content)

    def _go_on(self) -> None:
        self._pass_on()
        if self._source is not None and self.is_wanted:
            self._source.resume()

    def _pass_on(self) -> None:
        """
        Give the sink what is here; not while it is at it, or bytes could overtake others.

        Only bytes wait for a sink that is full: the end takes no room, and a device's answer
        that is complete, or broken, has nothing to gain from waiting.
        """
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._sink is not None:
                if self._held and not self._is_paused:
                    content, self._held = self._held, b""
                    self._sink.body_data(content)
                elif self._ending is not None and not self._held:
                    self._tell_end(self._ending)
                else:
                    break
        except Exception:
            self._fail()
        finally:
            self._is_busy = False

    def _tell_end(self, ending: bool | Exception) -> None:
        sink, self._sink = self._sink, None
        self._ending = None
        assert sink is not None, "only called with somebody to tell"
        if isinstance(ending, Exception):
            is_late = isinstance(ending, UpstreamTimeout)
            self._statistics.troubles[Trouble.TIMEOUT if is_late else Trouble.BROKEN_OFF] += 1
            sink.body_broken(ending)
        else:
            sink.body_ended(certain=ending)

    def _fail(self) -> None:
        """Whoever takes the body has a defect."""
        self.log.failure("while passing an answer's body on")
        sink = self._sink
        self.abort()
        if sink is not None:
            sink.body_broken(UpstreamUnavailable("the upstream's answer could not be passed on"))

    def _detach(self) -> None:
        self._source = None
        over, self._over = self._over, None
        if over is not None:
            over()
