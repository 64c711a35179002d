"""The one way out over HTTP: clients that leave this process are made here, behind a gate that judges where they go."""
