"""PDFs made by a real writer, and what can be wrong with one."""

import time
import zlib

import pytest
from fpdf import FPDF

from adapters.documents import extract
from adapters.passages import cut
from adapters.pdf import read_pdf
from contracts.errors import BadInput


def pdf(*pages, title="", encrypted=False):
    made = FPDF()
    made.set_font("helvetica", size=11)
    if title:
        made.set_title(title)
    for text in pages:
        made.add_page()
        if text:
            made.multi_cell(0, text=text)
    if encrypted:
        made.set_encryption(owner_password="owner", user_password="user")
    return bytes(made.output())


def bomb():
    """A page whose content is a hundred megabytes of drawing, a few hundred kilobytes when packed."""
    stream = zlib.compress(b"BT (x) Tj ET\n" * 8_000_000, 1)
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<<>>>>"
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", page]
    objects.append(b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(stream), stream))
    body = b"".join(b"%d 0 obj%s endobj\n" % (n, each) for n, each in enumerate(objects, 1))
    return b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R/Size 5>>\n%%EOF"


def test_pages_stay_apart_and_a_passage_is_found_again_in_the_text():
    found = extract(
        "a/lease.pdf", pdf("The lease runs for two years.", "", "Page three says: no dogs.", title="The lease")
    )
    assert (found.title, found.media_type) == ("The lease", "application/pdf")
    assert found.text.split("\n\f") == ["The lease runs for two years.", "", "Page three says: no dogs."]
    assert found.notes == ("1 of 3 pages hold no text",)
    assert extract("lease.pdf", pdf("x")).title == "lease"
    long = extract("long.pdf", pdf(*(f"Page {n} speaks of clause {n}. " * 80 for n in range(8)))).text
    assert all(long[p.start : p.end].strip() for p in cut(long))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(pdf("secret", encrypted=True), "pdf_encrypted", id="encrypted"),
        pytest.param(pdf("", ""), "pdf_without_text", id="scanned"),
        pytest.param(b"%PDF-1.7\nnothing", "pdf_unreadable", id="broken"),
        pytest.param(b"", "pdf_unreadable", id="empty"),
        pytest.param(pdf("The lease runs for two years.")[:700], "pdf_unreadable", id="cut-short"),
    ],
)
def test_what_can_not_be_read_is_said(data, code):
    with pytest.raises(BadInput) as refused:
        read_pdf(data)
    assert refused.value.code == code


def test_a_pdf_that_unpacks_without_end_is_stopped():
    data = bomb()
    begun = time.monotonic()
    with pytest.raises(BadInput) as refused:
        read_pdf(data, seconds=3)
    assert refused.value.code in {"pdf_too_slow", "pdf_too_large", "pdf_unreadable"}
    assert time.monotonic() - begun < 30
