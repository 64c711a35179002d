"""The root (the product's own backend) over HTTP: the client, and the records that an import carries into it."""
