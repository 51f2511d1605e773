"""Streams: tokens of 24 bytes, length before message, slow readers waited for or passed over."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from simulator.carla import streaming
from simulator.carla.streaming import MOST_UNREAD, Reader, Streams


def _with_streams(work: Callable[[Streams], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        streams = Streams()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Reader(streams), "127.0.0.1", 0)
        streams.port = server.sockets[0].getsockname()[1]
        try:
            return await work(streams)
        finally:
            for reader in list(streams.connections):
                reader.abort()
            server.close()

    return asyncio.run(run())


async def _subscribe(streams: Streams, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", streams.port)
    writer.write(struct.pack("<I", number))
    return reader, writer


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def test_a_token_says_stream_port_and_protocol() -> None:
    streams = Streams()
    streams.port = 2001
    number = streams.open()

    token = streams.token(number)

    assert len(token) == 24
    assert struct.unpack("<IHBB", token[:8]) == (number, 2001, 1, 0)
    assert token[8:] == bytes(16)


def test_every_subscriber_gets_every_message() -> None:
    async def work(streams: Streams) -> list[bytes]:
        number = streams.open()
        readers = [await _subscribe(streams, number) for _ in range(2)]
        await _until(lambda: len(streams.connections) == 2 and streams.wanted(number))
        await asyncio.sleep(0.05)
        for message in (b"first", b"", b"second"):
            streams.publish(number, message, wait=True)
        received = [await asyncio.wait_for(reader.readexactly(3 * 4 + 11), 5) for reader, _ in readers]
        for _, writer in readers:
            writer.close()
        await _until(lambda: not streams.wanted(number))
        return received

    expected = b"".join(struct.pack("<I", len(m)) + m for m in (b"first", b"", b"second"))
    assert _with_streams(work) == [expected, expected]


def test_streams_that_are_not_there_and_chatter_are_closed() -> None:
    async def work(streams: Streams) -> list[bytes]:
        number = streams.open()
        absent, first = await _subscribe(streams, 77)
        chatty, second = await _subscribe(streams, number)
        second.write(b"more than a number")
        closed = [await asyncio.wait_for(_rest(reader), 5) for reader in (absent, chatty)]
        first.close()
        second.close()
        return closed

    assert _with_streams(work) == [b"", b""]


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


def test_a_slow_reader_misses_messages_or_is_waited_for() -> None:
    message = bytes(MOST_UNREAD)

    async def work(streams: Streams) -> tuple[bool, int]:
        number = streams.open()
        reader, writer = await _subscribe(streams, number)
        await _until(lambda: streams.wanted(number))
        for _ in range(4):
            streams.publish(number, message, wait=True)
        behind = not streams.settled
        streams.publish(number, b"dropped", wait=False)
        waiting = asyncio.create_task(streams.settle())
        received = await asyncio.wait_for(reader.readexactly(4 * (4 + MOST_UNREAD)), 20)
        await asyncio.wait_for(waiting, 5)
        streams.publish(number, b"kept", wait=False)
        tail = await asyncio.wait_for(reader.readexactly(8), 5)
        writer.close()
        assert tail == struct.pack("<I", 4) + b"kept"
        return behind, len(received)

    assert _with_streams(work) == (True, 4 * (4 + MOST_UNREAD))


def test_a_reader_that_never_reads_is_dropped(monkeypatch: Any) -> None:
    monkeypatch.setattr(streaming, "PATIENCE_S", 0.1)

    async def work(streams: Streams) -> bool:
        number = streams.open()
        _, writer = await _subscribe(streams, number)
        await _until(lambda: streams.wanted(number))
        for _ in range(4):
            streams.publish(number, bytes(MOST_UNREAD), wait=True)
        await asyncio.wait_for(streams.settle(), 5)
        await _until(lambda: not streams.wanted(number))
        writer.close()
        return streams.settled

    assert _with_streams(work)


def test_whoever_has_asked_for_a_token_is_waited_for() -> None:
    async def work(streams: Streams) -> tuple[bool, bool]:
        number = streams.open()
        streams.expect(number)
        before = streams.awaited
        waiting = asyncio.create_task(streams.arrivals())
        _, writer = await _subscribe(streams, number)
        await asyncio.wait_for(waiting, 5)
        wanted = streams.wanted(number)
        writer.close()
        return before, wanted

    assert _with_streams(work) == (True, True)
