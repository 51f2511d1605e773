"""CARLA's streams: sensor data and snapshots, pushed to whoever asked for them.

A reader connects, sends the number of a stream (u32, little-endian) and then only reads: a length (u32) and so many
bytes, again and again. Closing the socket ends the subscription. Which stream, and at which port, is in a token of 24
bytes that a client gets by RPC.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import time

LOG = logging.getLogger(__name__)

TOKEN = struct.Struct("<IHBB16x")
"""Stream, port, protocol (1: TCP), kind of address (0: the one that the client knows already)."""

LENGTH = struct.Struct("<I")

MOST_UNREAD = 4 * 2**20
"""Bytes that a reader may be behind before it counts as slow."""

ARRIVAL_S = 1.0
"""How long a synchronous world waits for a subscriber who has asked for a token and not connected yet."""

PATIENCE_S = 10.0
"""How long a synchronous world waits for a slow reader before it drops it."""


class Reader(asyncio.Protocol):
    """The connection of one subscriber."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._greeting = b""
        self._transport: asyncio.Transport | None = None
        self.stream: int | None = None
        self.caught_up = asyncio.Event()
        self.caught_up.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the number of a stream."""
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=MOST_UNREAD)
        self._transport = transport
        self._streams.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """The subscription ends."""
        self._transport = None
        self.caught_up.set()
        self._streams.forget(self)

    def pause_writing(self) -> None:
        """The reader has fallen behind."""
        self.caught_up.clear()

    def resume_writing(self) -> None:
        """The reader has caught up."""
        self.caught_up.set()

    def data_received(self, data: bytes) -> None:
        """Read which stream is wanted; anything more is an error."""
        self._greeting += data[: LENGTH.size + 1]
        if self.stream is not None or len(self._greeting) > LENGTH.size:
            LOG.warning("a subscriber sent what is no stream number and is closed")
            self.abort()
        elif len(self._greeting) == LENGTH.size:
            (self.stream,) = LENGTH.unpack(self._greeting)
            if not self._streams.subscribe(self):
                LOG.info("stream %d was asked for and does not exist", self.stream)
                self.abort()

    def send(self, data: bytes) -> None:
        """Send a message, its length first."""
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        """Hang up, whatever is on its way."""
        if self._transport is not None:
            self._transport.abort()


class Streams:
    """All streams of a server: numbers, subscribers, tokens.

    Attributes:
        port: where readers connect; known once the server listens.
        connections: everybody who is connected.
    """

    def __init__(self) -> None:
        self.port = 0
        self.connections: set[Reader] = set()
        self._subscribers: dict[int, set[Reader]] = {}
        self._next = 1
        self._expected: dict[int, tuple[int, float]] = {}
        self._arrival = asyncio.Event()

    def open(self) -> int:
        """A new stream's number."""
        number = self._next
        self._next += 1
        self._subscribers[number] = set()
        return number

    def close(self, number: int) -> None:
        """End a stream; its readers are disconnected."""
        for reader in list(self._subscribers.pop(number, ())):
            reader.abort()

    def __contains__(self, number: int) -> bool:
        return number in self._subscribers

    def token(self, number: int) -> bytes:
        """What a client needs to subscribe."""
        return TOKEN.pack(number, self.port, 1, 0)

    def expect(self, number: int) -> None:
        """Somebody has asked for a token and will connect in a moment."""
        self._expected[number] = self._expected.get(number, (0, 0.0))[0] + 1, time.monotonic() + ARRIVAL_S

    @property
    def awaited(self) -> bool:
        """Whether somebody is about to connect."""
        now_s = time.monotonic()
        self._expected = {
            number: (count, until_s)
            for number, (count, until_s) in self._expected.items()
            if count > 0 and until_s > now_s and number in self._subscribers
        }
        return bool(self._expected)

    async def arrivals(self) -> None:
        """Wait for those who are about to connect, so that they miss no frame of a synchronous world.

        However many ask for tokens in the meantime, it ends after a while.
        """
        until_s = time.monotonic() + ARRIVAL_S
        while self.awaited and time.monotonic() < until_s:
            self._arrival.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrival.wait(), ARRIVAL_S / 10)

    def subscribe(self, reader: Reader) -> bool:
        """Let a reader have a stream; False if there is none of its number."""
        assert reader.stream is not None
        subscribers = self._subscribers.get(reader.stream)
        if subscribers is None:
            return False
        subscribers.add(reader)
        count, until_s = self._expected.get(reader.stream, (0, 0.0))
        self._expected[reader.stream] = max(count - 1, 0), until_s
        self._arrival.set()
        return True

    def forget(self, reader: Reader) -> None:
        """A reader is gone."""
        self.connections.discard(reader)
        if reader.stream is not None:
            self._subscribers.get(reader.stream, set()).discard(reader)

    def wanted(self, number: int) -> bool:
        """Whether anybody reads a stream."""
        return bool(self._subscribers.get(number))

    def publish(self, number: int, payload: bytes, wait: bool) -> None:
        """Send a message to all readers of a stream.

        Args:
            number: of the stream.
            payload: the message.
            wait: whether a slow reader gets it nevertheless (the caller then awaits ``settle``) or misses it.
        """
        readers = self._subscribers.get(number)
        if not readers:
            return
        data = LENGTH.pack(len(payload)) + payload
        for reader in readers:
            if wait or reader.caught_up.is_set():
                reader.send(data)

    @property
    def settled(self) -> bool:
        """Whether no reader is behind."""
        return all(reader.caught_up.is_set() for reader in self.connections)

    async def settle(self) -> None:
        """Wait for slow readers; those that do not read at all are dropped."""
        for reader in [reader for reader in self.connections if not reader.caught_up.is_set()]:
            try:
                await asyncio.wait_for(reader.caught_up.wait(), PATIENCE_S)
            except TimeoutError:
                LOG.warning(
                    "a subscriber of stream %s has not read for %g s and is dropped",
                    reader.stream,
                    PATIENCE_S,
                )
                reader.abort()
