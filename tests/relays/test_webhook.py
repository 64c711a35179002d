"""News for people: posted, signed, in order for each mission, repeated until it is taken, given up visibly."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import pytest_asyncio
from pydantic import SecretStr

from adapters.events.webhook import Patience, WebhookChannel, retry_after_ms
from adapters.outbound.gate import Gate
from contracts.errors import DestinationRefused, SettingInvalid
from contracts.events import EventType, NewEvent
from server.relays import channels_for
from server.settings import load_settings
from tests.adapters.postgres.stand import Stand
from tests.relays.receiver import SECRET, Post, Receiver, is_authentic, receiving
from tests.relays.stands import drained, relaying
from tests.support import Service, until

BASE = "http://colony.example"
NEWS = (EventType.APPROVAL_REQUESTED, EventType.APPROVAL_DECIDED, EventType.MISSION_COMPLETED)


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


def channel(receiver: Receiver, *, allow_private: bool = True) -> WebhookChannel:
    return WebhookChannel(
        receiver.url, SecretStr(SECRET), BASE, allow_private=allow_private, patience=Patience(answer_s=2, turn_s=1)
    )


async def news(stand: Stand, *kinds: EventType) -> str:
    """Record events of a new mission, each in a transaction of its own."""
    mission_id = await stand.submit()
    async with stand.claimed(mission_id) as session:
        for kind in kinds:
            async with session.ledger.unit() as unit:
                unit.record(NewEvent(event_type=kind, payload={"status": "s", "reason": "Ada Marsh wants out"}))
        async with session.ledger.unit() as unit:
            await unit.release_lease()
    return mission_id


def told(receiver: Receiver, mission_id: str) -> list[str]:
    return [p.said["type"] for p in receiver.posts if p.said["data"]["mission_id"] == mission_id]


async def test_a_missions_news_are_posted_signed_and_without_a_word_of_the_customers(
    serve: Callable[..., object], receiver: Receiver
) -> None:
    service: Service = await serve(  # type: ignore[misc,assignment]
        COLONY_WEBHOOK_URL=receiver.url, COLONY_WEBHOOK_SECRET=SECRET
    )
    await service.seed_lead()
    mission_id = await service.submit()
    waiting = await service.settled(mission_id)
    assert (await service.post(mission_id, "approve")).status_code == 202

    async def ended() -> bool:
        return "mission.completed" in told(receiver, mission_id)

    await until(ended, "the last word on the mission")
    kinds = [kind for kind in told(receiver, mission_id) if not kind.startswith("gate.")]
    assert kinds == ["approval.requested", "approval.decided", "mission.completed"]
    assert all(is_authentic(post) for post in receiver.posts)
    assert all(post.path == "/hooks/colony" for post in receiver.posts)
    asked = next(p.said for p in receiver.posts if p.said["type"] == "approval.requested")
    pending = waiting["pending_approval"]
    data = asked["data"]
    assert data["interrupt_id"] == pending["interrupt_id"]
    assert data["expires_at"] == pending["expires_at"]
    assert data["proposals"] == len(pending["proposals"])
    assert data["risk_level"] in {p["risk_level"] for p in pending["proposals"]}
    assert data["links"]["approve"].endswith(f"/api/colony/missions/{mission_id}/approve")
    whole = "".join(json.dumps(post.said) for post in receiver.posts)
    assert not any(word in whole for word in ("Ada", "Marsh", "Northgate", "350", "bedroom", "viewing"))


async def test_what_is_not_taken_comes_again_before_anything_later_of_its_mission(
    stand: Stand, receiver: Receiver
) -> None:
    refused: list[str] = []

    def moody(post: Post) -> tuple[int, dict[str, str]]:
        if refused.count(post.event_id) < 2 and post.said["type"] == "approval.requested":
            refused.append(post.event_id)
            return 500, {}
        return 200, {}

    receiver.answer = moody
    async with relaying(stand.db.dsn, channel(receiver)) as backlogs:
        await drained(backlogs, "webhook")
        first, second = [await news(stand, *NEWS) for _ in range(2)]
        assert (await drained(backlogs, "webhook")).dead == 0
    expected = ["approval.requested"] * 3 + ["approval.decided", "mission.completed"]
    assert [told(receiver, mission_id) for mission_id in (first, second)] == [expected] * 2
    assert len({p.event_id for p in receiver.posts}) == 6
    assert all(is_authentic(post) for post in receiver.posts)


async def test_a_receiver_that_asks_for_time_gets_it(stand: Stand, receiver: Receiver) -> None:
    receiver.answer = lambda _: (429, {"retry-after": "1"}) if len(receiver.posts) == 1 else (204, {})
    async with relaying(stand.db.dsn, channel(receiver)) as backlogs:
        await drained(backlogs, "webhook")
        mission_id = await news(stand, NEWS[0])
        await drained(backlogs, "webhook")
    first, second = receiver.posts
    assert second.at - first.at >= 1
    assert told(receiver, mission_id) == ["approval.requested"] * 2


async def test_what_is_never_taken_is_given_up_visibly_and_can_be_sent_again(stand: Stand, receiver: Receiver) -> None:
    receiver.answer = lambda post: (410 if post.said["type"] == "approval.requested" else 204, {})
    async with relaying(stand.db.dsn, channel(receiver)) as backlogs:
        await drained(backlogs, "webhook")
        mission_id = await news(stand, *NEWS)
        assert (await drained(backlogs, "webhook")).dead == 1
        [letter] = await backlogs.dead_letters()
        assert (letter["event_type"], letter["attempts"], letter["reason"]) == ("approval.requested", 3, "http_410")
        assert told(receiver, mission_id) == ["approval.requested"] * 3 + ["approval.decided", "mission.completed"]
        receiver.answer = lambda _: (204, {})
        receiver.posts.clear()
        assert await backlogs.revive("webhook", None) == [mission_id]
        assert (await drained(backlogs, "webhook")).dead == 0
    assert told(receiver, mission_id) == [kind.value for kind in NEWS]


async def test_a_redirect_is_not_followed(stand: Stand, receiver: Receiver) -> None:
    receiver.answer = lambda _: (307, {"location": f"{receiver.url}/elsewhere"})
    async with relaying(stand.db.dsn, channel(receiver)) as backlogs:
        await drained(backlogs, "webhook")
        await news(stand, NEWS[0])
        assert (await drained(backlogs, "webhook")).dead == 1
        assert (await backlogs.dead_letters())[0]["reason"] == "http_307"
    assert {post.path for post in receiver.posts} == {"/hooks/colony"}


async def test_a_private_address_is_not_called_where_that_is_not_allowed(stand: Stand, receiver: Receiver) -> None:
    async with relaying(stand.db.dsn, channel(receiver, allow_private=False)) as backlogs:
        await drained(backlogs, "webhook")
        await news(stand, NEWS[0])
        assert (await drained(backlogs, "webhook")).dead == 1
        assert (await backlogs.dead_letters())[0]["reason"] == "address_not_allowed"
    assert receiver.posts == []


async def test_news_from_before_the_webhook_was_set_are_not_told(stand: Stand, receiver: Receiver) -> None:
    before = await news(stand, *NEWS)
    async with relaying(stand.db.dsn, channel(receiver)) as backlogs:
        await drained(backlogs, "webhook")
        after = await news(stand, *NEWS)
        await drained(backlogs, "webhook")
    assert told(receiver, before) == []
    assert told(receiver, after) == [kind.value for kind in NEWS]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "::1", "10.0.0.8", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0",  # noqa: S104
     "::ffff:10.0.0.1", "fd00::1", "100.64.0.1", "fe80::1"],
)  # fmt: skip
async def test_addresses_that_lead_inside_are_not_for_production(host: str) -> None:
    with pytest.raises(DestinationRefused):
        await Gate(("https", host, 443)).admitted(host, 443)


@pytest.mark.parametrize(("host", "address"), [("1.1.1.1", "1.1.1.1"), ("2606:4700::1111", "2606:4700::1111")])
async def test_addresses_of_the_open_internet_are(host: str, address: str) -> None:
    assert await Gate(("https", host, 443)).admitted(host, 443) == [address]


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        pytest.param({"COLONY_WEBHOOK_URL": "https://x.example"}, "COLONY_WEBHOOK_SECRET", id="unsigned"),
        pytest.param(
            {"COLONY_WEBHOOK_URL": "http://x.example", "COLONY_WEBHOOK_SECRET": SECRET}, "COLONY_WEBHOOK_URL", id="http"
        ),
        pytest.param(
            {"COLONY_WEBHOOK_URL": "https://x.example", "COLONY_WEBHOOK_SECRET": "hunter2-hunter2"},
            "COLONY_WEBHOOK_SECRET",
            id="short-secret",
        ),
        pytest.param(
            {"COLONY_WEBHOOK_URL": "https://u:p@x.example", "COLONY_WEBHOOK_SECRET": SECRET},
            "COLONY_WEBHOOK_URL",
            id="login",
        ),
    ],
)
def test_a_webhook_that_cannot_be_is_refused_at_the_start(environment: dict[str, str], named: str) -> None:
    with pytest.raises(SettingInvalid, match=named) as refused:
        channels_for(load_settings(**environment))
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"


NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (None, 0),
        ("", 0),
        ("7", 7_000),
        ("soon", 0),
        ("-3", 0),
        ("99999999", 86_400_000),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30_000),
        (format_datetime(NOW - timedelta(seconds=30), usegmt=True), 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str | None, ms: int) -> None:
    assert retry_after_ms(value, NOW) == ms
