"""The worker of the Temporal peer: one workflow with three activities, each an HTTP call, one after the other.

Arguments: the address of the server, the port of the sink.
"""

import asyncio
import http.client
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

# So many activities and workflow tasks at once, as many as the bench has runs under way.
AT_ONCE = 64
connections = threading.local()


@activity.defn
def post(path: str, number: int) -> dict:
    if not hasattr(connections, "sink"):
        connections.sink = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]))
    connections.sink.request("POST", path, json.dumps({"number": number}), {"content-type": "application/json"})
    answer = connections.sink.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"the sink answered {answer.status}")
    return {}


@workflow.defn(name="three")
class Three:
    @workflow.run
    async def run(self, given: dict) -> None:
        for path in ("/a", "/b", "/c"):
            await workflow.execute_activity(
                post, args=[path, given["number"]], start_to_close_timeout=timedelta(seconds=60)
            )


async def main() -> None:
    client = await Client.connect(sys.argv[1])
    with ThreadPoolExecutor(AT_ONCE) as threads:
        worker = Worker(
            client,
            task_queue="bench",
            workflows=[Three],
            activities=[post],
            activity_executor=threads,
            max_concurrent_activities=AT_ONCE,
        )
        await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
