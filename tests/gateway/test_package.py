"""The gateway is a package of its own: it needs httpx, fastapi and pydantic, and nothing of Colony."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_THERE = """
import sys
OURS = {"contracts", "policies", "nodes", "graph", "adapters", "server", "langgraph", "langchain_core", "psycopg",
        "structlog", "pydantic_settings", "tenacity", "dotenv", "uvicorn", "yaml"}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in OURS:
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Refuse())
import colony_gateway
print(colony_gateway.__file__)
print(sorted(colony_gateway.__all__)[0])
"""


def test_its_own_wheel_imports_with_nothing_of_the_runtime_there(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT / "colony_gateway", check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    run = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n{NOT_THERE}"]
    said = subprocess.run(run, check=True, capture_output=True, text=True, cwd=tmp_path).stdout.split()
    assert said == [str(tmp_path / "site" / "colony_gateway" / "__init__.py"), "Accepted"]
