"""Models behind one port: hosted, local, replayed and the built-in extractive one."""
