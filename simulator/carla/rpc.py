"""msgpack-rpc over TCP as CARLA's client speaks it: a bare stream of msgpack objects, one request at a time.

A request is ``[0, id, method, [metadata, *arguments]]`` with ``metadata = [async]``; the answer is
``[1, id, error, result]``, where a result is wrapped as the client expects it (``Answer``). A connection that sends
anything else is closed; the others notice nothing.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgpack

LOG = logging.getLogger(__name__)

LARGEST_MESSAGE = 64 * 2**20
"""Bytes that a client may have sent of a message that is not complete."""

REQUEST, RESPONSE = 0, 1

Handler = Callable[..., Any]
"""Called with the arguments of a request; gives back the result, or an awaitable of it."""


class Wrapping(NamedTuple):
    """How the client expects a result.

    Attributes:
        success: makes the answer out of a result.
        failed: what an answer begins with that holds an error instead.
    """

    success: Callable[[Any], Any]
    failed: int | bool


VALUE = Wrapping(lambda result: [[1, result]], 0)
"""``Response<T>``."""

DONE = Wrapping(lambda result: [[False]], True)
"""``Response<void>``."""

BARE = Wrapping(lambda result: result, 0)
"""No wrapping at all."""


class Refusal(Exception):
    """A call that is understood and cannot be done: its text reaches the client as a RuntimeError."""


class Dispatcher:
    """Which function answers which method.

    A handler is registered with the number of arguments it takes and with how its result is wrapped.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, tuple[Handler, Wrapping]] = {}
        self._unknown: set[str] = set()

    def __contains__(self, method: str) -> bool:
        return method in self._handlers

    @property
    def methods(self) -> list[str]:
        """Names of everything that is answered."""
        return sorted(self._handlers)

    def handler(self, method: str) -> Handler:
        """The function that answers a method."""
        return self._handlers[method][0]

    def value(self, method: str, handler: Handler) -> None:
        """Register a method whose result is a value or an error (``Response<T>``)."""
        self._handlers[method] = handler, VALUE

    def done(self, method: str, handler: Handler) -> None:
        """Register a method that only succeeds or fails (``Response<void>``)."""
        self._handlers[method] = handler, DONE

    def bare(self, method: str, handler: Handler) -> None:
        """Register a method whose result is not wrapped."""
        self._handlers[method] = handler, BARE

    def call(
        self, method: str, arguments: list[Any]
    ) -> tuple[str | None, Any] | Awaitable[tuple[str | None, Any]]:
        """Answer a request: the error text or None, and the wrapped result; possibly later."""
        found = self._handlers.get(method)
        if found is None:
            return self._refuse_unknown(method, len(arguments) + 1), None
        handler, wrapping = found
        try:
            result = handler(*arguments)
        except Exception as error:
            return self._failure(method, error, wrapping)
        if inspect.isawaitable(result):
            return self._later(method, result, wrapping)
        return None, wrapping.success(result)

    async def _later(self, method: str, result: Awaitable[Any], wrapping: Wrapping) -> tuple[str | None, Any]:
        try:
            return None, wrapping.success(await result)
        except Exception as error:
            return self._failure(method, error, wrapping)

    def _failure(self, method: str, error: Exception, wrapping: Wrapping) -> tuple[str | None, Any]:
        if isinstance(error, Refusal):
            return None, [[wrapping.failed, [str(error)]]]
        if isinstance(error, (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError)):
            LOG.warning(
                "call of %s with arguments it does not take: %s: %s", method, type(error).__name__, error
            )
            return f"arguments of {method} cannot be used: {error}", None
        LOG.error("fault in %s", method, exc_info=error)
        return f"{method} failed: {error}", None

    def _refuse_unknown(self, method: str, count: int) -> str:
        if method not in self._unknown and len(self._unknown) < 1000:
            # a call without waiting fails in silence at the client: here is where it is noticed
            self._unknown.add(method)
            LOG.error("UNKNOWN CALL: %s with %d arguments is not supported by this server", method, count)
        return f"rpclib: server could not find function '{method}' with argument count {count}."


class Connection(asyncio.Protocol):
    """One client's connection. Requests are answered in the order in which they came."""

    def __init__(self, dispatcher: Dispatcher, connections: set[Connection]) -> None:
        self._dispatcher, self._connections = dispatcher, connections
        self._unpacker = msgpack.Unpacker(
            raw=False, strict_map_key=False, unicode_errors="surrogateescape", max_buffer_size=LARGEST_MESSAGE
        )
        self._packer = msgpack.Packer(use_single_float=False, unicode_errors="surrogateescape")
        self._waiting: deque[list[Any]] = deque()
        self._pending: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; small answers are sent at once (asyncio sets TCP_NODELAY)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection, and what it still waits for."""
        self._connections.discard(self)
        self._transport = None
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        try:
            self._unpacker.feed(data)
            for message in self._unpacker:
                self._accept(message)
        # a map whose key is a list is a TypeError
        except (
            TypeError,
            ValueError,
            msgpack.exceptions.UnpackException,
            RecursionError,
            MemoryError,
        ) as error:
            self._close(f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def _accept(self, message: Any) -> None:
        sound = (
            isinstance(message, list)
            and len(message) == 4
            and message[0] == REQUEST
            and isinstance(message[1], int)
            and isinstance(message[2], str)
            and isinstance(message[3], list)
            # the first argument says whether the caller waits for the answer
            and (not message[3] or isinstance(message[3][0], list))
        )
        if not sound:
            raise ValueError("not a request")
        if self._pending is None:
            self._answer(message)
        else:
            self._waiting.append(message)

    def _answer(self, message: list[Any]) -> None:
        _, number, method, parameters = message
        answer = self._dispatcher.call(method, parameters[1:])
        if isinstance(answer, tuple):
            self._send(number, answer)
        else:
            self._pending = asyncio.ensure_future(self._answer_later(number, answer))

    async def _answer_later(self, number: int, answer: Awaitable[tuple[str | None, Any]]) -> None:
        try:
            self._send(number, await answer)
        finally:
            self._pending = None
        while self._waiting and self._pending is None:
            self._answer(self._waiting.popleft())

    def _send(self, number: int, answer: tuple[str | None, Any]) -> None:
        if self._transport is not None:
            self._transport.write(self._packer.pack([RESPONSE, number, *answer]))

    def _close(self, reason: str) -> None:
        LOG.warning("a connection sent what is no request and is closed (%s)", reason)
        if self._transport is not None:
            self._transport.abort()
