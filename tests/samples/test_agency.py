"""The sample agency is what its README says it is."""

import csv
import json
import re
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import pytest

AGENCY = Path(__file__).parents[2] / "samples" / "agency"
DOCUMENTS = sorted((AGENCY / "documents").iterdir())
TEXTS = [AGENCY / "leads.csv", AGENCY / "chats.jsonl", AGENCY / "README.md", *DOCUMENTS]
LEAD_COLUMNS = ["lead_id", "name", "email", "phone", "stage", "source", "created_at", "owner"]
LEAD_COLUMNS += ["budget_min", "budget_max", "notes"]
STAGES = {"new", "contacted", "qualified", "viewing", "offer", "won", "lost"}


def rows(name):
    with (AGENCY / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.fixture(scope="module")
def leads():
    return {row["lead_id"]: row for row in rows("leads.csv")}


@pytest.fixture(scope="module")
def chats():
    return [json.loads(line) for line in (AGENCY / "chats.jsonl").read_text(encoding="utf-8").splitlines()]


def said(chats, lead_id, channel=None, author=None):
    return "\n".join(
        message["text"]
        for chat in chats
        if chat["lead_id"] == lead_id and channel in (None, chat["channel"])
        for message in chat["messages"]
        if author in (None, message["author"])
    )


def test_leads_are_unique_and_have_the_import_columns_plus_two_of_the_agencys_own(leads):
    table = rows("leads.csv")
    assert list(table[0]) == [*LEAD_COLUMNS, "preferred_language", "campaign_id"]
    assert len(leads) == len(table) == 68
    assert all(None not in row and None not in row.values() for row in table)
    assert all(re.fullmatch(r"L-1\d{3}", lead_id) for lead_id in leads)


def test_every_stage_of_the_board_is_in_use_and_no_other(leads):
    assert {lead["stage"] for lead in leads.values()} == STAGES


def test_leads_belong_to_five_owners_and_to_october(leads):
    assert len({lead["owner"] for lead in leads.values()}) == 5
    created = [datetime.fromisoformat(lead["created_at"]) for lead in leads.values()]
    assert {(at.year, at.month) for at in created} == {(2026, 10)}


def test_budgets_are_whole_numbers_in_order_or_left_out_together(leads):
    for lead in leads.values():
        low, high = lead["budget_min"], lead["budget_max"]
        assert (low == "") == (high == "")
        assert not low or 0 < int(low) <= int(high)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_address_link_or_telephone_number_belongs_to_anybody(path):
    text = path.read_text(encoding="utf-8")
    assert all(re.search(r"(^|\.)example\.(com|org|net)$", host) for host in re.findall(r"@([\w-]+\.[\w.-]*\w)", text))
    assert all(re.search(r"(^|\.)example\.(com|org|net)$", host) for host in re.findall(r"https?://([\w.-]+)", text))
    assert re.findall(r"\b\d{3}[ .-]\d{3}[ .-]\d{4}\b", text) == re.findall(r"\b207 555 01\d\d\b", text)


def test_every_lead_has_an_address_and_at_most_a_fictional_number_of_its_own(leads):
    assert len({lead["email"] for lead in leads.values()}) == len(leads)
    phones = [lead["phone"] for lead in leads.values() if lead["phone"]]
    assert all(re.fullmatch(r"\+1 207 555 01\d\d", phone) for phone in phones)
    assert len(set(phones)) == len(phones)


def test_conversations_have_the_import_shape(chats):
    assert len(chats) == 53
    assert len({chat["lead_id"] for chat in chats}) == 51
    for chat in chats:
        assert set(chat) == {"lead_id", "channel", "messages"}
        for message in chat["messages"]:
            assert {"author", "text"} <= set(message) <= {"at", "author", "text"}
            assert message["author"] in {"lead", "agent"}
            assert message["text"].strip()


def test_every_conversation_is_with_a_known_lead_and_begins_after_the_lead_does(leads, chats):
    for chat in chats:
        times = [message["at"] for message in chat["messages"] if "at" in message]
        assert times == sorted(times)
        assert all(leads[chat["lead_id"]]["created_at"] <= at < "2026-11" for at in times)


def test_three_conversations_are_empty_and_the_others_run_from_six_to_twenty_messages(chats):
    empty = {chat["lead_id"] for chat in chats if not chat["messages"]}
    lengths = {len(chat["messages"]) for chat in chats if chat["messages"]}
    assert empty == {"L-1044", "L-1052", "L-1060"}
    assert min(lengths) >= 6
    assert max(lengths) <= 20
    assert len(lengths) >= 8


def test_two_leads_speak_on_two_channels_each(chats):
    channels = defaultdict(list)
    for chat in chats:
        channels[chat["lead_id"]].append(chat["channel"])
    assert {lead_id: used for lead_id, used in channels.items() if len(used) > 1} == {
        "L-1019": ["whatsapp", "email"],
        "L-1026": ["webchat", "sms"],
    }


def test_nobody_repeats_anybody_elses_message(chats):
    texts = Counter(
        message["text"] for chat in chats for message in chat["messages"] if len(message["text"].split()) > 4
    )
    assert [text for text, times in texts.items() if times > 1] == []


def test_one_conversation_has_no_times(chats):
    untimed = {chat["lead_id"] for chat in chats if any("at" not in message for message in chat["messages"])}
    assert untimed == {"L-1043"}


def test_two_leads_say_another_budget_than_their_form_does(leads, chats):
    assert leads["L-1012"]["budget_max"] == "350000"
    assert "420 is the real number" in said(chats, "L-1012", author="lead")
    assert leads["L-1019"]["budget_max"] == "240000"
    assert "280 maximum" in said(chats, "L-1019", author="lead")


def test_one_lead_contradicts_himself_on_two_channels(chats):
    assert "280 maximum" in said(chats, "L-1019", "whatsapp", "lead")
    assert "My budget is 340 thousand" in said(chats, "L-1019", "email", "lead")


def test_the_demo_lead_has_agreed_a_visit_that_her_stage_does_not_show(leads, chats):
    assert leads["L-1001"]["stage"] == "contacted"
    assert "Saturday 10 October at 11:00, 12 Beacon Lane" in said(chats, "L-1001", author="agent")
    words = said(chats, "L-1001", author="lead")
    for wanted in (
        "Northgate",
        "3 beds",
        "2 bathrooms",
        "390k",
        "labrador",
        "commute",
        "unfurnished",
        "Saturday 11:00",
    ):
        assert wanted in words


@pytest.mark.parametrize(
    ("lead_id", "author", "fragment"),
    [
        pytest.param("L-1023", "lead", "Ignore all previous instructions", id="orders"),
        pytest.param("L-1023", "lead", "dump-box@example.net", id="exfiltration"),
        pytest.param("L-1023", "lead", "9,999,999", id="absurd-budget"),
        pytest.param("L-1031", "agent", "SYSTEM NOTE", id="agent-author"),
        pytest.param("L-1038", "lead", "</evidence>", id="closing-tag"),
        pytest.param("L-1038", "lead", '{"role":"system"', id="json"),
        pytest.param("L-1038", "lead", "onerror=", id="markup"),
    ],
)
def test_hostile_messages_are_there_and_their_leads_were_not_moved(leads, chats, lead_id, author, fragment):
    assert fragment in said(chats, lead_id, author=author)
    assert leads[lead_id]["stage"] == "contacted"


def test_documents_are_of_every_text_format_and_of_readable_length():
    assert len(DOCUMENTS) == 19
    assert {path.suffix for path in DOCUMENTS} == {".md", ".txt", ".html", ".csv"}
    prose = [path for path in DOCUMENTS if path.suffix != ".csv"]
    assert len(prose) == 17
    for path in prose:
        assert 150 <= len(path.read_text(encoding="utf-8").split()) <= 600, path.name


def test_two_dated_documents_contradict_each_other_on_the_reservation_fee():
    old = (AGENCY / "documents" / "buyer-guide-2024.html").read_text(encoding="utf-8")
    new = (AGENCY / "documents" / "fees-2026.md").read_text(encoding="utf-8")
    assert "March 2024" in old
    assert "reservation fee is $750 and is not refundable" in " ".join(old.split())
    assert "In force from 1 September 2026" in new
    assert "The reservation fee is $500." in new


def test_the_price_list_has_one_price_for_each_home():
    homes = rows("documents/price-list-october-2026.csv")
    assert len({home["ref"] for home in homes}) == len({home["property"] for home in homes}) == len(homes) == 32
    assert all(int(home["price_usd"]) > 0 for home in homes)


def test_campaigns_cover_the_month_with_zero_denominators_and_one_missing_spend():
    table = rows("campaigns.csv")
    assert set(Counter(row["campaign_id"] for row in table).values()) == {5}
    assert len({row["campaign_id"] for row in table}) == 5
    assert sum(row["impressions"] == "0" for row in table) == 5
    assert any(row["clicks"] == "0" and row["leads"] != "0" for row in table)
    assert sum(row["spend"] == "" for row in table) == 1


def test_a_campaigns_leads_are_the_leads_created_in_its_week(leads):
    created = Counter(
        (lead["campaign_id"], min((int(lead["created_at"][8:10]) - 1) // 7 * 7 + 1, 29))
        for lead in leads.values()
        if lead["campaign_id"]
    )
    counted = {(row["campaign_id"], int(row["date"][8:])): int(row["leads"]) for row in rows("campaigns.csv")}
    assert {week: count for week, count in counted.items() if count} == dict(created)


def test_the_campaign_report_adds_up_to_the_table():
    table = rows("campaigns.csv")
    report = (AGENCY / "documents" / "campaign-report-october-2026.md").read_text(encoding="utf-8")
    assert f"spent ${sum(float(row['spend'] or 0) for row in table):,.2f}" in report
    assert f"earned ${sum(float(row['revenue']) for row in table):,.2f}" in report
    for name in {row["name"] for row in table}:
        mine = [row for row in table if row["name"] == name]
        counts = " | ".join(str(sum(int(row[key]) for row in mine)) for key in ("leads", "visits", "sales"))
        money = " | ".join(f"${sum(float(row[key] or 0) for row in mine):,.2f}" for key in ("spend", "revenue"))
        assert f"| {name} | {counts} | {money} |" in report


def test_the_readme_names_only_leads_and_documents_that_exist(leads):
    readme = (AGENCY / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"L-\d{4}", readme)) <= set(leads)
    assert set(re.findall(r"`([\w-]+\.(?:md|html|txt))`", readme)) <= {path.name for path in DOCUMENTS}
