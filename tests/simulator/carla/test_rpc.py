"""The call layer: answers as rpclib gives them, and a malformed message closes its own connection only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import msgpack
import pytest

from simulator.carla.rpc import Connection, Dispatcher, Refusal


def _dispatcher() -> Dispatcher:
    dispatcher = Dispatcher()

    async def slow(text: str) -> str:
        await asyncio.sleep(0.05)
        return text

    def refuse() -> None:
        raise Refusal("no")

    dispatcher.value("add", lambda a, b: a + b)
    dispatcher.value("slow", slow)
    dispatcher.value("refuse", refuse)
    dispatcher.done("refuse_void", refuse)
    dispatcher.done("nothing", lambda: None)
    dispatcher.bare("list", lambda: [1, 2])
    return dispatcher


def _talk(*payloads: bytes, count: int) -> list[list[Any]]:
    """Send bytes over one connection each; what comes back on the last."""

    async def talk() -> list[list[Any]]:
        connections: set[Connection] = set()
        dispatcher = _dispatcher()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(dispatcher, connections), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in payloads]
        for (_, writer), payload in zip(pairs, payloads, strict=True):
            writer.write(payload)
        reader = pairs[-1][0]
        unpacker, answers = msgpack.Unpacker(raw=False), []
        while len(answers) < count:
            data = await asyncio.wait_for(reader.read(65536), 5)
            if not data:
                break
            unpacker.feed(data)
            answers += list(unpacker)
        for _, writer in pairs:
            writer.close()
        server.close()
        return answers

    return _run(talk())


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def _request(number: int, method: str, *arguments: object) -> bytes:
    packed: bytes = msgpack.packb([0, number, method, [[False], *arguments]])
    return packed


def test_results_are_wrapped_as_the_client_reads_them() -> None:
    requests = [("add", 2, 3), ("refuse",), ("nothing",), ("refuse_void",), ("list",)]

    answers = _talk(b"".join(_request(n, *r) for n, r in enumerate(requests)), count=5)

    assert answers == [
        [1, 0, None, [[1, 5]]],
        [1, 1, None, [[0, ["no"]]]],
        [1, 2, None, [[False]]],
        [1, 3, None, [[True, ["no"]]]],
        [1, 4, None, [1, 2]],
    ]


def test_unknown_calls_are_refused_in_rpclibs_words_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        (answer,) = _talk(_request(7, "fly", 1), count=1)

    assert answer == [1, 7, "rpclib: server could not find function 'fly' with argument count 2.", None]
    assert "UNKNOWN CALL: fly" in caplog.text


def test_wrong_arguments_are_an_error_and_the_connection_lives() -> None:
    answers = _talk(_request(1, "add", 2) + _request(2, "add", 2, "x") + _request(3, "add", 1, 1), count=3)

    assert all("cannot be used" in answer[2] for answer in answers[:2])
    assert answers[2] == [1, 3, None, [[1, 2]]]


def test_answers_keep_the_order_of_requests() -> None:
    answers = _talk(_request(1, "slow", "a") + _request(2, "add", 1, 1) + _request(3, "slow", "b"), count=3)

    assert [answer[1] for answer in answers] == [1, 2, 3]
    assert answers[2][3] == [[1, "b"]]


@pytest.mark.parametrize(
    "malformed",
    [
        msgpack.packb(5),
        msgpack.packb([0, 1, "add"]),
        msgpack.packb([0, "1", "add", [[False]]]),
        msgpack.packb([2, "add", [[False]]]),
        msgpack.packb([0, 1, 2, [[False]]]),
        msgpack.packb([0, 1, "add", 3]),
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 5000,
        b"\x81\x90\x01",
    ],
    ids=range(10),
)
def test_a_malformed_message_closes_that_connection_only(
    malformed: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert _talk(malformed + _request(1, "add", 1, 1), count=1) == []
    assert _talk(malformed, _request(2, "add", 1, 1), count=1) == [[1, 2, None, [[1, 2]]]]
    # asyncio says so when it has to end a connection by itself
    assert "Fatal error" not in caplog.text


def test_a_message_may_come_in_pieces() -> None:
    async def talk() -> list[Any]:
        dispatcher, connections = _dispatcher(), set()  # type: ignore[var-annotated]
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(dispatcher, connections), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for byte in _request(9, "add", 20, 22):
            writer.write(bytes([byte]))
            await writer.drain()
        unpacker = msgpack.Unpacker(raw=False)
        unpacker.feed(await asyncio.wait_for(reader.read(100), 5))
        writer.close()
        server.close()
        return list(unpacker)

    assert _run(talk()) == [[1, 9, None, [[1, 42]]]]
