"""The only place that knows LangGraph: topology, routing, gates, the runner. Asks the policies between the roles."""
