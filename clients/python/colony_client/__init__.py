"""Colony's API for Python: ``ColonyClient`` and ``AsyncColonyClient``, typed by the service's own description."""

from colony_client.asynchronous import AsyncColonyClient
from colony_client.errors import ColonyError, NotReachable
from colony_client.synchronous import ColonyClient

__all__ = ["AsyncColonyClient", "ColonyClient", "ColonyError", "NotReachable"]
