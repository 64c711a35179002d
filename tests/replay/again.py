"""What tests of replays share."""

from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from adapters.models.extractive_chat import ExtractiveChatModel
from adapters.root.client import Patience, RootClient
from server.lineages import ReplayRequest
from server.principal import CAPABILITIES, Principal
from tests.graph.lab import AS_IT_IS, Lab, Swaps

ANN = Principal("demo", "ann", CAPABILITIES)  # type: ignore[arg-type]
TRACE = "0" * 32


class Mute(ExtractiveChatModel):
    """A model that must not be asked."""

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise AssertionError("a model was asked")


async def offline(lab: Lab) -> None:
    """Let the runs that follow reach no root."""
    await lab.root.aclose()
    lab.root = RootClient("http://127.0.0.1:9", None, Patience(total_s=0.1, backoff_s=0.001))


async def begun(lab: Lab, mission_id: str, **asked: Any) -> str:
    return await lab.colony.service.lineages.replay(ANN, mission_id, ReplayRequest.model_validate(asked), TRACE)


async def replayed(lab: Lab, mission_id: str, swaps: Swaps = AS_IT_IS, **asked: Any) -> dict[str, Any]:
    """Replay a mission and return the report."""
    made = await begun(lab, mission_id, **asked)
    await lab.run(made, swaps)
    return await lab.colony.service.lineages.report(ANN, made)


async def done(lab: Lab, **body: Any) -> str:
    """Run a mission to its approved end."""
    await lab.service.seed_lead()
    mission = await lab.approved((await lab.mission(**body))["mission_id"])
    assert mission["status"] == "completed"
    return str(mission["mission_id"])


def artifacts_of(lab: Lab, mission_id: str) -> set[tuple[Any, ...]]:
    """Return what a mission's runs made, by kind, revision, task and hash; what judged people's answers is not."""
    found = lab.db.rows(
        "select kind, revision, task_key, sha256 from colony_artifacts where mission_id = %s and kind <> 'writeback' "
        "and not (kind = 'policy_decision' and revision = 0)",
        mission_id,
    )
    return {tuple(row.values()) for row in found}
