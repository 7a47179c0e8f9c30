"""Where the ports of `scheduling` meet PostgreSQL, the object store and the file system."""
