import pytest

from adapters.documents import decode, extract
from contracts.errors import BadInput


@pytest.mark.parametrize(
    ("data", "text", "notes"),
    [
        pytest.param(b"a\nb", "a\nb", 0, id="utf-8"),
        pytest.param("\ufeffé".encode(), "é", 0, id="utf-8-with-a-mark"),
        pytest.param(b"a\r\nb\rc", "a\nb\nc", 0, id="line-ends"),
        pytest.param("café".encode("latin-1"), "café", 1, id="latin-1-is-said"),
        pytest.param("é".encode("utf-16"), "é", 1, id="utf-16-is-said"),
        pytest.param(b"a\x00b", "ab", 1, id="nul-is-said"),
    ],
)
def test_bytes_become_clean_text(data, text, notes):
    decoded = decode(data)
    assert decoded.text == text
    assert len(decoded.notes) == notes


@pytest.mark.parametrize(
    ("name", "data", "title", "text"),
    [
        pytest.param("a.md", b"intro\n# The *Title* #\nx", "The *Title*", "intro\n# The *Title* #\nx", id="markdown"),
        pytest.param("sub/plain.txt", b"just text", "plain", "just text", id="text-has-its-files-name"),
        pytest.param("t.CSV", b"a,b\n1,2\n", "t", "a,b\n1,2\n", id="csv-as-it-is"),
    ],
)
def test_plain_files_keep_their_text(name, data, title, text):
    found = extract(name, data)
    assert (found.title, found.text) == (title, text)


def test_html_becomes_paragraphs_without_what_no_reader_sees():
    page = b"""<!doctype html><html><head><title> The  page </title><style>p{}</style></head>
    <body><h1>Head</h1><p>One &amp; <b>bold</b>
      two.</p><script>alert(1)</script><ul><li>first<li>second</ul>
    <table><tr><th>Fee</th><td>200</td></tr><tr><th>Tax</th><td>9</td></tr></table>line<br>break
    <pre>  kept
    as is</pre></body></html>"""
    found = extract("x.html", page)
    assert found.title == "The page"
    assert "One & bold two." in found.text.split("\n\n")
    assert "first\nsecond" in found.text
    assert "Fee | 200\nTax | 9" in found.text
    assert "line\nbreak" in found.text
    assert "alert" not in found.text
    assert "p{}" not in found.text


def test_html_without_a_title_is_called_by_its_first_heading():
    assert extract("x.html", b"<h1>One</h1><h1>Two</h1>").title == "One"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a.docx", "not_supported_yet"),
        ("A.DOCX", "not_supported_yet"),
        ("a.png", "unknown_file_kind"),
        ("a", "unknown_file_kind"),
    ],
)
def test_other_files_are_refused_by_name(name, code):
    with pytest.raises(BadInput) as caught:
        extract(name, b"")
    assert caught.value.code == code
