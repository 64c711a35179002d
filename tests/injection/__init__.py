"""The compromised worker: a model that obeys whatever attacker its evidence holds, and what came of it, counted."""
