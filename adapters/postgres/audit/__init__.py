"""The audit of a whole database: what its rows should be, sealing them under signed roots, and checking them."""
