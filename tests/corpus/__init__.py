"""Databases as earlier versions left them, which the current code has to bring to their missions' ends."""
