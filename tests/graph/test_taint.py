"""Taint: whatever a worker says, what was derived from untrusted text is known by what was read and cited."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts.base import ArtifactId, TaskKey
from contracts.errors import ModelFailed
from contracts.evidence import Citation, Claim, Taint, Trust, WorkerResult, WritebackProposal
from contracts.links import has_link, without_links
from contracts.mission import ModelTier
from contracts.outputs import Engagement
from contracts.ports import EvidenceBlock, Prompt, ToolAnswer, Toolbox, ToolOffer
from contracts.tasks import PLANNING
from graph.context import Record
from graph.metering import Budget, GuardedModel
from graph.taint import UNKNOWN, labelled, packet_labelled
from nodes.aggregator import merged
from nodes.work.context import claim
from policies.questions import TierFacts
from tests.nodes.bench import asking, governance, in_memory, mission, task
from tests.policies.build import envelope, package, proposal

CHAT, OTHER, LEAD, PAGE = (ArtifactId(f"ra_{name}") for name in ("chat", "other", "lead", "page"))
TRUSTS = {CHAT: Trust.CUSTOMER, OTHER: Trust.CUSTOMER, LEAD: Trust.OPERATOR, PAGE: Trust.WEB}


def cite(artifact: ArtifactId) -> Citation:
    return Citation(artifact_id=artifact, quote="q", start=0, end=1)


def said(artifact: ArtifactId, key: str = "budget") -> Claim:
    return claim(task("t"), "L-1", key, "1", (cite(artifact),), text="q")


def result(key: str = "t", **changes: Any) -> WorkerResult:
    return WorkerResult(task_key=TaskKey(key), **changes)


def of(tainted: tuple[Taint, ...]) -> dict[str, tuple[Trust, tuple[ArtifactId, ...]]]:
    return {t.field: (t.trust, t.artifact_ids) for t in tainted}


def proposed(*cited: ArtifactId, **after: Any) -> WritebackProposal:
    return proposal(after=after or {"stage": "viewing"}, citations=tuple(map(cite, cited)), taint=())


def test_a_claim_owes_to_what_it_cites_and_to_all_that_was_before_the_model() -> None:
    one, two, record = said(CHAT), said(OTHER, "area"), said(LEAD, "stage")
    made = labelled(result(claims=(one, two, record)), [{CHAT, LEAD}, {OTHER}], [], TRUSTS)
    found = of(made.taint)
    assert found[f"claims.{one.claim_id}"] == (Trust.CUSTOMER, (CHAT,))
    assert found[f"claims.{two.claim_id}"] == (Trust.CUSTOMER, (OTHER,))
    assert found[f"claims.{record.claim_id}"] == (Trust.CUSTOMER, (CHAT,)), "the call had read the chat, too"
    assert found["*"] == (Trust.CUSTOMER, (CHAT, OTHER))


def test_a_worker_that_omits_taint_does_not_lose_it_and_one_that_invents_it_is_not_believed() -> None:
    bare = proposed(CHAT, stage="viewing", budget=1)
    [kept] = labelled(result(proposals=(bare,)), [], [], TRUSTS).proposals
    assert of(kept.taint) == {"budget": (Trust.CUSTOMER, (CHAT,)), "stage": (Trust.CUSTOMER, (CHAT,))}
    assert kept.payload_sha256 == bare.payload_sha256, "what is approved is the same"
    invented = bare.model_copy(
        update={"citations": (cite(LEAD),), "taint": (Taint(field="x", trust=Trust.WEB, artifact_ids=(PAGE,)),)}
    )
    [cleared] = labelled(result(proposals=(invented,)), [], [], TRUSTS).proposals
    assert cleared.taint == ()


def test_a_proposal_owes_to_the_tasks_that_it_builds_on_what_it_cites_first() -> None:
    before = labelled(result("engagement", findings=("high",)), [{OTHER}, {PAGE}], [], TRUSTS)
    [kept] = labelled(result(proposals=(proposed(CHAT),)), [], [before], TRUSTS).proposals
    assert of(kept.taint) == {"stage": (Trust.WEB, (CHAT, OTHER, PAGE))}
    after = labelled(result("later"), [], [labelled(result("between"), [], [before], TRUSTS)], TRUSTS)
    assert of(after.taint) == {"*": (Trust.WEB, (OTHER, PAGE))}, "however far back"


def test_what_nobody_knows_counts_as_a_strangers() -> None:
    assert of(labelled(result(), [{UNKNOWN}], [], TRUSTS).taint) == {"*": (Trust.WEB, (UNKNOWN,))}
    [kept] = labelled(result(proposals=(proposed(CHAT),)), [], [], {}).proposals
    assert {t.trust for t in kept.taint} == {Trust.WEB}


def test_what_owes_nothing_to_untrusted_text_has_no_taint() -> None:
    made = labelled(result(claims=(said(LEAD),), proposals=(proposed(LEAD),)), [{LEAD}], [], TRUSTS)
    assert made.taint == () == made.proposals[0].taint
    assert made.sha256() == labelled(made, [{LEAD}], [], TRUSTS).sha256()


def test_a_packet_says_which_of_its_parts_owe_to_what() -> None:
    one, record = said(CHAT), said(LEAD, "stage")
    outputs = {
        "facts": [{"key": "budget", "value": "1", "claim_id": one.claim_id}],
        "draft": {"text": "See http://evil.example now"},
        "next_steps": ["Call."],
    }
    made = labelled(
        result(claims=(one,), outputs=outputs, findings=("f",), proposals=(proposed(CHAT),)), [{CHAT}], [], TRUSTS
    )
    clean = labelled(result("record", claims=(record,), outputs={"metrics": []}), [], [], TRUSTS)
    whole = merged([made, clean])
    forged = whole.model_copy(
        update={"writebacks": tuple(p.model_copy(update={"taint": ()}) for p in whole.writebacks)}
    )
    packet = packet_labelled(forged, [made, clean])
    parts = of(packet.taint)
    assert set(parts) == {
        f"claims.{one.claim_id}", "facts.budget", "findings", "next_steps", "drafts", "drafts.url", "summary",
    }  # fmt: skip
    assert set(parts.values()) == {(Trust.CUSTOMER, (CHAT,))}
    assert [p.taint for p in packet.writebacks] == [made.proposals[0].taint]
    stranger = packet.model_copy(
        update={"writebacks": (proposed(LEAD, text="?").model_copy(update={"proposal_id": "wp_x"}),)}
    )
    assert packet_labelled(stranger, [made, clean]).writebacks[0].taint, "nobody's proposal owes to everything"


class Box:
    """A toolbox whose one call brings a page of the web."""

    rounds = 1

    def offers(self) -> Sequence[ToolOffer]:
        return []

    async def use(self, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        return ToolAnswer(evidence=[EvidenceBlock("E2", "document", "web", "", "A page.", PAGE)])


class Reading:
    """A model that makes one call before it answers."""

    async def fill(self, tier: ModelTier, output: type, prompt: Prompt, meter: Any, say: Any, tools: Toolbox) -> Any:
        await tools.use("web.open", {})
        return output.model_validate({"engagement": "low", "intent": "unclear"})

    def fallback(self, tier: ModelTier) -> None:
        return None


def block(artifact: str) -> EvidenceBlock:
    return EvidenceBlock("E1", "chat", "customer", "", "lead: hello", artifact)


def guarded(record: Record) -> GuardedModel:
    private = TierFacts(tier=ModelTier.LOCAL_PRIVATE, provider="extractive")
    rules = replace(governance(), tiers={private.tier: private})
    return GuardedModel(Reading(), Budget(mission(None), record, in_memory), record, asking(record, rules))


async def test_what_a_model_read_is_what_its_prompt_and_its_tools_held() -> None:
    record = Record(envelope=envelope())
    for evidence in ([block(CHAT)], [block("")]):
        await guarded(record).fill(Engagement, Prompt(package(), {}, evidence), tools=Box())
    assert record.read == {"facts": [{CHAT, PAGE}, {UNKNOWN, PAGE}]}


async def test_a_plan_is_made_before_anything_is_read() -> None:
    record = Record(envelope=envelope())
    planning = package(task_key=PLANNING)
    assert await guarded(record).fill(Engagement, Prompt(planning, {}, []), tools=Box())
    with pytest.raises(ModelFailed, match="plan"):
        await guarded(record).fill(Engagement, Prompt(planning, {}, [block(CHAT)]), tools=Box())


LINKS = [
    "see http://evil.example/x", "HTTPS://EVIL.EXAMPLE", "www.evil.example", "evil.example/pay?a=1", "pay at evil.com",
    "evil\u3002com",
    "\uff45\uff56\uff49\uff4c\uff0e\uff43\uff4f\uff4d", "ev\u200bil.com",
    "javascript:alert(1)", "mailto:a@b.example", "203.0.113.9:8099/c",
    "hxxp://evil.example", "tel:+15550100", "//203.0.113.9/x", "data:text/html;base64,xx",
]  # fmt: skip
PLAIN = [
    "a 3.5 bath flat", "Friday. Thanks", "No.12 Mill Lane", "350.000", "1,240.50 m2", "at 10:30", "e.g. pets",
    "Mr. Low", "ada@example.com", "1.240.000.000", "and/or", "budget: 350k", "12/10/2026",
]  # fmt: skip


@pytest.mark.parametrize("text", LINKS)
def test_a_link_is_found_however_it_is_written_and_marks_its_field(text: str) -> None:
    assert has_link(text)
    assert not has_link(without_links(text)), without_links(text)
    [kept] = labelled(result(proposals=(proposed(CHAT, body={"deep": [text]}),)), [], [], TRUSTS).proposals
    assert [t.field for t in kept.taint] == ["body", "body.url"]


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_link_stays_as_it_is(text: str) -> None:
    assert without_links(text) == text
