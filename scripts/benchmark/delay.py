"""Stand between this machine and a port, and hold back whatever passes, each way, for half a round trip.

Usage: delay.py ADDRESS PORT MILLISECONDS, of a round trip; prints the port of 127.0.0.1 on which it listens, and ends
when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

_AT_ONCE = 2**16


async def main(address: str, port: int, round_trip: float) -> None:
    """Serve until the standard input ends."""
    half = round_trip / 2

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip)  # the greeting of TCP itself
        there, here = await asyncio.open_connection(address, port)
        await asyncio.gather(_pass_on(reader, here, half), _pass_on(there, writer, half))

    server = await asyncio.start_server(serve, "127.0.0.1")
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(ended), sys.stdin)
    await ended.read()
    os._exit(0)  # connections that are still open are of nobody's interest, nor is what asyncio says about their end


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, after: float) -> None:
    loop = asyncio.get_running_loop()
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await held.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                break
            writer.write(data)
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_AT_ONCE):
            held.put_nowait((loop.time() + after, data))
    held.put_nowait((loop.time() + after, b""))
    with contextlib.suppress(ConnectionError):
        await delivering
    writer.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000))
