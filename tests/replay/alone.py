"""A process that reaches nothing but its database, and replays missions: ids on stdin, one line of JSON on stdout."""

import asyncio
import json
import socket
import sys
from collections import Counter
from typing import Any, NoReturn

import graph.runner
from contracts.ports import Ports, StepResult
from contracts.state import MissionState
from contracts.stateflow import ENDED, Stage, Status
from graph import topology
from graph.gate import gate
from graph.steps import Node, Role, step
from server.compose import Colony, open_colony
from server.lineages import ReplayRequest
from server.settings import load_settings
from tests.graph.test_resume import ROLES
from tests.replay.again import ANN, TRACE, Mute
from tests.support import until

refused: list[int] = []
ran: Counter[str] = Counter()


def refuse(*_: Any, **__: Any) -> NoReturn:
    refused.append(1)
    raise ConnectionRefusedError("this process reaches nothing")


def counted(stage: Stage, role: Role) -> Node:
    async def counting(state: MissionState, ports: Ports) -> StepResult:
        ran[stage.value] += 1
        return await role(state, ports)

    return step(stage, counting)


async def counted_gate(state: MissionState, runtime: Any) -> MissionState:
    ran[Stage.RELEASE_GATE.value] += 1
    return await gate(state, runtime)


async def replayed(colony: Colony, mission_id: str) -> dict[str, Any]:
    made = await colony.service.lineages.replay(ANN, mission_id, ReplayRequest(), TRACE)

    async def ended() -> bool:
        return Status((await colony.reader.mission("demo", made))["status"]) in ENDED

    await until(ended, f"the replay of {mission_id}", 300)
    return await colony.service.lineages.report(ANN, made)


async def main() -> None:
    missions = json.loads(sys.stdin.read())
    nodes = {**topology.roles(), **{s: counted(s, r) for s, r in ROLES.items()}, Stage.RELEASE_GATE: counted_gate}
    graph.runner.compiled = lambda: topology.build(nodes).compile()  # type: ignore[assignment]
    async with open_colony(load_settings(PORT=0), model=Mute()) as colony:
        colony.worker.start()
        unreadable = all([not await colony.reader.artifacts("demo", one) for one in missions])
        reports = []
        for n in range(0, len(missions), 4):
            reports += await asyncio.gather(*(replayed(colony, one) for one in missions[n : n + 4]))
        await colony.worker.stop()
    told = {"unreadable": unreadable, "ran": dict(ran), "refused": len(refused), "reports": reports}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.socket.connect_ex = refuse  # type: ignore[method-assign]
    socket.getaddrinfo = refuse
    asyncio.run(main())
