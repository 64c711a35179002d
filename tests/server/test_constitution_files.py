"""`colony constitution`: a key pair, a signature, its verification, and two people who activate."""

import asyncio
import json
from pathlib import Path
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from policies.constitution import SHIPPED
from server.cli.main import app
from server.principal import CAPABILITIES
from tests.conftest import SHORT
from tests.server.tokens import Issuer
from tests.support import serving


def colony(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["constitution", *arguments], env=environment)


def pair(folder: Path) -> tuple[Path, str]:
    made = colony("keygen", "--out", str(folder / "a.key"), "--json")
    assert made.exit_code == 0, made.output
    return folder / "a.key", str(json.loads(made.stdout)["public_key"])


def signed_file(folder: Path, key: Path, document: dict[str, Any]) -> Path:
    draft, out = folder / "draft.json", folder / "signed.json"
    draft.write_text(json.dumps(document), encoding="utf-8")
    made = colony("sign", str(draft), "--key", str(key), "--out", str(out))
    assert made.exit_code == 0, made.output
    return out


def test_what_is_signed_verifies_and_what_was_changed_does_not(tmp_path: Path) -> None:
    key, public = pair(tmp_path)
    assert key.stat().st_mode & 0o777 == 0o600
    assert colony("keygen", "--out", str(key)).exception is not None
    file = signed_file(tmp_path, key, SHIPPED.model_dump(mode="json"))
    verified = colony("verify", str(file), "--public-key", public, "--json")
    assert json.loads(verified.stdout)["sha256"] == SHIPPED.sha256()
    file.write_text(file.read_text().replace("Nobody changes", "Anybody changes"), encoding="utf-8")
    refused = colony("verify", str(file), "--public-key", public)
    assert getattr(refused.exception, "code", "") == "constitution_unverified"
    draft = tmp_path / "draft.json"
    draft.write_text(draft.read_text().replace('"people": 2', '"people": 1'), encoding="utf-8")
    wrong = colony("sign", str(draft), "--key", str(key))
    assert "people" in str(wrong.exception)


async def test_two_people_activate_by_the_same_command(database: str, tmp_path: Path) -> None:
    issuer = Issuer()
    key, public = pair(tmp_path)
    base = {"DATABASE_URL": database, "COLONY_HOME": str(tmp_path), **issuer.settings(tmp_path)}
    async with serving({**base, "CONSTITUTION_PUBLIC_KEY": public}, SHORT, work=False) as service:
        address = {"COLONY_SERVICE_BASE_URL": str(service.client.base_url)}

        async def by(person: str, *arguments: str) -> Result:
            token = issuer.token(sub=person, capabilities=sorted(CAPABILITIES))
            return await asyncio.to_thread(colony, *arguments, COLONY_SERVICE_API_KEY=token, **address)

        shown = await by("ada", "show")
        assert (shown.exit_code, "constitution_unverified" in shown.stdout) == (1, True)
        draft = json.loads((await by("ada", "show", "--draft")).stdout)
        file = signed_file(tmp_path, key, draft)
        alone = await by("ada", "activate", str(file), "--json")
        assert (alone.exit_code, json.loads(alone.stdout)["agreed"]) == (4, 1)
        again = await by("ada", "activate", str(file))
        assert (again.exit_code, "1 of 2 people" in again.stdout) == (4, True)
        both = await by("bob", "activate", str(file), "--json")
        assert (both.exit_code, json.loads(both.stdout)["status"]) == (0, "in_force")
        shown = await by("ada", "show")
        assert (shown.exit_code, "version 1, in force" in shown.stdout) == (0, True)
        follows = json.loads((await by("ada", "show", "--draft")).stdout)
        assert (follows["version"], follows["previous_sha256"]) == (2, SHIPPED.sha256())
        assert "in force" in (await by("ada", "list")).stdout
