"""Study index, assembly, matching to orders, retrieval."""
