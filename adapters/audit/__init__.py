"""What seals the audit record and is no part of the database: the key, the tree, and the files of the roots."""
