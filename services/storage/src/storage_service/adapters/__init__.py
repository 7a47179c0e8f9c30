"""How storage reaches its database and the object store."""
