"""Files into the root, straight into its store and through the running service: the same outcome either way."""

import asyncio
import csv
import json
import time
from pathlib import Path

import pytest

from adapters.root.tools import RootTools
from contracts.errors import BadInput
from server.root_import import ImportSources, import_files
from tests.support import watched_loop

AGENCY = Path(__file__).parents[3] / "samples" / "agency"
UCI = Path(__file__).parents[4] / "shared" / "data" / "marketing_uci_bank" / "bank-additional.csv"


@pytest.fixture(params=["store", "client"])
def sink(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def files(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def lines_of(remarks):
    return [(remark.line, remark.reason) for remark in remarks]


async def test_the_sample_agency_goes_in_whole_and_a_second_time_changes_nothing(sink, http, tenant):
    sources = ImportSources(
        AGENCY / "leads.csv", AGENCY / "chats.jsonl", AGENCY / "documents", AGENCY / "campaigns.csv"
    )
    if not AGENCY.exists():
        pytest.skip("the sample agency is not in this checkout")
    report = await import_files(sink, tenant, sources)
    assert report.clean, report.errors
    assert {kind: (t.read, t.created) for kind, t in report.tallies.items()} == {
        kind: (t.read, t.read) for kind, t in report.tallies.items()
    }
    again = await import_files(sink, tenant, sources)
    assert {kind: (t.read, t.unchanged) for kind, t in again.tallies.items()} == {
        kind: (t.read, t.read) for kind, t in report.tallies.items()
    }
    with (AGENCY / "leads.csv").open(newline="", encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    lead = (await http.get(f"/api/crm/leads/{first['lead_id']}")).json()
    assert lead["preferred_language"] == first["preferred_language"]
    assert lead["budget_min"] == int(first["budget_min"])
    said = json.loads((AGENCY / "chats.jsonl").read_text(encoding="utf-8").split("\n")[0])
    chats = (await http.get(f"/api/crm/leads/{said['lead_id']}/chat")).json()["items"]
    assert said["messages"] in [chat["messages"] for chat in chats]
    listed = (await http.get("/api/oracle/documents", params={"limit": 200})).json()["items"]
    assert {d["source"] for d in listed} == {p.name for p in (AGENCY / "documents").iterdir()}


async def test_good_rows_go_in_and_bad_ones_are_named_by_line(sink, http, tenant, files):
    leads = files(
        "leads.csv",
        "lead_id,name,budget_min,created_at,notes\n"
        'L-1,Ada,"250,000",2026-03-01T09:00:00Z,"two\nlines, and a comma"\n'
        "L-2,Bo,a lot,2026-03-01,\n"
        "L-3,Cy\n"
        "\n"
        ",Di,,,\n"
        "L-1,Again,,,\n"
        "L-6,Fe,,03/01/2026,\n"
        "a/b,Gu,,,\n"
        "L-7,Hal,1200.50,2026-03-01,last\n",
    )
    report = await import_files(sink, tenant, ImportSources(leads=leads))
    assert [line for line, _ in lines_of(report.errors)] == [4, 5, 7, 8, 9, 10]
    assert lines_of(report.errors)[1] == (5, "2 cells where the header has 5")
    assert lines_of(report.errors)[3] == (8, "lead_id L-1 is already on line 2")
    assert report.tallies["leads"].model_dump() == {
        "read": 8,
        "created": 2,
        "replaced": 0,
        "unchanged": 0,
        "rejected": 6,
    }
    items = (await http.get("/api/crm/leads")).json()["items"]
    assert [(i["lead_id"], i["budget_min"]) for i in items] == [("L-1", 250000), ("L-7", 1200.5)]
    assert items[0]["notes"] == "two\nlines, and a comma"


@pytest.mark.parametrize(
    ("data", "warnings"),
    [
        pytest.param("lead_id;name\nL-1;Zoë, the first\n".encode(), 0, id="semicolons"),
        pytest.param('\ufefflead_id,name\r\nL-1,"Zoë, the first"\r\n'.encode(), 0, id="mark-and-crlf"),
        pytest.param('Lead_ID ,name\nL-1,"Zoë, the first"'.encode(), 0, id="header-case-and-spaces"),
        pytest.param("lead_id;name\nL-1;Zoë, the first\n".encode("latin-1"), 1, id="latin-1-is-said"),
    ],
)
async def test_the_usual_ways_to_write_csv_are_all_read(store, tenant, files, data, warnings):
    report = await import_files(store, tenant, ImportSources(leads=files("leads.csv", data)))
    assert report.clean
    assert len(report.warnings) == warnings
    assert (await store.lead(tenant, "L-1")).data["name"] == "Zoë, the first"


async def test_an_unclosed_quote_does_not_swallow_rows_silently(store, tenant, files):
    leads = files("leads.csv", 'lead_id,name\nL-1,Ada\nL-2,"Bo\nL-3,Cy\n')
    report = await import_files(store, tenant, ImportSources(leads=leads))
    assert [line for line, _ in lines_of(report.errors)] == [3]
    assert report.tallies["leads"].created == 1


async def test_a_huge_field_is_read(store, tenant, files):
    leads = files("leads.csv", f"lead_id,notes\nL-1,{'x' * 1_000_000}\n")
    assert (await import_files(store, tenant, ImportSources(leads=leads))).clean
    assert len((await store.lead(tenant, "L-1")).data["notes"]) == 1_000_000


async def test_a_map_renames_columns_and_gives_the_board(sink, http, tenant, files):
    sources = ImportSources(
        leads=files("deals.csv", "opportunity_id,deal_stage,value\nO-1,Engaging,100\n"),
        mapping=files(
            "map.yaml", "leads: {opportunity_id: lead_id, deal_stage: stage}\nstages: [Prospecting, Engaging]"
        ),
    )
    assert (await import_files(sink, tenant, sources)).clean
    lead = (await http.get("/api/crm/leads/O-1")).json()
    assert lead == {"lead_id": "O-1", "stage": "Engaging", "value": "100"}
    assert (await http.get("/api/crm/kanban")).json()["order"] == ["Prospecting", "Engaging"]


async def test_a_file_without_the_id_column_is_one_error_that_names_the_way_out(store, tenant, files):
    report = await import_files(store, tenant, ImportSources(leads=files("leads.csv", "id,name\n1,Ada\n2,Bo\n")))
    assert lines_of(report.errors) == [(1, "no column lead_id among id, name; name it with --map")]


@pytest.mark.parametrize("data", ["", "\n", "lead_id,lead_id\n1,2\n", "lead_id,\n1,2\n"])
async def test_an_empty_or_ambiguous_header_is_one_error(store, tenant, files, data):
    report = await import_files(store, tenant, ImportSources(leads=files("leads.csv", data)))
    assert [line for line, _ in lines_of(report.errors)] == [1]


async def test_conversations_go_to_known_leads_and_bad_lines_are_named(sink, http, tenant, files):
    say = [{"author": "lead", "text": "hi\u0000"}]
    lines = [
        json.dumps({"lead_id": "L-1", "channel": "email", "messages": say}),
        "not json",
        json.dumps({"lead_id": "nobody", "channel": "email", "messages": [{"author": "lead", "text": "x"}]}),
        "",
        json.dumps({"lead_id": "L-1", "channel": "email", "messages": [{"author": "robot", "text": "x"}]}),
        json.dumps(["a list"]),
        json.dumps({"lead_id": "L-1", "channel": "email", "messages": None}),
        json.dumps({"lead_id": "L-1", "channel": "email", "messages": say}),
    ]
    sources = ImportSources(files("leads.csv", "lead_id,name\nL-1,Ada\n"), files("chats.jsonl", "\n".join(lines)))
    report = await import_files(sink, tenant, sources)
    assert [line for line, _ in lines_of(report.errors)] == [2, 3, 5, 6, 7]
    assert (3, "no such lead") in lines_of(report.errors)
    assert [w.line for w in report.warnings] == [1, 8]
    items = (await http.get("/api/crm/leads/L-1/chat")).json()["items"]
    assert [item["messages"] for item in items] == [[{"author": "lead", "text": "hi"}]] * 2


async def test_a_conversation_that_grew_replaces_its_earlier_export(store, tenant, files):
    leads = files("leads.csv", "lead_id\nL-1\n")
    messages = [{"author": "lead", "text": "hello", "at": "2026-10-01T09:00:00Z"}, {"author": "agent", "text": "hi"}]
    for known in (1, 2):
        line = json.dumps({"lead_id": "L-1", "channel": "email", "messages": messages[:known]})
        await import_files(store, tenant, ImportSources(leads, files("chats.jsonl", line)))
    assert [chat["messages"] for chat in await store.chats(tenant, "L-1")] == [messages]


async def test_documents_are_read_from_all_folders_and_the_rest_is_said(sink, http, tenant, files, tmp_path):
    files("docs/guide.md", "# Guide\n\ntext")
    files("docs/areas/old mill.html", "<p>mill</p>")
    files("docs/lease.pdf", b"%PDF-1.7")
    files("docs/lease.docx", b"PK")
    files("docs/photo.png", b"\x89PNG")
    files("docs/.hidden.md", "no")
    files("docs/empty.txt", " \n")
    (tmp_path / "docs" / "out.md").symlink_to(files("secret.md", "secret"))
    report = await import_files(sink, tenant, ImportSources(documents=tmp_path / "docs"))
    assert [(s.file, s.reason) for s in report.skipped] == [
        ("lease.docx", ".docx files are not supported yet"),
        ("photo.png", "not a kind of file that is read as a document"),
    ]
    assert [e.file for e in report.errors] == ["empty.txt", "lease.pdf", "out.md"]
    listed = (await http.get("/api/oracle/documents")).json()["items"]
    assert [(d["document_id"], d["source"], d["title"]) for d in listed] == [
        ("areas__old mill.html", "areas/old mill.html", "old mill"),
        ("guide.md", "guide.md", "Guide"),
    ]
    one = (await http.get("/api/oracle/documents/areas__old mill.html")).json()
    assert one["text"] == "mill"


async def test_a_document_too_large_for_a_batch_is_an_error_of_its_own(store, tenant, files, tmp_path):
    files("docs/big.txt", "x" * 8_000_000)
    files("docs/small.txt", "x")
    report = await import_files(store, tenant, ImportSources(documents=tmp_path / "docs"))
    assert [e.file for e in report.errors] == ["big.txt"]
    assert report.tallies["documents"].created == 1


async def test_a_real_campaign_file_keeps_every_value_as_it_was_written(sink, client, tenant):
    if not UCI.exists():
        pytest.skip("shared/data is not beside this checkout")
    progress = []
    sources = ImportSources(campaigns=UCI)
    report = await import_files(sink, tenant, sources, lambda *step: progress.append(step))
    with UCI.open(newline="", encoding="utf-8") as file:
        expected = list(csv.DictReader(file, delimiter=";"))
    assert report.clean
    assert report.tallies["campaigns"].created == len(expected)
    assert progress[-1] == ("campaigns", len(expected), len(expected))
    data = (await client.get_campaign(tenant, "bank-additional")).data
    assert data["rows"] == expected


async def test_rows_of_several_campaigns_are_told_apart_by_their_id(store, tenant, files):
    campaigns = files("c.csv", "campaign_id,clicks\nA,1\nB,2\n,3\nA,4\n")
    report = await import_files(store, tenant, ImportSources(campaigns=campaigns))
    assert [line for line, _ in lines_of(report.errors)] == [4]
    assert await store.campaign_rows(tenant, "A", 0, 10) == [{"clicks": "1"}, {"clicks": "4"}]


@pytest.mark.parametrize(
    ("sources", "code"),
    [
        pytest.param(ImportSources(leads=Path("/nowhere.csv")), "file_unreadable", id="no-file"),
        pytest.param(ImportSources(documents=Path("/nowhere")), "file_unreadable", id="no-folder"),
        pytest.param(ImportSources(mapping=Path("/dev/null/x")), "file_unreadable", id="no-map"),
    ],
)
async def test_a_file_that_is_not_there_stops_the_import(store, tenant, sources, code):
    with pytest.raises(BadInput) as caught:
        await import_files(store, tenant, sources)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["- a list", "leads: [x]", "unknown: {}", "{", "leads: {a: 3}"])
async def test_a_map_that_is_none_stops_the_import(store, tenant, files, text):
    with pytest.raises(BadInput) as caught:
        await import_files(store, tenant, ImportSources(mapping=files("map.yaml", text)))
    assert caught.value.code == "map_invalid"


AWAY = 3
"""In times of packing and unpacking the text once; measured: at most 1.1, and 5 for short lines that the loop reads."""
HOSTILE = [
    pytest.param('"\\' * 1_500_000, id="quotes"),
    pytest.param("a. \n" * 700_000, id="short-lines"),
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_megabytes_of_hostile_text_do_not_keep_the_loop_away(http, client, tenant, text):
    said = [{"author": "lead", "text": text[n : n + 60]} for n in range(0, len(text), 60)]
    chat = {"lead_id": "L-1", "conversation_id": "c", "channel": "mail", "messages": said}
    document = {"document_id": "d", "title": "D", "source": "d.md", "media_type": "text/markdown", "text": text}
    units = [packed_and_unpacked(chat) for _ in range(5)]
    async with watched_loop() as away:
        for kind, item in {"leads": {"lead_id": "L-1", "attributes": {}}, "chats": chat, "documents": document}.items():
            # The request is written in pieces, so that only the root's own work is watched.
            body = await asyncio.to_thread(lambda item=item: json.dumps({"items": [item]}, ensure_ascii=False).encode())
            answer = await http.post(f"/import/{kind}", content=body, headers={"X-Colony-Tenant": tenant})
            assert answer.json()["created"] == 1, (kind, answer.text)
        items = (await RootTools(client, tenant).call("k", "root.get_chat", {"lead_id": "L-1"}))["items"]
    assert len(items[0]["data"]["messages"]) == len(said)
    units += [packed_and_unpacked(chat) for _ in range(5)]
    assert max(away) < AWAY * max(units)


def packed_and_unpacked(chat: object) -> float:
    """Return how many seconds this machine takes, as busy as it is, to write something as JSON and read it back."""
    began = time.monotonic()
    json.loads(json.dumps(chat))
    return time.monotonic() - began
