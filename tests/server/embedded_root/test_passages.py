"""Passages of the embedded root: all of a long document is searched, and every offset is the stored text's."""

from pathlib import Path

import psycopg
import pytest

from adapters import postgres
from adapters.root.documents import DocumentSearch
from contracts.errors import NotFound

LONG = "\n\n".join(
    f"## Clause {n}\n\nClause {n} says that party {n} pays {n * 7} euros a year. \U0001f600" for n in range(30_000)
)


def document(name, text, title="T"):
    return {"document_id": name, "title": title, "source": f"{name}.md", "media_type": "text/markdown", "text": text}


async def search(http, q, *ids, **params):
    answer = await http.get("/api/oracle/passages", params={"q": q, "document_id": list(ids), **params})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_the_end_of_a_long_document_is_found_by_its_offsets(http, add):
    text = LONG + "\n\nThe zebra clause stands at the very end."
    assert len(text) > 2_000_000
    await add("documents", document("long", text))
    [found, *_] = await search(http, "Where does the zebra clause stand?")
    assert "zebra clause" in found["text"]
    assert len(found["text"]) < 4_000
    assert found["characters"] == len(text)
    stored = (await http.get("/api/oracle/documents/long")).json()["text"]
    assert stored[found["start"] : found["end"]] == found["text"]


async def test_a_rare_word_counts_more_than_a_common_one(http, add):
    await add("documents", *(document(f"fee-{n}", f"The fee of the fee is a fee {n}.") for n in range(9)))
    await add("documents", document("rare", "A cancellation is charged."))
    assert (await search(http, "What is the cancellation fee?"))[0]["document_id"] == "rare"


async def test_only_named_documents_are_searched_and_one_that_is_missing_is_said(http, add, client, tenant):
    await add("documents", document("a", "The fee is 1."), document("b", "The fee is 2."))
    assert [row["document_id"] for row in await search(http, "fee", "b")] == ["b"]
    missing = await http.get("/api/oracle/passages", params={"q": "fee", "document_id": ["b", "gone"]})
    assert (missing.status_code, missing.json()["code"]) == (404, "document_not_found")
    with pytest.raises(NotFound):
        await DocumentSearch(client, tenant).passages("fee", ["b", "gone"])
    assert [i["id"] for i in await DocumentSearch(client, tenant).passages("The fee?", ["a"])] == ["a"]


async def test_another_tenants_passages_are_neither_found_nor_counted(http, add):
    await add("documents", document("a", "The fee is 1."))
    other = {"X-Colony-Tenant": "passages-other"}
    answer = await http.get("/api/oracle/passages", params={"q": "fee"}, headers=other)
    assert answer.json()["items"] == []


async def test_a_document_that_changed_is_cut_anew(http, add):
    await add("documents", document("a", "The fee is 1.\n\n" + "Filler. " * 600))
    await add("documents", document("a", "The price is 2."))
    assert await search(http, "fee filler") == []
    assert [row["text"] for row in await search(http, "price")] == ["The price is 2."]


@pytest.mark.parametrize("q", ["the of", "\\ ' \" :* & | ! <->", "a\\'b"])
async def test_a_question_without_words_finds_nothing(http, add, q):
    await add("documents", document("a", "the and of"))
    assert await search(http, q) == []


MIGRATION = Path(postgres.__file__).parent / "migrations" / "0006_passages.sql"


def test_what_was_imported_before_there_were_passages_is_cut_by_the_migration(database):
    text = "\n".join(["", *(f"Line {n}, caf\u00e9 \U0001f600." for n in range(1_000)), "", "The end."])
    backfill = MIGRATION.read_text(encoding="utf-8").split("INSERT INTO")[1].split(";\n")[0]
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO root.documents (tenant_id, document_id, title, source, media_type, text) "
            "VALUES ('t', 'old', 'T', 'old.txt', 'text/plain', %s), ('t', 'empty', 'T', 'e.txt', 'text/plain', '')",
            [text],
        )
        conn.execute(f"INSERT INTO {backfill}")
        rows = conn.execute(
            'SELECT "start", "end", text FROM root.passages WHERE document_id = \'old\' ORDER BY "start"'
        ).fetchall()
    assert len(rows) > 5
    assert all(text[start:end] == part and len(part) < 3_000 for start, end, part in rows)
    assert "\n".join(part for _, _, part in rows) == text
