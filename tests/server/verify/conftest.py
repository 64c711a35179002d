import pytest

from server.bundle import packed
from tests.server.verify.forge import files_of
from tests.server.verify.story import told


@pytest.fixture(scope="session")
def bundle():
    """The archive of a finished mission."""
    return packed(told().record())


@pytest.fixture
def files(bundle):
    """The files of a finished mission, to be tampered with."""
    return files_of(bundle)
