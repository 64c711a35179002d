"""Pure values that cross packages, the ports, the error tree and the registry. No I/O."""

import os

# LangGraph reads this when it is first imported, and every package of Colony imports this one first: without it, loading
# a checkpoint may run code that somebody put into the row.
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
