"""Pure values that cross packages, the ports, the error tree and the registry. No I/O."""
