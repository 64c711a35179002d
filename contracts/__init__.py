"""Pure values that cross packages, the ports, the error tree and the registry. No I/O."""

import os

# LangGraph reads this when it is first imported, and every package of Colony imports this one first: without it, a
# checkpoint that somebody tampered with may run code when it is loaded.
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
