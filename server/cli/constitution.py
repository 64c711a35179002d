"""`colony constitution`: keys, signatures and drafts offline; proposing, agreeing and showing through the service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import BadInput, Conflict
from server.cli.output import Exit, Json, Screen, emit
from server.cli.session import against

if TYPE_CHECKING:
    from contracts.constitution import Constitution, SignedConstitution
    from server.cli.api import Api

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The document, a .json file.")]
KeyFile = Annotated[
    Path, typer.Option("--key", exists=True, dir_okay=False, help="The private key, as keygen made it.")
]
Out = Annotated[Path | None, typer.Option("--out", help="Where to; standard output if not given.")]
NewKey = Annotated[Path, typer.Option("--out", help="Where the private key goes; only its owner may read it.")]
Public = Annotated[
    str | None, typer.Option("--public-key", help="What to verify by; CONSTITUTION_PUBLIC_KEY if not given.")
]
Reason = Annotated[str | None, typer.Option(help="Why; it is kept on record.")]
Sha = Annotated[str, typer.Argument(metavar="SHA256", help="As `colony constitution list` shows it.")]
Draft = Annotated[bool, typer.Option("--draft", help="Print the next version's document, to be edited and signed.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The signed document of limits that no run may proceed without.")
    for command in (keygen, sign, verify, activate, show, reject):
        group.command()(command)
    group.command("list")(versions)
    app.add_typer(group, name="constitution")


def keygen(out: NewKey = Path("constitution.key"), as_json: Json = False) -> None:
    """Make a key pair: the private half into a file to be kept offline, the public one to trust by."""
    from server.constitution_files import new_key

    public, name = new_key(out)
    if as_json:
        emit({"private_key": str(out), "public_key": public, "key_id": name})
        return
    screen = Screen()
    screen.line(f"{out}: the private key. Keep it offline; who has it can sign.")
    screen.line(f"CONSTITUTION_PUBLIC_KEY={public}")


def sign(file: File, key: KeyFile, out: Out = None, as_json: Json = False) -> None:
    """Sign a document; what is printed is JSON and goes to everybody who is to agree to it."""
    from graph.constitution import signed
    from server.constitution_files import document, private_key, written

    made = signed(document(file), private_key(key))
    if out is None:
        emit(made.model_dump(mode="json"))
        return
    written(out, made)
    told = {"version": made.constitution.version, "sha256": made.constitution.sha256(), "key_id": made.key_id}
    if as_json:
        emit({"file": str(out), **told})
    else:
        Screen().line("{}: version {version}, sha256 {sha256}, signed by key {key_id}".format(out, **told))


def verify(file: File, public_key: Public = None, as_json: Json = False) -> None:
    """Verify a signed document offline."""
    from graph.constitution import Guard
    from server.constitution_files import signed_document
    from server.settings import load_settings, public_keys

    try:
        keys = public_keys(public_key) if public_key else load_settings().constitution_keys
    except ValueError as exc:
        raise BadInput("--public-key is not an Ed25519 public key", hint="It is 32 bytes as base64.") from exc
    if not keys:
        raise BadInput("there is no key to verify by", hint="Give --public-key, or set CONSTITUTION_PUBLIC_KEY.")
    one = signed_document(file)
    document = Guard(keys).proposed(one)
    if as_json:
        emit({"ok": True, "version": document.version, "sha256": document.sha256(), "key_id": one.key_id})
        return
    Screen().line(f"verified: version {document.version}, sha256 {document.sha256()}, signed by key {one.key_id}")


def activate(file: File, reason: Reason = None, as_json: Json = False) -> None:
    """Propose a signed document, or agree to one that somebody else has proposed; enough people put it in force."""
    from server.constitution_files import signed_document

    one = signed_document(file)
    _told(against(lambda api: _activated(api, one, reason or "")), as_json=as_json)


async def _activated(api: Api, one: SignedConstitution, reason: str) -> dict[str, Any]:
    try:
        return dict(await api.post("/constitution", {**one.model_dump(mode="json"), "reason": reason}))
    except Conflict as exc:
        if exc.code != "already_proposed":
            raise
    return dict(await api.post(f"/constitution/{one.constitution.sha256()}/approve", {"reason": reason}))


def reject(sha256: Sha, reason: Reason = None, as_json: Json = False) -> None:
    """Turn a proposed document down for good."""
    found = against(lambda api: api.post(f"/constitution/{sha256}/reject", {"reason": reason}))
    _told(found, as_json=as_json)


def _told(one: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit(one)
    else:
        Screen().line(f"version {one['version']} is {_words(one)}; sha256 {one['sha256']}")
    if one["status"] == "proposed":
        raise typer.Exit(Exit.WAITING)


def _words(one: dict[str, Any]) -> str:
    if one["status"] == "proposed":
        return (
            f"proposed: {one['agreed']} of {one['people']} people have agreed; somebody else must, by the same command"
        )
    return str(one["status"]).replace("_", " ")


def show(draft: Draft = False, as_json: Json = False) -> None:
    """Show the constitution in force, or why there is none that holds."""
    if draft:
        emit(_next(against(lambda api: api.get("/constitution"))).model_dump(mode="json"))
        return
    state = against(lambda api: api.get("/constitution"))
    if as_json:
        emit(state)
    elif state["status"] == "in_force":
        _show(state)
    else:
        Screen().line(f"{state['code']}: {state['reason']}. {state['hint']}")
    if state["status"] != "in_force":
        raise typer.Exit(Exit.FAILED)


def _next(state: dict[str, Any]) -> Constitution:
    """Return the document that could follow: as the one in force, or the shipped one where there is none."""
    from contracts.constitution import Constitution
    from policies.constitution import SHIPPED

    now = Constitution.model_validate(state["constitution"]) if state["constitution"] else SHIPPED
    return now.model_copy(update={"version": (state["version"] or 0) + 1, "previous_sha256": state["sha256"]})


def _show(state: dict[str, Any]) -> None:
    document, screen = state["constitution"], Screen()
    screen.line(f"version {document['version']}, in force; sha256 {state['sha256']}")
    for principle in document["principles"]:
        screen.line(f"- {principle}")
    rows = [(name, ", ".join(v) if isinstance(v, list) else str(v)) for name, v in document["limits"].items()]
    screen.table(("limit", "allowed at most"), [*rows, ("people to change it", str(document["people"]))])


def versions(as_json: Json = False) -> None:
    """List every document that was proposed, oldest first."""
    items = against(lambda api: api.get("/constitution/versions"))["items"]
    if as_json:
        emit({"items": items})
        return
    rows = [
        (
            v["version"],
            v["sha256"],
            v["status"].replace("_", " "),
            f"{v['agreed']} of {v['people']}",
            v["activated_at"] or "",
        )
        for v in items
    ]
    Screen().table(("version", "sha256", "status", "agreed", "activated"), rows)
