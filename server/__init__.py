"""The service: settings, composition, REST and SSE, the worker process, the command line."""
